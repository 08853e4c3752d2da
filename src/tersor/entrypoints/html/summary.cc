#include "tersor/entrypoints/html/summary.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string_view>
#include <unordered_map>

namespace tersor::html {
namespace {

std::vector<int64_t> layers_of(const std::vector<LinearReport>& linears) {
  std::vector<int64_t> layers;
  for (const LinearReport& l : linears) {
    if (l.layer >= 0) layers.push_back(l.layer);
  }
  std::sort(layers.begin(), layers.end());
  layers.erase(std::unique(layers.begin(), layers.end()), layers.end());
  layers.resize(std::min(layers.size(), kDrawnLayers));
  return layers;
}

std::vector<double> values_of(const std::vector<Mean>& means) {
  std::vector<double> values;
  values.reserve(means.size());
  for (const Mean& m : means) values.push_back(m.value());
  return values;
}

}  // namespace

void Mean::add(double v) {
  if (!std::isfinite(v)) return;
  sum_ += v;
  ++count_;
}

double Mean::value() const {
  return count_ == 0 ? std::numeric_limits<double>::quiet_NaN() : sum_ / static_cast<double>(count_);
}

void Comparison::add(const LinearReport& linear) {
  if (!std::isfinite(linear.output_error) || !std::isfinite(linear.rounding_error)) return;
  error.add(linear.output_error);
  rounding.add(linear.rounding_error);
}

double Comparison::change() const {
  const double from = rounding.value();
  return from > 0 ? error.value() / from - 1 : std::numeric_limits<double>::quiet_NaN();
}

Summary summarize(const CompressionReport& report) {
  Summary s;
  s.is_output = std::any_of(report.linears.begin(), report.linears.end(),
                            [](const LinearReport& l) { return !std::isnan(l.output_error); });
  s.layers = layers_of(report.linears);

  std::unordered_map<std::string_view, size_t> numbers;
  std::vector<std::vector<Mean>> errors, roundings;  // [class][layer]
  for (const LinearReport& l : report.linears) {
    const auto [at, is_new] = numbers.try_emplace(l.module_class, s.classes.size());
    if (is_new) {
      ClassSummary c;
      c.name = l.module_class;
      c.scheme = l.scheme;
      c.least_tokens = l.tokens;
      s.classes.push_back(std::move(c));
      if (errors.size() < kDrawnClasses) {
        errors.emplace_back(s.layers.size());
        roundings.emplace_back(s.layers.size());
      }
    }
    ClassSummary& c = s.classes[at->second];
    const double error = s.error_of(l);
    ++c.modules;
    if (c.scheme != l.scheme && !c.scheme.ends_with("…")) c.scheme += " …";
    c.error.add(error);
    c.comparison.add(l);
    if (!std::isnan(error) && (c.worst == nullptr || error > s.error_of(*c.worst))) c.worst = &l;
    c.least_tokens = std::min(c.least_tokens, l.tokens);
    s.error.add(error);
    s.comparison.add(l);
    const auto layer = std::lower_bound(s.layers.begin(), s.layers.end(), l.layer);
    if (layer == s.layers.end() || *layer != l.layer || at->second >= errors.size()) continue;
    const auto column = static_cast<size_t>(layer - s.layers.begin());
    errors[at->second][column].add(error);
    roundings[at->second][column].add(l.rounding_error);
  }
  for (size_t i = 0; i < errors.size(); ++i) {
    s.classes[i].by_layer = values_of(errors[i]);
    s.classes[i].rounding_by_layer = values_of(roundings[i]);
  }
  return s;
}

}  // namespace tersor::html
