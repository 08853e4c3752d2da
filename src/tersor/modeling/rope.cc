#include "tersor/modeling/rope.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

#include <fmt/format.h>

#include "tersor/base/error.h"

namespace tersor {
namespace {

constexpr double kTwoPi = 2 * std::numbers::pi;

std::vector<double> plain_frequencies(double theta, size_t dim) {
  std::vector<double> f(dim / 2);
  for (size_t i = 0; i < f.size(); ++i) {
    f[i] = std::pow(theta, -2.0 * static_cast<double>(i) / static_cast<double>(dim));
  }
  return f;
}

// Llama 3.1: long wavelengths divided by the factor, short ones kept, a smooth step between.
void apply_llama3(const RopeConfig& rope, std::vector<double>& frequencies) {
  const auto original = static_cast<double>(rope.original_max_positions);
  for (double& f : frequencies) {
    const double turns = original * f / kTwoPi;  // in the original context
    const double smooth =
        std::clamp((turns - rope.low_freq_factor) / (rope.high_freq_factor - rope.low_freq_factor), 0.0, 1.0);
    f = (1 - smooth) * f / rope.factor + smooth * f;
  }
}

double yarn_mscale(double factor, double mscale) {
  return factor <= 1 ? 1.0 : 0.1 * mscale * std::log(factor) + 1.0;
}

// YaRN (Peng et al. 2023, arXiv 2309.00071, 3.2): a ramp over the dimensions between those that turn
// beta_fast and beta_slow times in the original context.
void apply_yarn(const RopeConfig& rope, std::vector<double>& frequencies) {
  const auto dim = static_cast<double>(rope.dim);
  const auto original = static_cast<double>(rope.original_max_positions);
  const auto dimension_of = [&](double turns) {
    return dim * std::log(original / (turns * kTwoPi)) / (2 * std::log(rope.theta));
  };
  double low = dimension_of(rope.beta_fast), high = dimension_of(rope.beta_slow);
  if (rope.truncate) {
    low = std::floor(low);
    high = std::ceil(high);
  }
  low = std::max(low, 0.0);
  high = std::min(high, dim - 1);
  if (low == high) high += 0.001;
  for (size_t i = 0; i < frequencies.size(); ++i) {
    const double ramp = std::clamp((static_cast<double>(i) - low) / (high - low), 0.0, 1.0);
    frequencies[i] = frequencies[i] / rope.factor * ramp + frequencies[i] * (1 - ramp);
  }
}

std::vector<double> read_factors(const ConfigReader& parameters, std::string_view key, size_t count) {
  std::vector<double> factors;
  const Json* list = parameters.find(key);
  if (list != nullptr && list->is_array()) {
    for (const Json& f : *list) factors.push_back(f.is_number() ? f.get<double>() : 0.0);
  }
  if (factors.size() != count ||
      std::any_of(factors.begin(), factors.end(), [](double f) { return !(f > 0); })) {
    throw input_error(fmt::format("{}: longrope's `{}` was expected to be {} numbers above 0",
                                  parameters.origin(), key, count),
                      "compare config.json with the model's original one");
  }
  return factors;
}

}  // namespace

double yarn_score_factor(const RopeConfig& rope) {
  if (rope.type == "default" || rope.mscale_all_dim == 0) return 1;
  const double m = yarn_mscale(rope.factor, rope.mscale_all_dim);
  return m * m;
}

RopeFrequencies rope_frequencies(const RopeConfig& rope, size_t length) {
  double theta = rope.theta;
  if (rope.type == "dynamic") {  // NTK: a larger base once the sequence is longer than the model's positions
    const auto dim = static_cast<double>(rope.dim);
    const auto positions = static_cast<double>(rope.max_positions);
    const double ratio = std::max(static_cast<double>(length), positions) / positions;
    theta *= std::pow(rope.factor * ratio - (rope.factor - 1), dim / (dim - 2));
  }
  RopeFrequencies result{plain_frequencies(theta, rope.dim), 1.0};
  if (rope.type == "linear") {
    for (double& f : result.frequencies) f /= rope.factor;
  } else if (rope.type == "llama3") {
    apply_llama3(rope, result.frequencies);
  } else if (rope.type == "yarn") {
    apply_yarn(rope, result.frequencies);
    const bool both = rope.mscale != 0 && rope.mscale_all_dim != 0;
    result.attention_factor =
        both ? yarn_mscale(rope.factor, rope.mscale) / yarn_mscale(rope.factor, rope.mscale_all_dim)
             : yarn_mscale(rope.factor, 1);
  } else if (rope.type == "longrope") {
    const auto& factors = length > rope.original_max_positions ? rope.long_factor : rope.short_factor;
    for (size_t i = 0; i < result.frequencies.size(); ++i) result.frequencies[i] /= factors[i];
    if (rope.factor > 1) {
      result.attention_factor =
          std::sqrt(1 + std::log(rope.factor) / std::log(static_cast<double>(rope.original_max_positions)));
    }
  }
  if (rope.attention_factor) result.attention_factor = *rope.attention_factor;
  return result;
}

RopeTable make_rope_table(Backend& backend, const RopeConfig& rope, size_t length) {
  const RopeFrequencies f = rope_frequencies(rope, length);
  const size_t half = f.frequencies.size();
  std::vector<float> cos(length * half), sin(length * half);
  for (size_t p = 0; p < length; ++p) {
    for (size_t i = 0; i < half; ++i) {
      // The angle in f32, as the models were trained with.
      const float angle = static_cast<float>(p) * static_cast<float>(f.frequencies[i]);
      cos[p * half + i] = static_cast<float>(std::cos(double{angle}) * f.attention_factor);
      sin[p * half + i] = static_cast<float>(std::sin(double{angle}) * f.attention_factor);
    }
  }
  RopeTable table{backend.allocate(DType::kF32, length, half), backend.allocate(DType::kF32, length, half)};
  backend.copy_in(table.cos, cos.data());
  backend.copy_in(table.sin, sin.data());
  return table;
}

RopeConfig read_rope(const ConfigReader& config, size_t head_dim, const std::string& layer_type) {
  ConfigReader parameters = config.object(config.has("rope_parameters") ? "rope_parameters" : "rope_scaling");
  if (!layer_type.empty() && parameters.has(layer_type)) parameters = parameters.object(layer_type);
  RopeConfig rope;
  rope.type = parameters.text("rope_type", parameters.text("type", "default"));
  if (rope.type == "mrope") rope.type = "default";  // text positions: all three sections have the same
  if (rope.type == "su") rope.type = "longrope";    // Phi-3's first name for it
  constexpr std::array kTypes = {"default", "linear", "dynamic", "llama3", "yarn", "longrope"};
  if (std::find(kTypes.begin(), kTypes.end(), rope.type) == kTypes.end()) {
    throw input_error(
        fmt::format("{}: rotary embeddings of type `{}` cannot be run", config.origin(), rope.type),
        "default, linear, dynamic, llama3, yarn and longrope can; data-free compression needs none");
  }
  rope.theta = parameters.number("rope_theta", config.number("rope_theta", 10000));
  const double part = parameters.number("partial_rotary_factor", config.number("partial_rotary_factor", 1));
  rope.dim = static_cast<size_t>(static_cast<double>(head_dim) * part);
  if (!(rope.theta > 0) || rope.dim < 2 || rope.dim % 2 != 0 || rope.dim > head_dim) {
    throw input_error(
        fmt::format("{}: {} of {} dimensions of a head are to be rotated, with theta {}; expected "
                    "an even part of them and a theta above 0",
                    config.origin(), rope.dim, head_dim, rope.theta),
        "compare config.json with the model's original one");
  }
  rope.max_positions = config.size("max_position_embeddings", 2048);
  rope.original_max_positions =
      parameters.size("original_max_position_embeddings",
                      config.size("original_max_position_embeddings", rope.max_positions));
  const double stretch =
      static_cast<double>(rope.max_positions) / static_cast<double>(rope.original_max_positions);
  rope.factor = parameters.number("factor", rope.type == "yarn" || rope.type == "longrope" ? stretch : 1);
  if (parameters.has("attention_factor")) rope.attention_factor = parameters.number("attention_factor", 1);
  rope.low_freq_factor = parameters.number("low_freq_factor", 1);
  rope.high_freq_factor = parameters.number("high_freq_factor", 4);
  rope.beta_fast = parameters.number("beta_fast", 32);
  rope.beta_slow = parameters.number("beta_slow", 1);
  rope.mscale = parameters.number("mscale", 0);
  rope.mscale_all_dim = parameters.number("mscale_all_dim", 0);
  rope.truncate = parameters.flag("truncate", true);
  if (rope.type == "longrope") {
    rope.short_factor = read_factors(parameters, "short_factor", rope.dim / 2);
    rope.long_factor = read_factors(parameters, "long_factor", rope.dim / 2);
  }
  if (!(rope.factor > 0) || !(rope.high_freq_factor > rope.low_freq_factor)) {
    throw input_error(
        fmt::format("{}: rotary scaling was expected to have a factor above 0, and high_freq_factor "
                    "above low_freq_factor",
                    config.origin()),
        "compare config.json with the model's original one");
  }
  return rope;
}

}  // namespace tersor
