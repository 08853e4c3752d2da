#include "tersor/quantization/activation_statistics.h"

#include <algorithm>
#include <array>
#include <string_view>

#include <fmt/format.h>

#include "tersor/base/error.h"
#include "tersor/quantization/observer.h"

namespace tersor {
namespace {

bool has_group_peak(const QuantizationArgs& args) { return args.dynamic == Dynamic::kLocal; }

GroupPeak& peak_of(std::vector<std::pair<QuantizationArgs, GroupPeak>>& peaks, const QuantizationArgs& args) {
  const auto found = std::ranges::find(peaks, args, [](const auto& peak) { return peak.first; });
  return found != peaks.end() ? found->second : peaks.emplace_back(args, GroupPeak(args)).second;
}

MinMax moving_average(const QuantizationArgs& args, std::span<const MinMax> samples) {
  const auto given = args.observer_kwargs.find("averaging_constant");
  const auto c = static_cast<float>(given == args.observer_kwargs.end() ? 0.01 : given->second);
  MinMax range = samples[0];
  for (const MinMax& sample : samples.subspan(1))
    range = {range.min * (1 - c) + sample.min * c, range.max * (1 - c) + sample.max * c};
  return range;
}

MinMax whole_range(std::span<const MinMax> samples) {
  MinMax range = samples[0];
  for (const MinMax& sample : samples)
    range = {std::min(range.min, sample.min), std::max(range.max, sample.max)};
  return range;
}

}  // namespace

void ActivationNeeds::add(const QuantizationArgs& args) {
  ranges = true;
  if (!searches_activations(args)) return;
  if (!has_group_peak(args)) {
    values = true;
  } else if (std::ranges::find(peaks, args) == peaks.end()) {
    peaks.push_back(args);
  }
}

void ActivationNeeds::add(const ActivationNeeds& other) {
  ranges |= other.ranges;
  values |= other.values;
  for (const QuantizationArgs& args : other.peaks) add(args);
}

ActivationStatistics::ActivationStatistics(const ActivationNeeds& needs) {
  if (needs.values) values_.emplace();
  for (const QuantizationArgs& args : needs.peaks) peak_of(peaks_, args);
}

void ActivationStatistics::add_values(std::span<const float> values, size_t columns) {
  if (values_) values_->add(values);
  for (auto& [args, peak] : peaks_) peak.add(values, columns);
}

void ActivationStatistics::add(const ActivationStatistics& other) {
  samples_.insert(samples_.end(), other.samples_.begin(), other.samples_.end());
  if (other.values_) {
    if (!values_) values_.emplace();
    values_->add(*other.values_);
  }
  for (const auto& [args, peak] : other.peaks_) peak_of(peaks_, args).add(peak);
}

MinMax ActivationStatistics::range(const QuantizationArgs& args, DType scale_dtype) const {
  MinMax range = args.observer == "minmax" ? moving_average(args, samples_) : whole_range(samples_);
  range = {std::min(range.min, 0.0f), std::max(range.max, 0.0f)};
  if (!searches_activations(args)) return range;
  if (!has_group_peak(args)) return least_error_range(args, scale_dtype, range, *values_);
  const float peak = std::ranges::find(peaks_, args, [](const auto& p) { return p.first; })->second.value();
  return {-peak, peak};
}

void validate_activation_observer(const QuantizationArgs& args, const std::string& where) {
  constexpr std::array<std::string_view, 5> kKnown = {"static_minmax", "memoryless_minmax", "minmax", "mse",
                                                      "memoryless_mse"};
  if (args.observer && std::ranges::find(kKnown, *args.observer) == kKnown.end()) {
    throw Error(
        ErrorCode::kPlanRefused,
        fmt::format("{}: the observer `{}` cannot measure activations", where, *args.observer),
        "use `static_minmax` (all samples' range), `minmax` (its moving average) or `mse` (least error)");
  }
  validate_weight_observer(args, where);
}

}  // namespace tersor
