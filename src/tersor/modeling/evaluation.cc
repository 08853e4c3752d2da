#include "tersor/modeling/evaluation.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "tersor/base/error.h"

namespace tersor {
namespace {

// Tokens whose logits are on the host at a time: 256 × 256k of f32 is 256 MB for the largest vocabularies.
constexpr size_t kHeadRows = 256;

// One model on its way through the layers.
struct Stream {
  Model& model;
  size_t window;
  std::vector<DeviceTensor> hidden;  // one per window
  std::vector<RopeTable> ropes;

  Stream(Model& m, std::span<const int32_t> ids, size_t w)
      : model(m), window(w), ropes(m.make_ropes(std::min(w, ids.size()))) {
    for (size_t begin = 0; begin < ids.size(); begin += window) {
      hidden.push_back(model.embed(ids.subspan(begin, std::min(window, ids.size() - begin))));
    }
  }

  void run_layer(size_t index) {
    const Layer layer = model.load_layer(index);
    for (DeviceTensor& x : hidden) {
      LayerState state;
      state.hidden = std::move(x);
      state.sequences = {{0, state.hidden.rows, 0, nullptr, 0}};
      tersor::run_layer(model.backend(), model.config(), layer, ropes, state);
      x = std::move(state.hidden);
    }
    check_finite(index);
  }

  // The last row of a window has met every row before it in attention.
  void check_finite(size_t index) const {
    std::vector<float> row(model.config().hidden);
    for (const DeviceTensor& x : hidden) {
      model.backend().copy_out(x.sub_rows(x.rows - 1, 1), row.data());
      if (std::all_of(row.begin(), row.end(), [](float v) { return std::isfinite(v); })) continue;
      throw input_error(fmt::format("{}: after layer {} the hidden states hold a NaN or an infinity",
                                    model.checkpoint().folder.string(), index),
                        "the checkpoint's weights are damaged, or its activations overflow");
    }
  }

  // Log-probabilities of rows [begin, begin + count) of a window, [count, vocabulary] in place.
  void log_probabilities(size_t which, size_t begin, size_t count, std::vector<float>& values) const {
    const DeviceTensor logits = model.head(hidden[which].sub_rows(begin, count));
    values.resize(logits.size());
    model.backend().copy_out(logits, values.data());
    const size_t n = logits.cols;
    for (size_t r = 0; r < count; ++r) {
      float* row = values.data() + r * n;
      const double largest = *std::max_element(row, row + n);
      double total = 0;
      for (size_t i = 0; i < n; ++i) total += std::exp(row[i] - largest);
      const double shift = largest + std::log(total);
      for (size_t i = 0; i < n; ++i) row[i] = static_cast<float>(row[i] - shift);
    }
  }
};

double kl_divergence(std::span<const float> reference, std::span<const float> model) {
  double sum = 0;
  for (size_t i = 0; i < reference.size(); ++i) {
    sum += std::exp(double{reference[i]}) * (double{reference[i]} - model[i]);
  }
  return std::max(sum, 0.0);  // rounding alone can make it negative
}

size_t likeliest(std::span<const float> row) {
  return static_cast<size_t>(std::max_element(row.begin(), row.end()) - row.begin());
}

}  // namespace

Evaluation evaluate(Model& model, std::span<const int32_t> ids, const EvaluationOptions& options,
                    Model* reference) {
  if (ids.size() < 2 || options.window < 2) {
    throw usage_error(fmt::format("{} tokens in windows of {} predict nothing", ids.size(), options.window),
                      "give a longer text, and a window of at least 2");
  }
  const size_t vocabulary = model.config().vocabulary;
  if (reference != nullptr && reference->config().vocabulary != vocabulary) {
    throw usage_error(fmt::format("the models have vocabularies of {} and {} tokens", vocabulary,
                                  reference->config().vocabulary),
                      "compare a model with the one it was made from");
  }
  Stream stream(model, ids, options.window);
  std::optional<Stream> other;
  if (reference != nullptr) other.emplace(*reference, ids, options.window);
  const size_t layers = model.config().layers.size();
  const size_t other_layers = other ? reference->config().layers.size() : 0;
  for (size_t i = 0; i < std::max(layers, other_layers); ++i) {
    if (i < layers) stream.run_layer(i);
    if (i < other_layers) other->run_layer(i);
    if (options.progress) options.progress(i + 1, std::max(layers, other_layers));
  }

  Evaluation result;
  double nll = 0, reference_nll = 0, agreed = 0;
  std::vector<double> divergences;
  std::vector<float> rows, reference_rows;
  for (size_t w = 0; w < stream.hidden.size(); ++w) {
    const std::span<const int32_t> window = ids.subspan(w * options.window, stream.hidden[w].rows);
    for (size_t begin = 0; begin + 1 < window.size(); begin += kHeadRows) {
      const size_t count = std::min(kHeadRows, window.size() - 1 - begin);
      stream.log_probabilities(w, begin, count, rows);
      if (other) other->log_probabilities(w, begin, count, reference_rows);
      for (size_t r = 0; r < count; ++r) {
        const size_t target = static_cast<size_t>(window[begin + r + 1]);
        const std::span<const float> row = std::span(rows).subspan(r * vocabulary, vocabulary);
        nll -= row[target];
        ++result.predicted_tokens;
        if (!other) continue;
        const std::span<const float> expected = std::span(reference_rows).subspan(r * vocabulary, vocabulary);
        reference_nll -= expected[target];
        divergences.push_back(kl_divergence(expected, row));
        agreed += likeliest(row) == likeliest(expected) ? 1 : 0;
      }
    }
  }
  const auto tokens = static_cast<double>(result.predicted_tokens);
  result.mean_nll = nll / tokens;
  result.perplexity = std::exp(result.mean_nll);
  if (other) {
    result.reference_perplexity = std::exp(reference_nll / tokens);
    double total = 0;
    for (double d : divergences) total += d;
    std::sort(divergences.begin(), divergences.end());
    const size_t place = static_cast<size_t>(std::ceil(0.99 * tokens)) - 1;  // nearest rank
    result.divergence = Divergence{total / tokens, divergences[place], agreed / tokens};
  }
  return result;
}

}  // namespace tersor
