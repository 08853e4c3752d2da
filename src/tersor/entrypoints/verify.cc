#include "tersor/entrypoints/verify.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <mutex>
#include <set>

#include <fmt/format.h>

#include "tersor/base/error.h"
#include "tersor/compressors/compressor.h"
#include "tersor/entrypoints/compressed_modules.h"
#include "tersor/parallel/thread_pool.h"
#include "tersor/pipelines/compression_plan.h"

namespace tersor {
namespace {

constexpr uint64_t kChunk = 4 << 20;

// Relative errors above this mean that the bytes do not say what the scheme says: rounding to so many bits
// stays below (heavy-tailed rows included), while a wrong nibble order, scale or shape gives about 1.4.
double error_ceiling(const QuantizationArgs& args) {
  if (args.num_bits >= 8) return 0.15;
  if (args.num_bits >= 5) return 0.3;
  if (args.num_bits == 4) return 0.5;
  return args.num_bits == 3 ? 1.0 : 1.2;
}

std::vector<std::byte> read_tensor(const Checkpoint& checkpoint, const TensorPlace& place) {
  const TensorInfo& info = checkpoint.info(place);
  std::vector<std::byte> bytes(info.bytes());
  checkpoint.shards[place.shard].source->read_at(info.begin, bytes);
  return bytes;
}

// Whether all scales are finite and above zero.
bool scales_are_sound(std::span<const std::byte> bytes, DType dtype) {
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
    if (!std::isfinite(value) || value <= 0) return false;
  }
  return true;
}

class Verification {
 public:
  Verification(const std::string& output, const std::string& reference, size_t threads,
               const std::function<void(uint64_t, uint64_t)>& progress)
      : out_(open_checkpoint(output)),
        ref_(open_checkpoint(reference)),
        pool_(threads),
        progress_(progress) {}

  VerifyReport run() {
    const auto config = quantization_config_of(out_);
    if (!config) {
      throw input_error(fmt::format("{} is not quantized: its config.json has no quantization_config",
                                    out_.folder.string()),
                        "`tersor verify OUTPUT --reference SOURCE`: the compressed folder comes first");
    }
    config_ = *config;
    const ModuleInventory inventory = take_inventory(ref_);
    for (const SourceModule& m : inventory.modules) total_ += m.has_weight ? *num_bytes(m.shape, m.dtype) : 0;
    check_config();
    check_modules(inventory);
    check_untouched();
    check_files();
    for (const TensorCheck& c : checks_) {
      if (!c.module.empty()) report_.modules.push_back(c);
    }
    std::ranges::sort(report_.modules, {}, &TensorCheck::module);
    std::ranges::sort(report_.failures);
    report_.relative_error = norm_ > 0 ? std::sqrt(error_ / norm_) : 0;
    return std::move(report_);
  }

 private:
  void fail(std::string message) {
    const std::lock_guard lock(mutex_);
    report_.failures.push_back(std::move(message));
  }

  void advance(uint64_t bytes) {
    const std::lock_guard lock(mutex_);
    done_ += bytes;
    if (progress_) progress_(done_, total_);
  }

  void check_config() {
    Json ours = out_.config;
    ours.erase("quantization_config");
    if (ours != ref_.config) fail("config.json differs from the reference's beside quantization_config");
  }

