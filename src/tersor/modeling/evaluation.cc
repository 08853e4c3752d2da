#include "tersor/modeling/evaluation.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "tersor/base/error.h"
#include "tersor/base/text.h"
#include "tersor/modeling/evaluation_memory.h"
#include "tersor/modeling/hidden_store.h"

namespace tersor {
namespace {

// Tokens [begin, begin + rows) run together; of them those from `first` on are predicted, each by the row
// before it.
struct Window {
  size_t begin = 0;
  size_t rows = 0;
  size_t first = 0;

  size_t predictions() const { return begin + rows - first; }
};

std::vector<Window> cut_windows(size_t tokens, size_t window, size_t stride) {
  std::vector<Window> windows;
  size_t first = 1;  // the first token of the text has nothing before it
  for (size_t begin = 0; begin < tokens; begin += stride) {
    const size_t end = std::min(tokens, begin + window);
    // Where windows do not overlap, the first token of each has nothing before it.
    first = std::max(first, begin + 1);
    if (end > first) windows.push_back({begin, end - begin, first});
    first = end;
    if (end == tokens) break;
  }
  return windows;
}

std::vector<size_t> rows_of(const std::vector<Window>& windows) {
  std::vector<size_t> rows;
  for (const Window& w : windows) rows.push_back(w.rows);
  return rows;
}

// One model on its way through the layers.
struct Stream {
  Model& model;
  HiddenStore store;
  std::vector<RopeTable> ropes;

  Stream(Model& m, std::span<const int32_t> ids, const std::vector<Window>& windows, uint64_t budget)
      : model(m),
        store(m.backend(), rows_of(windows), m.config().hidden, budget),
        ropes(m.make_ropes(windows[0].rows)) {
    for (size_t i = 0; i < windows.size(); ++i)
      store.put(i, model.embed(ids.subspan(windows[i].begin, windows[i].rows)));
  }

  template <typename Done>
  void run_layer(size_t index, Done&& done) {
    if (index >= model.config().layers.size()) return;
    const Layer layer = model.load_layer(index);
    model.expect_layer(index + 1);
    for (size_t i = 0; i < store.size(); ++i) {
      LayerState state;
      state.hidden = store.get(i);
      state.sequences = {{0, state.hidden.rows, 0, nullptr, 0}};
      tersor::run_layer(model.backend(), model.config(), layer, ropes, state);
      check_finite(index, state.hidden);
      store.put(i, state.hidden);
      done(layer_weights(model.config(), index) * store.rows(i));
    }
  }

  // The last row of a window has met every row before it in attention.
  void check_finite(size_t index, const DeviceTensor& hidden) const {
    std::vector<float> row(hidden.cols);
    model.backend().copy_out(hidden.sub_rows(hidden.rows - 1, 1), row.data());
    if (std::ranges::all_of(row, [](float v) { return std::isfinite(v); })) return;
    throw input_error(fmt::format("{}: after layer {} the hidden states hold a NaN or an infinity",
                                  model.checkpoint().folder.string(), index),
                      "the checkpoint's weights are damaged, or its activations overflow");
  }
};

// The softmaxes over the vocabulary, one slice of the head after the other: sums per predicted token.
class HeadPass {
 public:
  HeadPass(std::span<const int32_t> ids, const std::vector<Window>& windows, Stream& model, Stream* reference)
      : ids_(ids), windows_(windows), model_(model), reference_(reference) {
    size_t tokens = 0;
    for (const Window& w : windows) tokens += w.predictions();
    const SoftmaxSums none{-std::numeric_limits<float>::infinity(), 0, 0, 0, 0};
    sums_.assign(tokens, none);
    if (reference != nullptr) reference_sums_.assign(tokens, none);
  }

