#include "tersor/entrypoints/verify.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <mutex>
#include <optional>
#include <set>

#include <fmt/format.h>

#include "tersor/base/error.h"
#include "tersor/compressors/compressor.h"
#include "tersor/entrypoints/compressed_modules.h"
#include "tersor/entrypoints/verify_config.h"
#include "tersor/entrypoints/verify_weights.h"
#include "tersor/io/json_differences.h"
#include "tersor/parallel/thread_pool.h"
#include "tersor/pipelines/compression_plan.h"
#include "tersor/pipelines/output_layout.h"

namespace tersor {
namespace {

constexpr uint64_t kChunk = 4 << 20;

// Where codes are not recomputed: relative errors above this mean that the bytes do not say what the scheme
// says. Rounding to so many bits stays below (heavy-tailed rows included), while a wrong nibble order, scale
// or shape gives about 1.4.
double error_ceiling(const QuantizationArgs& args) {
  if (args.num_bits >= 8) return 0.15;
  if (args.num_bits >= 5) return 0.3;
  if (args.num_bits == 4) return 0.5;
  return args.num_bits == 3 ? 1.0 : 1.2;
}

// What calibration adds to a quantized module.
bool is_calibrated_tensor(const std::string& suffix) {
  return suffix == "input_scale" || suffix == "input_global_scale" || suffix == "weight_g_idx";
}

// Bytes of the reference that the output holds as they are.
struct Copy {
  std::string name;
  DType dtype;
  Shape shape;
  const Shard* shard;
  uint64_t begin;
};

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
    by_tersor_ = written_by_tersor(out_);
    make_basis();
    list_copies();
    match_tensors();
    if (is_another_model("are missing here or have other shapes")) {
      report_.checks = "names and shapes only: the reference is another model";
      return finish();
    }
    check_config();
    check_files();
    check_shards();
    check_strays();
    compare_copies();
    check_weights();
    if (!is_another_model("are not what is stored here")) {
      std::ranges::sort(tensor_failures_);
      take(report_.failures, tensor_failures_);
    }
    return finish();
  }

 private:
  static void take(std::vector<std::string>& to, const std::vector<std::string>& from) {
    to.insert(to.end(), from.begin(), from.end());
  }

  VerifyReport finish() {
    report_.relative_error = norm_ > 0 ? std::sqrt(error_ / norm_) : 0;
    return std::move(report_);
  }

  // A failure of one tensor of the reference, or of one module.
  void fail(size_t unit, std::string message) {
    const std::lock_guard lock(mutex_);
    bad_units_.insert(unit);
    tensor_failures_.push_back(std::move(message));
  }

  void advance(uint64_t bytes) {
    const std::lock_guard lock(mutex_);
    done_ += bytes;
    if (progress_) progress_(done_, total_);
  }

  // Most tensors failing in one way is one fact: told as such, with a few examples.
  bool is_another_model(const char* how) {
    constexpr size_t kExamples = 3;
    if (bad_units_.size() * 2 <= units_ || tensor_failures_.size() <= kExamples + 1) return false;
    std::ranges::sort(tensor_failures_);
    report_.failures = {fmt::format("{} is not what this was made from: {} of its {} weights {}",
                                    ref_.folder.string(), bad_units_.size(), units_, how)};
    report_.failures.insert(report_.failures.end(), tensor_failures_.begin(),
                            tensor_failures_.begin() + kExamples);
    report_.failures.push_back(fmt::format("… and {} more", tensor_failures_.size() - kExamples));
    return true;
  }

