#include "tersor/pipelines/solve_module.h"

#include <algorithm>
#include <mutex>

#include <fmt/format.h>

#include "tersor/base/error.h"
#include "tersor/compressors/compressor.h"
#include "tersor/compressors/weight_layout.h"
#include "tersor/modifiers/gptq/signed_scales.h"
#include "tersor/pipelines/storable.h"
#include "tersor/pipelines/work_items.h"
#include "tersor/quantization/fused_modules.h"

namespace tersor {
namespace {

// The stored tensors of a whole weight, filled in piece by piece.
struct StoredWeight {
  std::vector<StoredTensor> tensors;
  std::vector<std::vector<std::byte>> bytes;

  StoredWeight(const QuantizationScheme& scheme, const SourceModule& m)
      : tensors(stored_tensors(scheme, m.dtype, m.out(), m.in())) {
    for (const StoredTensor& t : tensors) bytes.emplace_back(*num_bytes(t.shape, t.dtype));
  }
  std::map<std::string, std::span<const std::byte>> by_suffix() const {
    std::map<std::string, std::span<const std::byte>> map;
    for (size_t i = 0; i < tensors.size(); ++i) map[tensors[i].suffix] = bytes[i];
    return map;
  }
};

// Rows in blocks over the threads: f(first row, rows, block).
template <typename F>
void each_block(ThreadPool& pool, const SourceModule& m, const QuantizationScheme& scheme, F&& f) {
  // Smaller than a piece of the data-free pipeline: one weight has to occupy every thread.
  const uint64_t align = row_alignment(scheme);
  const uint64_t wanted = (m.out() + 4 * pool.threads() - 1) / (4 * pool.threads());
  const uint64_t step =
      std::min(piece_rows(m, scheme), std::max<uint64_t>(1, (wanted + align - 1) / align) * align);
  pool.parallel_for((m.out() + step - 1) / step, [&](size_t block, size_t) {
    f(block * step, std::min(step, m.out() - block * step), block);
  });
}

WeightView rows_of(const std::vector<std::byte>& weight, const SourceModule& m, uint64_t row,
                   uint64_t count) {
  return {weight.data() + row * m.in() * dtype_size(m.dtype), m.dtype, count, m.in()};
}

// Rounds to nearest: every stored tensor of the weight.
BlockStatistics round_weight(const QuantizationScheme& scheme, const SourceModule& m,
                             const std::vector<std::byte>& weight, const Observation& observation,
                             ThreadPool& pool, StoredWeight& stored) {
  std::vector<BlockStatistics> blocks(m.out());
  each_block(pool, m, scheme, [&](uint64_t row, uint64_t count, size_t block) {
    CompressScratch scratch;
    std::vector<StoredPiece> pieces;
    blocks[block] = compress_rows(scheme, m.out(), row, rows_of(weight, m, row, count), observation,
                                  cpu_quantize_kernels(), scratch, pieces);
    if (!blocks[block].finite) return;
    for (const StoredPiece& piece : pieces)
      std::ranges::copy(piece.bytes,
                        stored.bytes[piece.tensor].begin() + static_cast<std::ptrdiff_t>(piece.offset));
  });
  BlockStatistics sum;
  for (const BlockStatistics& block : blocks) {
    sum.squared_error += block.squared_error;
    sum.squared_norm += block.squared_norm;
    sum.zero_groups += block.zero_groups;
    sum.finite = sum.finite && block.finite;
  }
  return sum;
}

// A weight [out, in] in f32, made of blocks of its rows: make(first row, rows, values).
template <typename F>
DeviceTensor put_blocks(Backend& backend, ThreadPool& pool, const QuantizationScheme& scheme,
                        const SourceModule& m, F&& make) {
  const DeviceTensor weight = backend.allocate(DType::kF32, m.out(), m.in());
  std::mutex device;  // which takes calls from one thread at a time
  each_block(pool, m, scheme, [&](uint64_t row, uint64_t count, size_t) {
    std::vector<float> values(count * m.in());
    make(row, count, values.data());
    const std::lock_guard lock(device);
    backend.copy_in(weight.sub_rows(row, count), values.data());
  });
  return weight;
}

DeviceTensor dequantized(Backend& backend, const QuantizationScheme& scheme, const SourceModule& m,
                         const StoredWeight& stored, ThreadPool& pool) {
  const auto tensors = stored.by_suffix();
  return put_blocks(backend, pool, scheme, m, [&](uint64_t row, uint64_t count, float* values) {
    decompress_rows(scheme, tensors, m.dtype, m.out(), m.in(), row, count, cpu_quantize_kernels(), values);
  });
}

// The bytes of scales whose groups are turned over where that loses less.
void store_signs(const QuantizationScheme& scheme, const SourceModule& m,
                 const std::vector<std::byte>& weight, std::span<const float> costs, ThreadPool& pool,
                 StoredWeight& stored) {
  constexpr size_t kScales = WeightLayout::kScales;
  const QuantizationArgs& args = *scheme.weights;
  const uint64_t row_bytes = stored.bytes[kScales].size() / m.out();
  const uint64_t groups = row_bytes / dtype_size(stored.tensors[kScales].dtype);
  each_block(pool, m, scheme, [&](uint64_t row, uint64_t count, size_t) {
    const std::span<std::byte> bytes =
        std::span(stored.bytes[kScales]).subspan(row * row_bytes, count * row_bytes);
    std::vector<float> scales(count * groups);
    read_scales(args, m.dtype, bytes, 0, scales);
    choose_signs(args, rows_of(weight, m, row, count), costs, cpu_quantize_kernels(), scales);
    std::ranges::copy(store_scales(args, m.dtype, scales), bytes.begin());
  });
}

// W · (I + P).
DeviceTensor shifted(Backend& backend, const DeviceTensor& weight, const DeviceTensor& shift) {
  const DeviceTensor sum = copy_of(backend, weight);
  backend.gemm(1, weight, false, shift, false, 1, sum);
  return sum;
}

DeviceTensor as_floats(Backend& backend, const QuantizationScheme& scheme, const SourceModule& m,
                       const std::vector<std::byte>& weight, ThreadPool& pool) {
  return put_blocks(backend, pool, scheme, m, [&](uint64_t row, uint64_t count, float* values) {
    visit_weight(rows_of(weight, m, row, count), [&](const auto& view) {
      for (size_t i = 0; i < count * m.in(); ++i) values[i] = to_float(view.data[i]);
    });
  });
}

// ‖W − Ŵ‖², row after row.
double squared_error_of(Backend& backend, const SourceModule& m, const std::vector<std::byte>& weight,
                        const DeviceTensor& result) {
  constexpr uint64_t kRows = 256;
  double error = 0, norm = 0;
  std::vector<float> values;
  for (uint64_t row = 0; row < m.out(); row += kRows) {
    const DeviceTensor rows = result.sub_rows(row, std::min(kRows, m.out() - row));
    values.resize(rows.size());
    backend.copy_out(rows, values.data());
    cpu_quantize_kernels().squared_error(rows_of(weight, m, row, rows.rows), values.data(), &error, &norm);
  }
  return error;
}

}  // namespace

StatisticsNeeds statistics_needs(const QuantizationScheme& scheme, bool gptq) {
  const auto is_measured = [](const std::optional<QuantizationArgs>& args) {
    return args && args->dynamic != Dynamic::kTrue;
  };
  StatisticsNeeds needs{
      .hessian = gptq, .squares = scheme.weights->observer == "imatrix_mse", .activations = {}};
  if (is_measured(scheme.input_activations)) needs.activations.add(*scheme.input_activations);
  return needs;
}

std::vector<std::byte> ModuleSolver::read_weight(size_t m) const {
  const SourceModule& module = plan_.inventory.modules[m];
  std::vector<std::byte> bytes(module.out() * module.in() * dtype_size(module.dtype));
  checkpoint_.shards[module.place.shard].source->read_at(module.begin, bytes);
  return bytes;
}

// The range over a tensor, or over the fused set that it is stacked into; sets come one after the other.
const Observation& ModuleSolver::observe_set(size_t m) {
  const QuantizationScheme& scheme = plan_.schemes[*plan_.decisions[m].scheme];
  const std::string& name = plan_.inventory.modules[m].name.name;
  const int passes = observation_passes(scheme);
  const std::string set = shares_range_across_fused_set(scheme) ? fused_key(name).value_or(name) : name;
  if (set == set_) return observation_;
  set_ = set;
  observation_ = {};
  for (int pass = 0; pass < passes; ++pass) {
    Observation merged;
    for (size_t member = 0; member < plan_.decisions.size(); ++member) {
      const std::string& other = plan_.inventory.modules[member].name.name;
      if (member != m && (!plan_.decisions[member].scheme || set == name || fused_key(other) != set))
        continue;
      const SourceModule& module = plan_.inventory.modules[member];
      const std::vector<std::byte> weight = read_weight(member);
      std::vector<Observation> seen(module.out());
      each_block(pool_, module, scheme, [&](uint64_t row, uint64_t count, size_t block) {
        CompressScratch scratch;
        seen[block] = observe_rows(scheme, rows_of(weight, module, row, count), pass, observation_,
                                   cpu_quantize_kernels(), scratch);
      });
      for (Observation& block : seen) {
        if (merged.grid_errors.empty()) merged.grid_errors.resize(block.grid_errors.size());
        merge(merged, block);
      }
    }
    finish_pass(scheme, plan_.inventory.modules[m].dtype, pass, merged);
    observation_ = std::move(merged);
  }
  return observation_;
}

std::vector<Extent> ModuleSolver::write_activations(size_t m, const InputStatistics& input) {
  const ModuleDecision& decision = plan_.decisions[m];
  const SourceModule& module = plan_.inventory.modules[m];
  const QuantizationScheme& scheme = plan_.schemes[*decision.scheme];
  std::vector<Extent> extents;
  if (decision.activations.empty()) return extents;
  const QuantizationArgs& args = *scheme.input_activations;
  const PlannedShard& shard = plan_.shards[module.place.shard];
  const MinMax range = input.activations().range(args, module.dtype);
  const auto write = [&](size_t index, std::span<const std::byte> bytes) {
    extents.push_back(output_.write(static_cast<uint32_t>(module.place.shard),
                                    shard.tensors[decision.activations[index]].begin, bytes));
  };
  if (args.dynamic == Dynamic::kLocal) {
    const float scale = nvfp4_global_scale(std::max(-range.min, range.max), DType::kF32);
    write(0, std::as_bytes(std::span(&scale, 1)));
    return extents;
  }
  QParams qparams;
  compute_qparams(args, module.dtype, std::span(&range, 1), 0, qparams);
  write(0, qparams.stored);
  if (!args.symmetric) write(1, std::as_bytes(std::span(qparams.zero_points)));
  return extents;
}

SolvedModule ModuleSolver::solve(size_t m, uint32_t item, const InputStatistics& input,
                                 const SolveGuide& guide) {
  const SourceModule& module = plan_.inventory.modules[m];
  const ModuleDecision& decision = plan_.decisions[m];
  const QuantizationScheme& scheme = plan_.schemes[*decision.scheme];
  const std::vector<std::byte> weight = read_weight(m);
  Observation observation = observation_passes(scheme) > 0 ? observe_set(m) : Observation{};
  if (scheme.weights->observer == "imatrix_mse")
    observation.importance.assign(guide.importance.begin(), guide.importance.end());

  StoredWeight stored(scheme, module);
  const BlockStatistics rounded = round_weight(scheme, module, weight, observation, pool_, stored);
  require_storable(rounded, scheme, module,
                   (checkpoint_.folder / checkpoint_.shards[module.place.shard].file_name).string(),
                   plan_.inventory);
  SolvedModule solved;
  solved.statistics = {.squared_error = rounded.squared_error,
                       .squared_norm = rounded.squared_norm,
                       .zero_groups = rounded.zero_groups,
                       .tokens = input.tokens()};
  solved.weight = dequantized(backend_, scheme, module, stored, pool_);
  solved.fell_back = decision.gptq && guide.factor == nullptr;
  if (decision.gptq && guide.factor != nullptr) {
    const DeviceTensor original = as_floats(backend_, scheme, module, weight, pool_);
    solved.statistics.output_norm = output_error(backend_, guide.hessian, original);
    // A weight is large: each is turned into its own error, and gone before the next is made.
    backend_.add(original, -1, solved.weight, solved.weight);
    solved.statistics.rounding_output_error = output_error(backend_, guide.hessian, solved.weight);
    solved.weight = {};
    if (takes_signed_scales(scheme, *decision.gptq))
      store_signs(scheme, module, weight, observation.importance, pool_, stored);
    GptqResult result = gptq_quantize(
        backend_, guide.shift ? shifted(backend_, original, guide.shift) : original, *guide.factor,
        stored_column_scales(scheme, stored.by_suffix(), module.dtype, module.out(), module.in()),
        static_cast<size_t>(decision.gptq->block_size));
    stored.bytes[0] =
        encode_codes(scheme, module.dtype, module.out(), module.in(), result.codes, cpu_quantize_kernels());
    solved.weight = std::move(result.weight);
    backend_.add(original, -1, solved.weight, original);
    solved.statistics.output_error = output_error(backend_, guide.hessian, original);
    solved.statistics.squared_error = squared_error_of(backend_, module, weight, solved.weight);
  }

  JournalRecord record{.item = item, .statistics = solved.statistics, .extents = {}};
  const auto shard = static_cast<uint32_t>(module.place.shard);
  for (size_t t = 0; t < stored.tensors.size(); ++t)
    record.extents.push_back(
        output_.write(shard, plan_.shards[shard].tensors[decision.stored[t]].begin, stored.bytes[t]));
  for (const Extent& extent : write_activations(m, input)) record.extents.push_back(extent);
  output_.record(record);
  return solved;
}

}  // namespace tersor