  // Logits [begin, begin + count) of every window.
  template <typename Done>
  void fold(size_t begin, size_t count, Done&& done) {
    const Linear head = model_.model.load_head(begin, count);
    const Linear reference_head =
        reference_ == nullptr ? Linear{} : reference_->model.load_head(begin, count);
    size_t token = 0;
    for (size_t i = 0; i < windows_.size(); ++i) {
      const Window& w = windows_[i];
      const DeviceTensor hidden = model_.store.get(i);
      const DeviceTensor reference_hidden = reference_ == nullptr ? DeviceTensor{} : reference_->store.get(i);
      for (size_t at = w.first; at < w.begin + w.rows; at += kHeadTokens) {
        const size_t rows = std::min(kHeadTokens, w.begin + w.rows - at), row = at - 1 - w.begin;
        const DeviceTensor logits = logits_of(model_, head, hidden.sub_rows(row, rows));
        const auto targets = ids_.subspan(at, rows);
        fold_rows(logits, begin, {}, targets, std::span(sums_).subspan(token, rows));
        if (reference_ != nullptr) {
          const DeviceTensor expected =
              logits_of(*reference_, reference_head, reference_hidden.sub_rows(row, rows));
          fold_rows(expected, begin, logits, targets, std::span(reference_sums_).subspan(token, rows));
        }
        token += rows;
      }
      done(count * model_.model.config().hidden * w.rows);
    }
  }

  const std::vector<SoftmaxSums>& sums() const { return sums_; }
  const std::vector<SoftmaxSums>& reference_sums() const { return reference_sums_; }

 private:
  static DeviceTensor logits_of(const Stream& stream, const Linear& head, const DeviceTensor& hidden) {
    return stream.model.apply_head(head, stream.model.final_norm(hidden));
  }

  void fold_rows(const DeviceTensor& logits, size_t first_column, const DeviceTensor& other,
                 std::span<const int32_t> targets, std::span<SoftmaxSums> sums) const {
    Backend& backend = model_.model.backend();
    const DeviceTensor state = backend.allocate(DType::kF32, sums.size(), kSoftmaxSums);
    const DeviceTensor columns = backend.allocate(DType::kI32, 1, targets.size());
    backend.copy_in(state, sums.data());
    backend.copy_in(columns, targets.data());
    backend.fold_softmax(logits, first_column, other, columns, state);
    backend.copy_out(state, sums.data());
  }

