// What calibration learns of activations that get static scales, and the range that these cover.
#pragma once

#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "tersor/quantization/activation_mse.h"

namespace tersor {

struct ActivationNeeds {
  bool ranges = false;                  // least and largest element of each sample
  bool values = false;                  // their histogram
  std::vector<QuantizationArgs> peaks;  // of groups, by the search that each of these asks for

  // With what the observer of these needs, and with what others need.
  void add(const QuantizationArgs& args);
  void add(const ActivationNeeds& other);
  bool looks_at_values() const { return values || !peaks.empty(); }
  uint64_t bytes() const { return values ? ValueHistogram::kMostBytes : 0; }
};

class ActivationStatistics {
 public:
  ActivationStatistics() = default;
  explicit ActivationStatistics(const ActivationNeeds& needs);

  void add_sample(const MinMax& range) { samples_.push_back(range); }
  // Rows [rows, columns], where looks_at_values(); what is not needed of them is not kept.
  void add_values(std::span<const float> values, size_t columns);
  // What others saw too, after what is here.
  void add(const ActivationStatistics& other);

  bool empty() const { return samples_.empty(); }
  // Of each sample, in the order they were added.
  const std::vector<MinMax>& samples() const { return samples_; }

  // The range that static scales cover; zero is always inside.
  //   static_minmax, memoryless_minmax (for the reference the last sample's alone): all samples' range.
  //   minmax: the moving average v ← v·(1 − c) + new·c over the samples in order, the first as it is, c =
  //     observer_kwargs.averaging_constant (0.01).
  //   mse, memoryless_mse: activation_mse.h.
  // `scale_dtype`: of the weights beside them, which scales are stored in. REQUIRES: not empty(), and the
  // needs of these arguments.
  MinMax range(const QuantizationArgs& args, DType scale_dtype) const;

 private:
  std::vector<MinMax> samples_;
  std::optional<ValueHistogram> values_;
  std::vector<std::pair<QuantizationArgs, GroupPeak>> peaks_;
};

// Throws Error(kPlanRefused) for an observer that activations cannot have, Error(kUsage) for arguments that
// it does not take; `where` names them: "input_activations of `Linear`".
void validate_activation_observer(const QuantizationArgs& args, const std::string& where);

}  // namespace tersor
