#include "tersor/modeling/generation.h"

#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tersor/base/error.h"
#include "tersor/modeling/evaluation.h"
#include "tersor/modeling/hidden_store.h"

namespace tersor {
namespace {

using ::testing::ElementsAre;

std::string golden(const std::string& family) {
  return std::string(TERSOR_SOURCE_DIR) + "/tests/modeling/golden/" + family;
}

class GenerationTest : public ::testing::Test {
 protected:
  std::unique_ptr<Backend> backend = make_reference_backend();
  Model model{open_checkpoint(golden("llama3")), *backend};
  std::vector<int32_t> prompt = {5, 17, 40, 3};

  std::vector<float> logits(std::span<const int32_t> ids) {
    const DeviceTensor t = model.logits(ids);
    std::vector<float> values(t.size());
    backend->copy_out(t, values.data());
    return values;
  }
};

TEST_F(GenerationTest, GreedyFollowsTheLogitsOfTheWholeSequence) {
  const std::vector<int32_t> tokens = generate(model, prompt, {.max_new_tokens = 6});
  ASSERT_EQ(tokens.size(), 6u);
  std::vector<int32_t> ids = prompt;
  for (int32_t token : tokens) {
    const std::vector<float> all = logits(ids);
    const std::span<const float> last = std::span(all).last(model.config().vocabulary);
    EXPECT_EQ(token, choose_token(last, 0, 1, 0));
    ids.push_back(token);
  }
}

TEST_F(GenerationTest, SamplesAlikeFromOneSeedAndStops) {
  GenerationOptions options{.max_new_tokens = 12, .temperature = 2.0f, .top_p = 0.95f, .seed = 3};
  const std::vector<int32_t> tokens = generate(model, prompt, options);
  EXPECT_EQ(generate(model, prompt, options), tokens);
  options.seed = 4;
  EXPECT_NE(generate(model, prompt, options), tokens);
  options.seed = 3;
  options.stop_ids = {tokens[2]};
  EXPECT_LE(generate(model, prompt, options).size(), 3u);
  options.stop_ids = {};
  size_t seen = 0;
  generate(model, prompt, options, [&](int32_t) { return ++seen < 2; });
  EXPECT_EQ(seen, 2u);
  EXPECT_THROW(generate(model, {}, options), Error);
  EXPECT_THROW(generate(model, std::vector<int32_t>{80}, options), Error);
}

TEST(ChooseTokenTest, KeepsToTheNucleus) {
  const std::vector<float> logits = {std::log(0.5f), std::log(0.2f), std::log(0.3f)};
  EXPECT_EQ(choose_token(logits, 1, 1, 0.49), 0);
  EXPECT_EQ(choose_token(logits, 1, 1, 0.51), 2);
  EXPECT_EQ(choose_token(logits, 1, 1, 0.81), 1);
  EXPECT_EQ(choose_token(logits, 1, 0.75f, 0.999), 2);  // 0.5 and 0.3
  EXPECT_EQ(choose_token(logits, 1, 0.01f, 0.999), 0);
}

TEST_F(GenerationTest, PerplexityIsThatOfTheLogits) {
  std::vector<int32_t> ids;
  for (int i = 0; i < 23; ++i) ids.push_back(3 + i * 37 % 77);
  double nll = 0;
  for (size_t begin = 0; begin < ids.size(); begin += 10) {
    const std::span<const int32_t> window =
        std::span(ids).subspan(begin, std::min<size_t>(10, ids.size() - begin));
    const std::vector<float> all = logits(window);
    const size_t n = model.config().vocabulary;
    for (size_t r = 0; r + 1 < window.size(); ++r) {
      double total = 0;
      for (size_t i = 0; i < n; ++i) total += std::exp(double{all[r * n + i]});
      nll += std::log(total) - all[r * n + static_cast<size_t>(window[r + 1])];
    }
  }
  const Evaluation got = evaluate(model, ids, {.window = 10});
  EXPECT_EQ(got.predicted_tokens, 9u + 9u + 2u);
  EXPECT_NEAR(got.perplexity, std::exp(nll / 20), 1e-3);
  EXPECT_FALSE(got.divergence);
}

TEST_F(GenerationTest, DivergesFromAnotherModelOnly) {
  std::vector<int32_t> ids;
  for (int i = 0; i < 30; ++i) ids.push_back(3 + i * 37 % 77);
  Model same{open_checkpoint(golden("llama3")), *backend};
  Model other{open_checkpoint(golden("llama_linear")), *backend};
  double last = 0;
  const Evaluation equal = evaluate(model, ids,
                                    {.window = 16,
                                     .progress =
                                         [&](double share) {
                                           EXPECT_GE(share, last);
                                           last = share;
                                         }},
                                    &same);
  EXPECT_EQ(last, 1);
  EXPECT_NEAR(equal.divergence->mean, 0, 1e-9);
  EXPECT_EQ(equal.divergence->top1_agreement, 1);
  EXPECT_DOUBLE_EQ(equal.perplexity, equal.reference_perplexity);
  const Evaluation differs = evaluate(model, ids, {.window = 16}, &other);
  EXPECT_GT(differs.divergence->mean, 0.1);
  EXPECT_GE(differs.divergence->p99, differs.divergence->mean);
  EXPECT_LT(differs.divergence->top1_agreement, 1);
}

// Every token but the first is predicted once, from the window that reaches it first.
TEST_F(GenerationTest, StridesKeepContext) {
  std::vector<int32_t> ids;
  for (int i = 0; i < 23; ++i) ids.push_back(3 + i * 37 % 77);
  const size_t n = model.config().vocabulary;
  double nll = 0;
  const auto add = [&](size_t begin, size_t end, size_t first) {
    const std::vector<float> all = logits(std::span(ids).subspan(begin, end - begin));
    for (size_t t = first; t < end; ++t) {
      const float* row = all.data() + (t - 1 - begin) * n;
      double total = 0;
      for (size_t i = 0; i < n; ++i) total += std::exp(double{row[i]});
      nll += std::log(total) - row[static_cast<size_t>(ids[t])];
    }
  };
  add(0, 10, 1);
  add(4, 14, 10);
  add(8, 18, 14);
  add(12, 22, 18);
  add(16, 23, 22);
  const Evaluation got = evaluate(model, ids, {.window = 10, .stride = 4});
  EXPECT_EQ(got.predicted_tokens, 22u);
  EXPECT_NEAR(got.mean_nll, nll / 22, 1e-5);
  EXPECT_THROW(evaluate(model, ids, {.window = 10, .stride = 11}), Error);
}

TEST_F(GenerationTest, AFileHoldsWhatMemoryMayNot) {
  HiddenStore store(*backend, {3, 3, 2}, 5, 3 * 5 * sizeof(float));
  EXPECT_EQ(store.memory(), 3 * 5 * sizeof(float));
  for (int round = 0; round < 2; ++round) {
    for (size_t i = 0; i < 3; ++i) {
      const DeviceTensor t = backend->allocate(DType::kF32, store.rows(i), 5);
      backend->copy_in(
          t, std::vector<float>(t.size(), static_cast<float>(10 * round + static_cast<int>(i))).data());
      store.put(i, t);
    }
    for (size_t i = 0; i < 3; ++i) {
      const DeviceTensor t = store.get(i);
      std::vector<float> values(t.size());
      backend->copy_out(t, values.data());
      EXPECT_EQ(values,
                std::vector<float>(store.rows(i) * 5, static_cast<float>(10 * round + static_cast<int>(i))));
    }
  }
  EXPECT_THROW(evaluate(model, prompt, {.window = 16, .max_memory = 1000}), Error);
}

}  // namespace
}  // namespace tersor
