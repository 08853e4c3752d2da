#include "tersor/entrypoints/verify_weights.h"

#include <cmath>
#include <cstring>
#include <exception>
#include <map>
#include <memory>
#include <optional>
#include <set>

#include <fmt/format.h>

#include "tersor/compressors/stored_rows.h"
#include "tersor/modifiers/gptq/signed_scales.h"
#include "tersor/pipelines/range_exchange.h"
#include "tersor/pipelines/work_items.h"

namespace tersor {

bool scales_are_sound(std::span<const std::byte> bytes, DType dtype, bool either_sign) {
  const uint64_t size = dtype_size(dtype);
  for (uint64_t i = 0; i + size <= bytes.size(); i += size) {
    float value = 1;
    if (dtype == DType::kF32) {
      std::memcpy(&value, &bytes[i], 4);
    } else if (dtype == DType::kBF16 || dtype == DType::kF16) {
      uint16_t bits = 0;
      std::memcpy(&bits, &bytes[i], 2);
      value = dtype == DType::kBF16 ? to_float(BFloat16{bits}) : to_float(Float16{bits});
    } else if (dtype == DType::kF8E4M3) {
      value = to_float(Float8E4M3{std::to_integer<uint8_t>(bytes[i])});
    } else if (dtype == DType::kU8) {
      value = bytes[i] == std::byte{255} ? NAN : 1.0f;  // E8M0: 255 is its NaN, and nothing is zero
    }
    if (either_sign) value = std::fabs(value);
    if (!std::isfinite(value) || value <= 0) return false;
  }
  return true;
}

namespace {

// Buffers of one thread.
struct Worker {
  std::vector<std::byte> source;
  std::vector<std::vector<std::byte>> found;  // by stored tensor
  std::vector<float> values;
  CompressScratch scratch;
  std::vector<StoredPiece> pieces;
};

// What one row block tells.
struct BlockCheck {
  double squared_error = 0;
  double squared_norm = 0;
  bool finite = true;
  std::set<size_t> unsound_scales;  // stored tensors
  bool wrong_shape = false;
  std::vector<StoredDifference> differences;
};

std::string difference_text(const std::string& tensor, const StoredDifference& d) {
  if (d.only_padding) return fmt::format("`{}`: bits behind the last code of row {} are set", tensor, d.row);
  if (d.what == "codes") {
    return fmt::format(
        "`{}`: {} of {} codes are not those nearest to the reference's weights, the first at row {}, column "
        "{}",
        tensor, d.count, d.of, d.row, d.col);
  }
  return fmt::format("`{}`: {} of {} {} are not what the reference's weights give, the first at [{}, {}]",
                     tensor, d.count, d.of, d.what, d.row, d.col);
}

class WeightVerification {
 public:
  WeightVerification(const Checkpoint& output, const Checkpoint& reference, const CompressionPlan& plan,
                     const WeightCheckOptions& options, ThreadPool& pool)
      : out_(output),
        ref_(reference),
        plan_(plan),
        options_(options),
        pool_(pool),
        list_(make_work_list(plan, /*calibrated=*/true)),
        ranges_(plan, list_),
        kernels_(cpu_quantize_kernels()),
        blocks_(list_.items.size()) {}

  std::vector<WeightCheck> run() {
    std::vector<Worker> workers(pool_.threads());
    pool_.parallel_for(list_.items.size(), [&](size_t i, size_t w) {
      try {
        work(i, workers[w]);
      } catch (...) {
        ranges_.abandon(std::current_exception());
        throw;
      }
    });
    return results();
  }

 private:
  const QuantizationScheme& scheme_of(size_t module) const {
    return plan_.schemes[*plan_.decisions[module].scheme];
  }

  bool has_either_sign(size_t module) const {
    const auto& gptq = plan_.decisions[module].gptq;
    return gptq && takes_signed_scales(scheme_of(module), *gptq);
  }

  void work(size_t index, Worker& worker) {
    const WorkItem& item = list_.items[index];
    if (item.kind == WorkItem::Kind::kObserve) {
      if (!options_.recompute) return;
      const Observation& before = ranges_.before_pass(item.group, item.pass);
      const WeightView rows = read_source(item, worker);
      ranges_.put(item, index,
                  observe_rows(scheme_of(item.subject), rows, item.pass, before, kernels_, worker.scratch));
    } else if (item.kind == WorkItem::Kind::kCompress && !options_.skip[item.subject]) {
      check_rows(index, worker);
      const SourceModule& m = plan_.inventory.modules[item.subject];
      if (options_.advanced) options_.advanced(item.count * m.in() * dtype_size(m.dtype));
    }
  }

  WeightView read_source(const WorkItem& item, Worker& worker) const {
    const SourceModule& m = plan_.inventory.modules[item.subject];
    const uint64_t row_bytes = m.in() * dtype_size(m.dtype);
    worker.source.resize(item.count * row_bytes);
    ref_.shards[m.place.shard].source->read_at(m.begin + item.begin * row_bytes, worker.source);
    return {worker.source.data(), m.dtype, item.count, m.in()};
  }