  // Every matrix of the reference is either quantized as config.json says, or stored as it is.
  void check_modules(const ModuleInventory& inventory) {
    const SchemeLookup lookup(config_);
    struct Job {
      const SourceModule* module;
      size_t scheme;
    };
    std::vector<Job> jobs;
    for (const SourceModule& m : inventory.modules) {
      const bool stored = out_.tensors.contains(m.name.name + ".weight_scale");
      const auto scheme = lookup.scheme_of(m.name);
      if (stored && (!scheme || !config_.groups[*scheme].weights)) {
        fail(
            fmt::format("`{}` is stored quantized, but quantization_config gives it no scheme", m.name.name));
      } else if (stored) {
        jobs.push_back({&m, *scheme});
        split_tensors_.insert({m.place.shard, m.place.tensor});
      } else if (scheme && m.is_matrix() && m.has_weight) {
        fail(fmt::format(
            "`{}` is stored as it is, but quantization_config gives it a scheme: it should be in `ignore`",
            m.name.name));
      }
    }
    checks_.resize(jobs.size());
    std::vector<std::pair<double, double>> sums(jobs.size());
    pool_.parallel_for(jobs.size(), [&](size_t i, size_t) {
      sums[i] = check_module(*jobs[i].module, config_.groups[jobs[i].scheme], checks_[i]);
      advance(*num_bytes(jobs[i].module->shape, jobs[i].module->dtype));
    });
    for (const auto& [error, norm] : sums) {
      error_ += error;
      norm_ += norm;
    }
    // Modules that were cut out of a fused expert tensor and stored as they are.
    for (const SourceModule& m : inventory.modules) {
      if (!m.has_weight || !split_tensors_.contains({m.place.shard, m.place.tensor})) continue;
      if (out_.tensors.contains(m.name.name + ".weight_scale")) continue;
      compare(m.name.name + ".weight", m.dtype, m.shape, ref_.shards[m.place.shard], m.begin);
    }
  }

  // Returns ‖W − Ŵ‖² and ‖W‖².
  std::pair<double, double> check_module(const SourceModule& m, const QuantizationScheme& scheme,
                                         TensorCheck& check) {
    const std::string& name = m.name.name;
    std::vector<std::vector<std::byte>> bytes;
    std::map<std::string, std::span<const std::byte>> tensors;
    const auto expected = stored_tensors(scheme, m.dtype, m.out(), m.in());
    for (const StoredTensor& t : expected) {
      const std::string tensor = name + "." + t.suffix;
      const auto it = out_.tensors.find(tensor);
      if (it == out_.tensors.end()) {
        fail(fmt::format("`{}` is missing: {} {} was expected", tensor, dtype_name(t.dtype),
                         to_string(t.shape)));
        return {};
      }
      seen(tensor);
      const TensorInfo& info = out_.info(it->second);
      if (info.dtype != t.dtype || info.shape != t.shape) {
        fail(fmt::format("`{}` is {} {}; {} {} was expected", tensor, dtype_name(info.dtype),
                         to_string(info.shape), dtype_name(t.dtype), to_string(t.shape)));
        return {};
      }
      bytes.push_back(read_tensor(out_, it->second));
      if (t.suffix.ends_with("scale") && !scales_are_sound(bytes.back(), info.dtype))
        fail(fmt::format("`{}` holds a scale that is zero, negative or not finite", tensor));
      if (t.suffix == "weight_shape") {
        const std::array<uint64_t, 2> shape = {m.out(), m.in()};
        if (std::memcmp(bytes.back().data(), shape.data(), 16) != 0)
          fail(fmt::format("`{}` does not hold [{}, {}]", tensor, m.out(), m.in()));
      }
    }
    for (size_t i = 0; i < expected.size(); ++i) tensors[expected[i].suffix] = bytes[i];

    const QuantizeKernels& kernels = cpu_quantize_kernels();
    const uint64_t row_bytes = m.in() * dtype_size(m.dtype);
    const uint64_t align = row_alignment(scheme);
    const uint64_t step = std::max<uint64_t>(1, kChunk / std::max<uint64_t>(1, row_bytes) / align) * align;
    std::vector<std::byte> source;
    std::vector<float> values;
    double error = 0, norm = 0;
    for (uint64_t row = 0; row < m.out(); row += step) {
      const uint64_t count = std::min(step, m.out() - row);
      source.resize(count * row_bytes);
      values.resize(count * m.in());
      ref_.shards[m.place.shard].source->read_at(m.begin + row * row_bytes, source);
      decompress_rows(scheme, tensors, m.dtype, m.out(), m.in(), row, count, kernels, values.data());
      kernels.squared_error({source.data(), m.dtype, count, m.in()}, values.data(), &error, &norm);
    }
    check = {
        .module = name, .scheme = describe(scheme), .relative_error = norm > 0 ? std::sqrt(error / norm) : 0};
    if (const double ceiling = error_ceiling(*scheme.weights); !(check.relative_error <= ceiling)) {
      fail(fmt::format(
          "`{}` is {:.3f} away from the reference, relative to its norm; at most {} was expected of {}", name,
          check.relative_error, ceiling, check.scheme));
    }
    return {error, norm};
  }

