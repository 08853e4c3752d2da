#include "tersor/modeling/generation.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>

#include <fmt/format.h>

#include "tersor/base/error.h"

namespace tersor {
namespace {

// Runs the text once more, layer by layer, to tell where the numbers broke.
[[noreturn]] void throw_not_finite(Model& model, std::span<const int32_t> prompt,
                                   std::span<const int32_t> tokens) {
  std::vector<int32_t> ids(prompt.begin(), prompt.end());
  ids.insert(ids.end(), tokens.begin(), tokens.end());
  const std::string where = model.checkpoint().folder.string();
  const char* help = "the checkpoint's weights are damaged, or its activations overflow";
  const auto layer = model.first_layer_not_finite(ids);
  if (!layer) {
    throw input_error(fmt::format("{}: the logits after {} tokens hold a NaN or an infinity, which the final "
                                  "norm or the head makes",
                                  where, ids.size()),
                      help);
  }
  throw input_error(fmt::format("{}: the logits after {} tokens hold a NaN or an infinity; the first comes "
                                "out of layer {}",
                                where, ids.size(), *layer),
                    help);
}

}  // namespace

void check_generation(std::span<const int32_t> prompt, const GenerationOptions& options) {
  if (prompt.empty()) throw usage_error("the prompt has no tokens", "give some text to go on from");
  if (!(options.temperature >= 0) || !std::isfinite(options.temperature)) {
    throw usage_error(fmt::format("temperature {} was expected to be 0 or more", options.temperature));
  }
  if (!(options.top_p > 0) || options.top_p > 1) {
    throw usage_error(fmt::format("top-p {} was expected to be above 0 and at most 1", options.top_p));
  }
}

int32_t choose_token(std::span<const float> logits, float temperature, float top_p, double uniform) {
  const auto best = std::max_element(logits.begin(), logits.end());
  if (temperature == 0) return static_cast<int32_t>(best - logits.begin());
  std::vector<int32_t> order(logits.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int32_t a, int32_t b) {
    return logits[static_cast<size_t>(a)] > logits[static_cast<size_t>(b)];
  });
  std::vector<double> p(order.size());
  double total = 0;
  for (size_t i = 0; i < order.size(); ++i) {
    total += p[i] = std::exp((double{logits[static_cast<size_t>(order[i])]} - *best) / temperature);
  }
  // The nucleus: the fewest tokens, likeliest first, that reach top_p.
  size_t kept = 0;
  double mass = 0;
  while (kept < p.size() && (kept == 0 || mass < double{top_p} * total)) mass += p[kept++];
  double left = uniform * mass;
  for (size_t i = 0; i + 1 < kept; ++i) {
    left -= p[i];
    if (left < 0) return order[i];
  }
  return order[kept - 1];
}

std::vector<int32_t> generate(Model& model, std::span<const int32_t> prompt, const GenerationOptions& options,
                              const std::function<bool(int32_t)>& on_token) {
  check_generation(prompt, options);
  std::vector<int32_t> tokens;
  if (options.max_new_tokens == 0) return tokens;
  std::mt19937_64 random(options.seed);
  KvCache cache = model.make_cache(prompt.size() + options.max_new_tokens);
  std::vector<float> logits(model.config().vocabulary);
  DeviceTensor last = model.step(prompt, cache);
  while (true) {
    model.backend().copy_out(last, logits.data());
    if (!std::all_of(logits.begin(), logits.end(), [](float x) { return std::isfinite(x); }))
      throw_not_finite(model, prompt, tokens);
    // 53 bits, as a double has: the standard's own distribution differs between libraries.
    const double uniform = static_cast<double>(random() >> 11) * 0x1p-53;
    const int32_t token = choose_token(logits, options.temperature, options.top_p, uniform);
    tokens.push_back(token);
    if (on_token && !on_token(token)) break;
    if (std::find(options.stop_ids.begin(), options.stop_ids.end(), token) != options.stop_ids.end()) break;
    if (tokens.size() == options.max_new_tokens) break;
    last = model.step(std::span(&tokens.back(), 1), cache);
  }
  return tokens;
}

std::vector<int32_t> eos_ids(const Checkpoint& checkpoint) {
  const auto read = [](const Json& config, std::vector<int32_t>& ids) {
    const auto it = config.find("eos_token_id");
    if (it == config.end()) return;
    for (const Json& id : it->is_array() ? *it : Json::array({*it})) {
      if (id.is_number_integer()) ids.push_back(id.get<int32_t>());
    }
  };
  std::vector<int32_t> ids;
  const auto path = checkpoint.folder / "generation_config.json";
  if (std::filesystem::exists(path)) {
    const Json config = read_json_file(path);
    if (config.is_object()) read(config, ids);
  }
  if (ids.empty()) read(checkpoint.config, ids);
  return ids;
}

}  // namespace tersor