  // What the output is held against: the plan that made it, or what its config.json says.
  void make_basis() {
    const std::string path = (out_.folder / "recipe.yaml").string();
    std::string reason = "no shard says that Tersor wrote it";
    if (by_tersor_) {
      try {
        plan_ = make_plan(ref_, read_recipe_file(path), {});
        recompute_ = true;
        report_.checks = "codes, scales and zero points recomputed from the reference with recipe.yaml";
        if (plan_.calibration)
          report_.checks +=
              "; what calibration data decided (GPTQ's codes, imatrix_mse, static scales) by bounds";
        return;
      } catch (const Error& e) {
        reason = fmt::format("recipe.yaml cannot be used: {}", e.what());
        report_.failures.push_back(reason);
      }
    }
    report_.checks = "error bound only: " + reason;
    plan_ = {};
    plan_.inventory = take_inventory(ref_);
    plan_.schemes = config_.groups;
    plan_.decisions.resize(plan_.inventory.modules.size());
    const SchemeLookup lookup(config_);
    for (size_t m = 0; m < plan_.decisions.size(); ++m) {
      const SourceModule& module = plan_.inventory.modules[m];
      const std::string& name = module.name.name;
      const bool stored = out_.tensors.contains(name + ".weight_scale");
      const auto scheme = lookup.scheme_of(module.name);
      if (stored && (!scheme || !config_.groups[*scheme].weights)) {
        fail(m, fmt::format("`{}` is stored quantized, but quantization_config gives it no scheme", name));
      } else if (stored && module.is_matrix()) {
        plan_.decisions[m].scheme = scheme;
        plan_.decisions[m].matched_target = lookup.target_of(module.name);
      } else if (scheme && module.is_matrix() && module.has_weight) {
        fail(m,
             fmt::format("`{}` is stored as it is, but quantization_config gives it a scheme: it should be "
                         "in `ignore`",
                         name));
      }
    }
  }

  // Tensors of the reference that no scheme touches, and slices of fused experts that are stored as they are.
  void list_copies() {
    std::set<std::pair<size_t, size_t>> split;  // source tensors that became others: shard, tensor
    const auto& modules = plan_.inventory.modules;
    for (size_t m = 0; m < modules.size(); ++m) {
      if (plan_.decisions[m].scheme) split.insert({modules[m].place.shard, modules[m].place.tensor});
    }
    for (const auto& [name, place] : ref_.tensors) {
      const TensorInfo& info = ref_.info(place);
      if (!split.contains({place.shard, place.tensor}))
        copies_.push_back({name, info.dtype, info.shape, &ref_.shards[place.shard], info.begin});
    }
    for (size_t m = 0; m < modules.size(); ++m) {
      const SourceModule& module = modules[m];
      if (module.has_weight && !plan_.decisions[m].scheme &&
          split.contains({module.place.shard, module.place.tensor}))
        copies_.push_back({module.name.name + ".weight", module.dtype, module.shape,
                           &ref_.shards[module.place.shard], module.begin});
    }
  }

  // Whether the output holds a tensor of this shape.
  bool match(size_t unit, const std::string& name, DType dtype, const Shape& shape) {
    const auto it = out_.tensors.find(name);
    if (it == out_.tensors.end()) {
      fail(unit,
           fmt::format("`{}` is missing: {} {} was expected", name, dtype_name(dtype), to_string(shape)));
      return false;
    }
    seen_.insert(name);
    const TensorInfo& info = out_.info(it->second);
    if (info.dtype == dtype && info.shape == shape) return true;
    fail(unit, fmt::format("`{}` is {} {}; {} {} was expected", name, dtype_name(info.dtype),
                           to_string(info.shape), dtype_name(dtype), to_string(shape)));
    return false;
  }

  // A tensor that calibration has measured: there, and if it is a scale, finite and above zero.
  void check_measured(size_t unit, const std::string& name, DType dtype, const Shape& shape) {
    if (!match(unit, name, dtype, shape) || !name.ends_with("scale")) return;
    const TensorPlace place = out_.tensors.at(name);
    std::vector<std::byte> bytes(out_.info(place).bytes());
    out_.shards[place.shard].source->read_at(out_.info(place).begin, bytes);
    if (!scales_are_sound(bytes, dtype))
      fail(unit, fmt::format("`{}` holds a scale that is zero, negative or not finite", name));
  }

  // Fills skip_ and copy_skip_: what cannot be compared.
  void match_tensors() {
    const auto& modules = plan_.inventory.modules;
    skip_.resize(modules.size(), false);
    for (size_t m = 0; m < modules.size(); ++m) {
      const SourceModule& module = modules[m];
      if (!plan_.decisions[m].scheme) continue;
      ++units_;
      total_ += *num_bytes(module.shape, module.dtype);
      const QuantizationScheme& scheme = plan_.schemes[*plan_.decisions[m].scheme];
      for (const StoredTensor& t : stored_tensors(scheme, module.dtype, module.out(), module.in())) {
        if (!match(m, module.name.name + "." + t.suffix, t.dtype, t.shape)) skip_[m] = true;
      }
      if (recompute_) {
        for (const StoredTensor& t : activation_tensors(scheme, module.dtype))
          check_measured(m, module.name.name + "." + t.suffix, t.dtype, t.shape);
      }
    }
    if (recompute_ && plan_.calibration) {
      for (const PlannedKvCache& kv : plan_.calibration->kv_cache) {
        for (const size_t t : {kv.key_scale, kv.value_scale}) {
          const TensorInfo& info = plan_.shards[kv.shard].tensors[t];
          check_measured(modules.size(), info.name, info.dtype, info.shape);
        }
      }
    }
    copy_skip_.resize(copies_.size(), false);
    units_ += copies_.size();
    for (size_t c = 0; c < copies_.size(); ++c) {
      const Copy& copy = copies_[c];
      total_ += *num_bytes(copy.shape, copy.dtype);
      copy_skip_[c] = !match(modules.size() + c, copy.name, copy.dtype, copy.shape);
    }
  }