  void seen(const std::string& tensor) {
    const std::lock_guard lock(mutex_);
    seen_.insert(tensor);
  }

  // The tensor of the output against bytes of the reference.
  void compare(const std::string& name, DType dtype, const Shape& shape, const Shard& shard, uint64_t begin) {
    const auto it = out_.tensors.find(name);
    if (it == out_.tensors.end()) return fail(fmt::format("`{}` is missing", name));
    seen(name);
    const TensorInfo& info = out_.info(it->second);
    if (info.dtype != dtype || info.shape != shape) {
      return fail(fmt::format("`{}` is {} {}; {} {} was expected, as in the reference", name,
                              dtype_name(info.dtype), to_string(info.shape), dtype_name(dtype),
                              to_string(shape)));
    }
    std::vector<std::byte> a, b;
    for (uint64_t at = 0; at < info.bytes(); at += kChunk) {
      const uint64_t count = std::min(kChunk, info.bytes() - at);
      a.resize(count);
      b.resize(count);
      out_.shards[it->second.shard].source->read_at(info.begin + at, a);
      shard.source->read_at(begin + at, b);
      if (std::memcmp(a.data(), b.data(), count) != 0)
        return fail(fmt::format("`{}` differs from the reference's bytes, but no scheme touches it", name));
    }
    const std::lock_guard lock(mutex_);
    ++report_.equal_tensors;
  }

  // Tensors of the reference that no scheme touched, and tensors of the output that nobody expects.
  void check_untouched() {
    std::vector<std::pair<const std::string*, TensorPlace>> tensors;
    for (const auto& [name, place] : ref_.tensors) {
      if (!split_tensors_.contains({place.shard, place.tensor})) tensors.emplace_back(&name, place);
    }
    pool_.parallel_for(tensors.size(), [&](size_t i, size_t) {
      const auto& [name, place] = tensors[i];
      const TensorInfo& info = ref_.info(place);
      compare(*name, info.dtype, info.shape, ref_.shards[place.shard], info.begin);
      advance(name->ends_with(".weight") ? info.bytes() : 0);
    });
    for (const auto& [name, place] : out_.tensors) {
      if (!seen_.contains(name)) fail(fmt::format("`{}` belongs to nothing: readers would refuse it", name));
    }
  }

  void check_files() {
    for (const OtherFile& file : ref_.other_files) {
      if (file.relative_path == "recipe.yaml") continue;
      const auto ours = std::ranges::find(out_.other_files, file.relative_path, &OtherFile::relative_path);
      if (ours == out_.other_files.end()) {
        fail(fmt::format("the file {} is missing", file.relative_path));
      } else if (ours->bytes != file.bytes || read_file(out_.folder / file.relative_path, UINT64_MAX) !=
                                                  read_file(ref_.folder / file.relative_path, UINT64_MAX)) {
        fail(fmt::format("the file {} differs from the reference's", file.relative_path));
      }
    }
  }

  Checkpoint out_, ref_;
  ThreadPool pool_;
  const std::function<void(uint64_t, uint64_t)>& progress_;
  QuantizationConfig config_;
  VerifyReport report_;
  std::vector<TensorCheck> checks_;
  std::set<std::pair<size_t, size_t>> split_tensors_;  // source tensors that became others: shard, tensor
  std::set<std::string> seen_;                         // tensors of the output that were expected
  double error_ = 0, norm_ = 0;
  uint64_t done_ = 0, total_ = 0;
  std::mutex mutex_;
};

}  // namespace

VerifyReport verify(const std::string& output, const std::string& reference, size_t threads,
                    const std::function<void(uint64_t, uint64_t)>& progress) {
  return Verification(output, reference, threads, progress).run();
}

}  // namespace tersor