  std::span<const int32_t> ids_;
  const std::vector<Window>& windows_;
  Stream& model_;
  Stream* reference_;
  std::vector<SoftmaxSums> sums_, reference_sums_;
};

double log_total(const SoftmaxSums& sums) { return sums.largest + std::log(double{sums.sum}); }

Evaluation summarize(const HeadPass& pass, const Model& model) {
  Evaluation result;
  const auto tokens = static_cast<double>(pass.sums().size());
  double nll = 0, reference_nll = 0, agreed = 0, total = 0;
  std::vector<double> divergences;
  for (size_t i = 0; i < pass.sums().size(); ++i) {
    const SoftmaxSums& sums = pass.sums()[i];
    nll += log_total(sums) - sums.target;
    if (pass.reference_sums().empty()) continue;
    const SoftmaxSums& expected = pass.reference_sums()[i];
    reference_nll += log_total(expected) - expected.target;
    // Σ p (log p − log q) with log p = x − log_total; rounding alone can make it negative.
    const double kl = double{expected.difference} / expected.sum - log_total(expected) + log_total(sums);
    divergences.push_back(std::max(kl, 0.0));
    total += divergences.back();
    agreed += sums.column == expected.column ? 1 : 0;
  }
  if (!std::isfinite(nll) || !std::isfinite(reference_nll)) {
    throw input_error(
        fmt::format("{}: the logits hold a NaN or an infinity, which the final norm or the head makes",
                    model.checkpoint().folder.string()),
        "the checkpoint's weights are damaged, or its activations overflow");
  }
  result.predicted_tokens = pass.sums().size();
  result.mean_nll = nll / tokens;
  result.perplexity = std::exp(result.mean_nll);
  if (!divergences.empty()) {
    result.reference_perplexity = std::exp(reference_nll / tokens);
    std::sort(divergences.begin(), divergences.end());
    const auto place = static_cast<size_t>(std::ceil(0.99 * tokens)) - 1;  // nearest rank
    result.divergence = Divergence{total / tokens, divergences[place], agreed / tokens};
  }
  return result;
}

void check(std::span<const int32_t> ids, const EvaluationOptions& options, const Model& model,
           const Model* reference) {
  if (ids.size() < 2 || options.window < 2) {
    throw usage_error(fmt::format("{} token{} in windows of {} predict nothing", ids.size(),
                                  ids.size() == 1 ? "" : "s", options.window),
                      "give a longer text, and a window of at least 2");
  }
  if (options.stride > options.window) {
    throw usage_error(
        fmt::format("a stride of {} leaves out tokens between windows of {}", options.stride, options.window),
        "give a stride of at most the window");
  }
  const size_t vocabulary = model.config().vocabulary;
  if (reference != nullptr && reference->config().vocabulary != vocabulary) {
    throw usage_error(fmt::format("the models have vocabularies of {} and {} tokens", vocabulary,
                                  reference->config().vocabulary),
                      "compare a model with the one it was made from");
  }
}

// Bytes that hidden states may take in memory.
uint64_t hidden_budget(const EvaluationOptions& options, size_t window, const Model& model,
                       const Model* reference) {
  if (options.max_memory == 0) return std::numeric_limits<uint64_t>::max();
  uint64_t needed = evaluation_memory(model, window);
  if (reference != nullptr) needed = std::max(needed, evaluation_memory(*reference, window));
  if (needed > options.max_memory) {
    throw usage_error(fmt::format("evaluating {} in windows of {} tokens takes {}, more than the {} allowed",
                                  model.checkpoint().folder.string(), window, format_bytes(needed),
                                  format_bytes(options.max_memory)),
                      fmt::format("allow more, or take shorter windows: one layer and one window must fit"));
  }
  return options.max_memory - needed;
}

}  // namespace

Evaluation evaluate(Model& model, std::span<const int32_t> ids, const EvaluationOptions& options,
                    Model* reference) {
  check(ids, options, model, reference);
  const std::vector<Window> windows =
      cut_windows(ids.size(), options.window, options.stride == 0 ? options.window : options.stride);
  uint64_t budget = hidden_budget(options, windows[0].rows, model, reference);
  if (reference != nullptr) budget /= 2;
  Stream stream(model, ids, windows, budget);
  std::optional<Stream> other;
  if (reference != nullptr) other.emplace(*reference, ids, windows, budget);

  // Progress by products of weights and tokens.
  double all = 0, done = 0;
  uint64_t tokens = 0;
  for (const Window& w : windows) tokens += w.rows;
  for (const Model* m : {static_cast<const Model*>(&model), static_cast<const Model*>(reference)}) {
    if (m == nullptr) continue;
    const ModelConfig& config = m->config();
    for (size_t i = 0; i < config.layers.size(); ++i)
      all += static_cast<double>(layer_weights(config, i) * tokens);
    all += static_cast<double>(config.vocabulary * config.hidden * tokens);
  }
  const auto advance = [&](uint64_t work) {
    done += static_cast<double>(work);
    if (options.progress) options.progress(std::min(done / all, 1.0));
  };

  const size_t other_layers = other ? reference->config().layers.size() : 0;
  for (size_t i = 0; i < std::max(model.config().layers.size(), other_layers); ++i) {
    stream.run_layer(i, advance);
    if (other) other->run_layer(i, advance);
  }
  HeadPass pass(ids, windows, stream, other ? &*other : nullptr);
  const size_t vocabulary = model.config().vocabulary;
  for (size_t begin = 0; begin < vocabulary; begin += kHeadSlice) {
    pass.fold(begin, std::min(kHeadSlice, vocabulary - begin),
              [&](uint64_t work) { advance(other ? 2 * work : work); });
  }
  Evaluation result = summarize(pass, model);
  result.windows = windows.size();
  return result;
}

}  // namespace tersor