  void check_config() {
    if (recompute_) {
      const ConfigCheck check = check_planned_texts(out_, plan_);
      take(report_.failures, check.failures);
      take(report_.notes, check.notes);
      return;
    }
    const ConfigCheck check = check_quantization_config(out_, config_, plan_);
    take(report_.failures, check.failures);
    take(report_.notes, check.notes);
    Json ours = out_.config, theirs = ref_.config;
    ours.erase("quantization_config");
    theirs.erase("quantization_config");  // null
    for (const std::string& difference : json_differences(ours, theirs))
      (by_tersor_ ? report_.failures : report_.notes).push_back("config.json: " + difference);
  }

  // Files that are carried over. Other writers save the tokenizer and its like anew.
  void check_files() {
    auto& list = by_tersor_ ? report_.failures : report_.notes;
    for (const OtherFile& file : ref_.other_files) {
      if (file.relative_path == "recipe.yaml") continue;
      const auto ours = std::ranges::find(out_.other_files, file.relative_path, &OtherFile::relative_path);
      if (ours == out_.other_files.end()) {
        list.push_back(fmt::format("the file {} is missing", file.relative_path));
      } else if (ours->bytes != file.bytes || read_file(out_.folder / file.relative_path, UINT64_MAX) !=
                                                  read_file(ref_.folder / file.relative_path, UINT64_MAX)) {
        list.push_back(fmt::format("the file {} differs from the reference's", file.relative_path));
      }
    }
  }

  void check_shards() {
    for (const Shard& shard : out_.shards) {
      const auto format = shard.header.metadata.find("format");
      if (format == shard.header.metadata.end() || format->second != "pt") {
        report_.failures.push_back(fmt::format(
            "{}: its metadata has no `format` pt: Transformers refuses such a file", shard.file_name));
      }
    }
    if (!recompute_) return;
    std::set<std::string> found, planned;
    for (const Shard& shard : out_.shards) found.insert(shard.file_name);
    for (const PlannedShard& shard : plan_.shards) planned.insert(shard.file_name);
    for (const std::string& name : planned) {
      if (!found.contains(name)) report_.failures.push_back(fmt::format("the file {} is missing", name));
    }
    for (const std::string& name : found) {
      if (!planned.contains(name))
        report_.failures.push_back(fmt::format("the file {} is one shard too many", name));
    }
  }

  // Tensors and files of tensors that nothing names.
  void check_strays() {
    for (const auto& [name, place] : out_.tensors) {
      if (seen_.contains(name) || (!by_tersor_ && belongs_to_calibration(name))) continue;
      report_.failures.push_back(fmt::format("`{}` belongs to nothing: readers would refuse it", name));
    }
    auto is_stray = [&](const std::string& path) {
      const bool hidden = path[path.rfind('/') + 1] == '.';  // readers do not see it
      return path.ends_with(".safetensors") && !hidden &&
             std::ranges::find(ref_.other_files, path, &OtherFile::relative_path) == ref_.other_files.end();
    };
    std::vector<std::string> paths;
    for (const OtherFile& file : out_.other_files) paths.push_back(file.relative_path);
    for (const SkippedFile& file : out_.skipped_files) paths.push_back(file.relative_path);
    for (const std::string& path : paths) {
      if (is_stray(path))
        report_.failures.push_back(fmt::format(
            "the file {} is no part of the checkpoint: readers that take every *.safetensors load it", path));
    }
  }

  bool belongs_to_calibration(const std::string& tensor) const {
    if (config_.kv_cache_scheme && (tensor.ends_with(".k_scale") || tensor.ends_with(".v_scale")))
      return true;
    const auto split = split_stored_name(tensor);
    return split && is_calibrated_tensor(split->second) &&
           out_.tensors.contains(split->first + ".weight_scale");
  }