  void check_rows(size_t index, Worker& worker) {
    const WorkItem& item = list_.items[index];
    BlockCheck& block = blocks_[index];
    const SourceModule& m = plan_.inventory.modules[item.subject];
    const QuantizationScheme& scheme = scheme_of(item.subject);
    const auto tensors = stored_tensors(scheme, m.dtype, m.out(), m.in());
    const auto extents = stored_extents(scheme, m.dtype, m.out(), m.in(), item.begin, item.count);
    worker.found.resize(std::max(worker.found.size(), tensors.size()));
    std::map<std::string, std::span<const std::byte>> by_suffix;
    for (size_t t = 0; t < tensors.size(); ++t) {
      const TensorPlace place = out_.tensors.at(m.name.name + "." + tensors[t].suffix);
      worker.found[t].resize(extents[t].bytes);
      out_.shards[place.shard].source->read_at(out_.info(place).begin + extents[t].offset, worker.found[t]);
      by_suffix[tensors[t].suffix] = worker.found[t];
      if (tensors[t].suffix.ends_with("scale") &&
          !scales_are_sound(worker.found[t], tensors[t].dtype, has_either_sign(item.subject)))
        block.unsound_scales.insert(t);
      const std::array<uint64_t, 2> shape = {m.out(), m.in()};
      if (tensors[t].suffix == "weight_shape" && std::memcmp(worker.found[t].data(), shape.data(), 16) != 0)
        block.wrong_shape = true;
    }

    const WeightView rows = read_source(item, worker);
    worker.values.resize(item.count * m.in());
    decompress_rows(scheme, by_suffix, m.dtype, item.count, m.in(), 0, item.count, kernels_,
                    worker.values.data());
    kernels_.squared_error(rows, worker.values.data(), &block.squared_error, &block.squared_norm);
    // An observer that weighs by calibration data cannot be asked again.
    if (options_.recompute && scheme.weights->observer != "imatrix_mse")
      recompute(item, rows, scheme, extents, worker, block);
  }

  void recompute(const WorkItem& item, const WeightView& rows, const QuantizationScheme& scheme,
                 const std::vector<StoredExtent>& extents, Worker& worker, BlockCheck& block) {
    const Observation& observation =
        item.group == kNoGroup ? none_ : ranges_.before_pass(item.group, observation_passes(scheme));
    const uint64_t out = plan_.inventory.modules[item.subject].out();
    block.finite =
        compress_rows(scheme, out, item.begin, rows, observation, kernels_, worker.scratch, worker.pieces)
            .finite;
    if (!block.finite) return;
    const bool solved = plan_.decisions[item.subject].gptq.has_value();  // its codes are not the nearest ones
    for (const StoredPiece& piece : worker.pieces) {
      if (solved && piece.tensor == 0) continue;
      // Extents and pieces are one thing said twice: the same block of the same tensors.
      const std::span<const std::byte> found = worker.found[piece.tensor];
      if (piece.offset != extents[piece.tensor].offset || piece.bytes.size() != found.size())
        throw std::logic_error("a piece does not lie where its rows are stored");
      const auto difference = compare_piece(scheme, rows.dtype, out, rows.cols, piece, found, kernels_);
      if (difference) block.differences.push_back(*difference);
    }
  }

  // The blocks of each module, put together in the order of their rows.
  std::vector<WeightCheck> results() const {
    std::vector<BlockCheck> modules(plan_.inventory.modules.size());
    for (size_t i = 0; i < list_.items.size(); ++i) {
      const BlockCheck& block = blocks_[i];
      BlockCheck& sum = modules[list_.items[i].subject];
      if (list_.items[i].kind != WorkItem::Kind::kCompress) continue;
      sum.squared_error += block.squared_error;
      sum.squared_norm += block.squared_norm;
      sum.finite &= block.finite;
      sum.wrong_shape |= block.wrong_shape;
      sum.unsound_scales.insert(block.unsound_scales.begin(), block.unsound_scales.end());
      for (const StoredDifference& d : block.differences) add(sum.differences, d);
    }
    std::vector<WeightCheck> checks(modules.size());
    for (size_t m = 0; m < modules.size(); ++m) {
      checks[m].squared_error = modules[m].squared_error;
      checks[m].squared_norm = modules[m].squared_norm;
      if (plan_.decisions[m].scheme) checks[m].failures = failures_of(m, modules[m]);
    }
    return checks;
  }

  static void add(std::vector<StoredDifference>& sums, const StoredDifference& next) {
    for (StoredDifference& sum : sums) {
      if (sum.tensor != next.tensor || sum.only_padding != next.only_padding) continue;
      sum.count += next.count;
      return;
    }
    sums.push_back(next);
  }

  std::vector<std::string> failures_of(size_t module, const BlockCheck& found) const {
    const SourceModule& m = plan_.inventory.modules[module];
    const auto tensors = stored_tensors(scheme_of(module), m.dtype, m.out(), m.in());
    std::vector<std::string> failures;
    auto name = [&](size_t tensor) { return m.name.name + "." + tensors[tensor].suffix; };
    for (const size_t t : found.unsound_scales)
      failures.push_back(fmt::format("`{}` holds a scale that is zero, negative or not finite", name(t)));
    if (found.wrong_shape)
      failures.push_back(
          fmt::format("`{}.weight_shape` does not hold [{}, {}]", m.name.name, m.out(), m.in()));
    if (!found.finite)
      failures.push_back(fmt::format("`{}.weight` of the reference holds a NaN or an infinity", m.name.name));
    for (const StoredDifference& d : found.differences) {
      if (tensors[d.tensor].suffix == "weight_shape") continue;  // told above
      failures.push_back(difference_text(name(d.tensor), d));
    }
    return failures;
  }

  const Checkpoint& out_;
  const Checkpoint& ref_;
  const CompressionPlan& plan_;
  const WeightCheckOptions& options_;
  ThreadPool& pool_;
  const WorkList list_;
  RangeExchange ranges_;
  const QuantizeKernels& kernels_;
  std::vector<BlockCheck> blocks_;  // one per work item, each written by one thread
  const Observation none_{};
};

}  // namespace

std::vector<WeightCheck> verify_weights(const Checkpoint& output, const Checkpoint& reference,
                                        const CompressionPlan& plan, const WeightCheckOptions& options,
                                        ThreadPool& pool) {
  return WeightVerification(output, reference, plan, options, pool).run();
}

}  // namespace tersor