  void compare_copies() {
    struct Piece {
      size_t copy;
      uint64_t begin, bytes;
    };
    std::vector<Piece> pieces;
    for (size_t c = 0; c < copies_.size(); ++c) {
      const uint64_t bytes = copy_skip_[c] ? 0 : *num_bytes(copies_[c].shape, copies_[c].dtype);
      for (uint64_t at = 0; at < bytes; at += kChunk) pieces.push_back({c, at, std::min(kChunk, bytes - at)});
    }
    struct Buffers {
      std::vector<std::byte> ours, theirs;
    };
    std::vector<Buffers> buffers(pool_.threads());
    std::map<size_t, uint64_t> different;  // copies, and their first byte that differs
    pool_.parallel_for(pieces.size(), [&](size_t i, size_t w) {
      const Piece& piece = pieces[i];
      const Copy& copy = copies_[piece.copy];
      auto& [ours, theirs] = buffers[w];
      ours.resize(piece.bytes);
      theirs.resize(piece.bytes);
      const TensorPlace place = out_.tensors.at(copy.name);
      out_.shards[place.shard].source->read_at(out_.info(place).begin + piece.begin, ours);
      copy.shard->source->read_at(copy.begin + piece.begin, theirs);
      if (std::memcmp(ours.data(), theirs.data(), piece.bytes) != 0) {
        const auto at = std::ranges::mismatch(ours, theirs).in1 - ours.begin();
        const std::lock_guard lock(mutex_);
        const uint64_t byte = piece.begin + static_cast<uint64_t>(at);
        const auto [it, fresh] = different.try_emplace(piece.copy, byte);
        if (!fresh) it->second = std::min(it->second, byte);
      }
      advance(piece.bytes);
    });
    for (size_t c = 0; c < copies_.size(); ++c) {
      if (const auto it = different.find(c); it != different.end()) {
        fail(plan_.decisions.size() + c,
             fmt::format("`{}` differs from the reference from its byte {} on, but no scheme touches it",
                         copies_[c].name, it->second));
      } else if (!copy_skip_[c]) {
        ++report_.equal_tensors;
      }
    }
  }

  void check_weights() {
    const std::vector<WeightCheck> checks = verify_weights(
        out_, ref_, plan_,
        {.recompute = recompute_, .skip = skip_, .advanced = [&](uint64_t bytes) { advance(bytes); }}, pool_);
    for (size_t m = 0; m < checks.size(); ++m) {
      if (!plan_.decisions[m].scheme || skip_[m]) continue;
      const WeightCheck& check = checks[m];
      const QuantizationScheme& scheme = plan_.schemes[*plan_.decisions[m].scheme];
      const std::string& name = plan_.inventory.modules[m].name.name;
      for (const std::string& failure : check.failures) fail(m, failure);
      error_ += check.squared_error;
      norm_ += check.squared_norm;
      const double relative =
          check.squared_norm > 0 ? std::sqrt(check.squared_error / check.squared_norm) : 0;
      report_.modules.push_back({.module = name, .scheme = describe(scheme), .relative_error = relative});
      const bool by_data = plan_.decisions[m].gptq || scheme.weights->observer == "imatrix_mse";
      // GPTQ gives up nearness of the weights for nearness of the outputs.
      const double ceiling = error_ceiling(*scheme.weights) * (plan_.decisions[m].gptq ? 2 : 1);
      if ((!recompute_ || by_data) && !(relative <= ceiling)) {
        fail(
            m,
            fmt::format(
                "`{}` is {:.3f} away from the reference, relative to its norm; at most {} was expected of {}",
                name, relative, ceiling, describe(scheme)));
      }
    }
    std::ranges::sort(report_.modules, {}, &TensorCheck::module);
  }

  Checkpoint out_, ref_;
  ThreadPool pool_;
  const std::function<void(uint64_t, uint64_t)>& progress_;
  QuantizationConfig config_;
  bool by_tersor_ = false;
  bool recompute_ = false;  // plan_ is the one that made the output
  CompressionPlan plan_;
  std::vector<Copy> copies_;
  std::vector<bool> skip_, copy_skip_;  // modules and copies whose tensors do not fit
  VerifyReport report_;
  size_t units_ = 0;            // quantized modules and copies
  std::set<size_t> bad_units_;  // those that fail: a module's index, or past them a copy's
  std::vector<std::string> tensor_failures_;
  std::set<std::string> seen_;  // tensors of the output that were expected
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
