// Token for token what the tokenizers library gives, for small tokenizers of every family
// (tests/tokenizer/golden).
#include "tersor/tokenizer/tokenizer.h"

#include <atomic>
#include <filesystem>
#include <random>
#include <thread>

#include "temp_folder.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tersor/base/error.h"
#include "tersor/base/utf8.h"
#include "tersor/io/json.h"

namespace tersor {
namespace {

using testing::HasSubstr;

const std::filesystem::path kGolden = std::filesystem::path(TERSOR_SOURCE_DIR) / "tests/tokenizer/golden";

Tokenizer golden_tokenizer(const std::string& family) {
  const std::filesystem::path file = kGolden / (family + ".json");
  return Tokenizer::from_json(read_json_file(file).dump(), file.string());
}

const Json& golden_cases() {
  static const Json cases = read_json_file(kGolden / "cases.json");
  return cases;
}

std::vector<std::string> families() {
  std::vector<std::string> names;
  for (const auto& [name, answers] : golden_cases()["families"].items()) names.push_back(name);
  return names;
}

class GoldenFamily : public testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(All, GoldenFamily, testing::ValuesIn(families()),
                         [](const auto& p) { return p.param; });

TEST_P(GoldenFamily, EncodesAndDecodesAsTheReference) {
  const Tokenizer tokenizer = golden_tokenizer(GetParam());
  const Json& texts = golden_cases()["texts"];
  const Json& answers = golden_cases()["families"][GetParam()];
  ASSERT_EQ(texts.size(), answers.size());
  for (size_t i = 0; i < texts.size(); ++i) {
    const auto text = texts[i].get<std::string>();
    const auto full = answers[i][0].get<std::vector<int32_t>>();
    const auto plain = answers[i][1].is_null() ? full : answers[i][1].get<std::vector<int32_t>>();
    EXPECT_EQ(tokenizer.encode(text), full) << text;
    EXPECT_EQ(tokenizer.encode(text, false), plain) << text;
    EXPECT_EQ(tokenizer.encode(text, false), plain) << "again, from the cache: " << text;
    for (const bool skip : {false, true}) {
      const Json& decoded = answers[i][skip ? 3 : 2];
      EXPECT_EQ(tokenizer.decode(full, skip), decoded.is_null() ? text : decoded.get<std::string>()) << text;
    }
  }
}

TEST_P(GoldenFamily, StreamsToTheSameText) {
  const Tokenizer tokenizer = golden_tokenizer(GetParam());
  for (const Json& text : golden_cases()["texts"]) {
    const std::vector<int32_t> ids = tokenizer.encode(text.get<std::string>());
    StreamDecoder stream(tokenizer, true);
    std::string streamed;
    for (const int32_t id : ids) {
      const std::string fresh = stream.push(id);
      EXPECT_TRUE(is_valid_utf8(fresh));
      streamed += fresh;
    }
    streamed += stream.finish();
    // WordPiece cleans up across tokens, and decoders without ▁ or Ġ join by spaces: a stream cannot know the
    // future.
    if (GetParam() == "bert" || GetParam() == "clip") continue;
    EXPECT_EQ(streamed, tokenizer.decode(ids, true)) << text;
  }
}

TEST(Tokenizer, KnowsItsVocabulary) {
  const Tokenizer t = golden_tokenizer("llama3");
  const auto begin = t.token_to_id("<|begin_of_text|>");
  ASSERT_TRUE(begin);
  EXPECT_EQ(t.id_to_token(*begin), "<|begin_of_text|>");
  EXPECT_EQ(t.encode("")[0], *begin);
  EXPECT_TRUE(t.encode("", false).empty());
  EXPECT_EQ(t.encode("a<|eot_id|>b", false),
            (std::vector<int32_t>{*t.token_to_id("a"), *t.token_to_id("<|eot_id|>"), *t.token_to_id("b")}));
  EXPECT_EQ(t.vocab_size(), t.id_limit());
  EXPECT_FALSE(t.id_to_token(-1));
  EXPECT_FALSE(t.id_to_token(1 << 30));
  EXPECT_FALSE(t.token_to_id("no such token"));
  EXPECT_EQ(t.decode(std::vector<int32_t>{-5, 1 << 30}), "");
}

TEST(Tokenizer, InvalidUtf8IsReadWithReplacementCharacters) {
  const Tokenizer t = golden_tokenizer("gpt2");
  EXPECT_EQ(t.encode("a\xFF"
                     "b\xE4\xB8"),
            t.encode("a\uFFFDb\uFFFD"));
  EXPECT_EQ(t.decode(t.encode("\xF0\x9F\x98\x80")), "\xF0\x9F\x98\x80");
  EXPECT_EQ(t.encode("\xED\xA0\x80"), t.encode("\uFFFD\uFFFD\uFFFD"));  // a surrogate is no character
}

TEST(Tokenizer, ManyThreadsAgree) {
  const Tokenizer t = golden_tokenizer("qwen2");
  std::string text;
  for (const Json& sample : golden_cases()["texts"]) text += sample.get<std::string>();
  const auto expected = t.encode(text);
  std::vector<std::thread> threads;
  std::atomic<int> equal{0};
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int j = 0; j < 20; ++j) equal += t.encode(text) == expected;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(equal, 80);
}

// Interleaves more tokenizers than a thread keeps caches for.
TEST(Tokenizer, CachesOfSeveralTokenizersDoNotMix) {
  std::vector<Tokenizer> all;
  std::vector<std::vector<int32_t>> expected;
  const std::string text = "The quick brown fox, the quick brown dog";
  for (const std::string& family : families()) all.push_back(golden_tokenizer(family));
  for (const Tokenizer& t : all) expected.push_back(t.encode(text));
  for (int round = 0; round < 3; ++round) {
    for (size_t i = 0; i < all.size(); ++i) EXPECT_EQ(all[i].encode(text), expected[i]);
  }
}

TEST(Tokenizer, RoundTripsRandomBytesThroughByteLevel) {
  const Tokenizer t = golden_tokenizer("gpt4");
  std::mt19937 random(1);
  for (int i = 0; i < 300; ++i) {
    std::string bytes(random() % 80, '\0');
    for (char& c : bytes) c = static_cast<char>(random());
    EXPECT_EQ(t.decode(t.encode(bytes)), replace_invalid_utf8(bytes));
  }
}

// --- errors ---

std::string error_of(const std::string& json) {
  try {
    Tokenizer::from_json(json, "some/tokenizer.json");
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kInput);
    return e.what();
  }
  return "no error";
}

const std::string kModel =
    R"("model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": ["a b"]})";

TEST(TokenizerErrors, NameTheComponentAndTheFile) {
  EXPECT_EQ(error_of("{" + kModel + "}"), "no error");
  for (const char* part : {"normalizer", "pre_tokenizer", "post_processor", "decoder"}) {
    const std::string message = error_of("{" + kModel + ", \"" + part + R"(": {"type": "Frobnicate"}})");
    EXPECT_THAT(message, HasSubstr("some/tokenizer.json"));
    EXPECT_THAT(message, HasSubstr(part));
    EXPECT_THAT(message, HasSubstr("`Frobnicate`"));
  }
  EXPECT_THAT(error_of(R"({"model": {"type": "Frobnicate"}})"),
              HasSubstr("the model type `Frobnicate` is not supported"));
}

TEST(TokenizerErrors, BrokenModels) {
  EXPECT_THAT(error_of("{}"), HasSubstr("`model` is missing"));
  EXPECT_THAT(error_of("[]"), HasSubstr("found an array"));
  EXPECT_THAT(error_of(R"({"model": 3})"), HasSubstr("model"));
  EXPECT_THAT(error_of(R"({"model": {"type": "BPE", "vocab": {"a": -1}, "merges": []}})"), HasSubstr("`a`"));
  EXPECT_THAT(error_of(R"({"model": {"type": "BPE", "vocab": {"a": 4000000000}, "merges": []}})"),
              HasSubstr("4000000000"));
  EXPECT_THAT(error_of(R"({"model": {"type": "BPE", "vocab": {"a": 0}, "merges": [["a", "b"]]}})"),
              HasSubstr("merge 0"));
  EXPECT_THAT(error_of(R"({"model": {"type": "BPE", "vocab": {"a": 0}, "merges": ["ab"]}})"),
              HasSubstr("merge 0"));
  EXPECT_THAT(error_of(R"({"model": {"type": "BPE", "vocab": {"a": 0}, "merges": [], "dropout": 0.1}})"),
              HasSubstr("dropout"));
  EXPECT_THAT(error_of(R"({"model": {"type": "BPE", "vocab": {"a": 0}, "merges": [], "unk_token": "u"}})"),
              HasSubstr("`u`"));
  EXPECT_THAT(error_of(R"({"model": {"type": "Unigram", "vocab": [["a"]]}})"), HasSubstr("pair"));
  EXPECT_THAT(error_of(R"({"model": {"type": "Unigram", "vocab": [["a", 0]], "unk_id": 1}})"),
              HasSubstr("unk_id"));
}

TEST(TokenizerErrors, BrokenPatterns) {
  const auto split = [](const std::string& regex) {
    return "{" + kModel + R"(, "pre_tokenizer": {"type": "Split", "pattern": {"Regex": ")" + regex +
           R"("}, "behavior": "Isolated", "invert": false}})";
  };
  EXPECT_EQ(error_of(split("a|b")), "no error");
  EXPECT_THAT(error_of(split("(a")), HasSubstr("some/tokenizer.json"));
  EXPECT_THAT(error_of(split("[a[^b]]")), HasSubstr("negated class inside another"));
}

TEST(TokenizerErrors, IdsBeyondTheVocabulary) {
  const auto adds = [](int id) {
    return "{" + kModel +
           R"(, "post_processor": {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id":
        "x", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}], "pair": [], "special_tokens": {"x": {"id": "x",
        "ids": [)" +
           std::to_string(id) + R"(], "tokens": ["x"]}}}})";
  };
  EXPECT_EQ(error_of(adds(0)), "no error");
  EXPECT_THAT(error_of(adds(100000)), HasSubstr("the post_processor adds the id 100000"));
}

TEST(TokenizerErrors, TextThatGrowsWithoutEnd) {
  std::string steps;
  for (int i = 0; i < 20; ++i)
    steps += R"(, {"type": "Replace", "pattern": {"String": "a"}, "content": "aaaaaaaaaa"})";
  const std::string part = R"({"type": "Sequence", "normalizers": [{"type": "NFC"})" + steps + "]}";
  const auto grows = Tokenizer::from_json("{" + kModel + ", \"normalizer\": " + part + "}", "file");
  EXPECT_THROW(grows.encode("a"), Error);
  // A pattern that doubles its time with each letter, at every letter.
  const auto slow = Tokenizer::from_json(
      "{" + kModel + R"(, "pre_tokenizer": {"type": "Split", "pattern": {"Regex": "(?:a|a|b)*c|x"},
          "behavior": "Isolated", "invert": false}})",
      "file");
  std::string hard;
  for (int i = 0; i < 2000; ++i) hard += "aaaaaaaaaaaaaax";
  EXPECT_THROW(slow.encode(hard), Error);
  EXPECT_THAT(error_of("{" + kModel + R"(, "pre_tokenizer": {"type": "Metaspace", "replacement": "many"}})"),
              HasSubstr("one character"));
}

TEST(TokenizerErrors, TextWithoutTokens) {
  const Tokenizer t = Tokenizer::from_json(R"({"model": {"type": "Unigram", "vocab": [["a", -1.0]]}})",
                                           "some/tokenizer.json");
  EXPECT_EQ(t.encode("aa"), (std::vector<int32_t>{0, 0}));
  EXPECT_THROW(t.encode("ab"), Error);
}

// --- the files beside tokenizer.json ---

TEST(TokenizerFolder, ReadsConfigAndTemplates) {
  const TempFolder folder;
  EXPECT_THROW(Tokenizer::load(folder.path()), Error);
  folder.write("tokenizer.json",
               "{" + kModel + R"(, "added_tokens": [{"id": 3, "content": "<s>", "special": true}]})");
  folder.write("tokenizer_config.json",
               R"({"bos_token": "<s>", "eos_token": {"content": "</s>", "lstrip": true},
      "chat_template": [{"name": "default", "template": "x"}, {"name": "tool_use", "template": "y"}],
      "added_tokens_decoder": {"5": {"content": "<b>"}, "4": {"content": "<a>"}}, "add_bos_token": true})");
  folder.write("additional_chat_templates/rag.jinja", "z");
  Tokenizer t = Tokenizer::load(folder.path());
  EXPECT_EQ(t.special_tokens().at("bos_token"), "<s>");
  EXPECT_EQ(t.special_token_id("bos_token"), 3);
  EXPECT_EQ(t.token_to_id("<a>"), 4);
  EXPECT_EQ(t.token_to_id("<b>"), 5);
  EXPECT_EQ(t.special_token_id("eos_token"), 6);
  EXPECT_EQ(t.special_token_id("pad_token"), std::nullopt);
  EXPECT_EQ(t.encode("ab </s>a"), (std::vector<int32_t>{2, 6, 0}));  // add_bos_token is not used
  EXPECT_EQ(t.chat_templates(),
            (std::map<std::string, std::string>{{"default", "x"}, {"tool_use", "y"}, {"rag", "z"}}));
  folder.write("chat_template.jinja", "w");
  EXPECT_EQ(Tokenizer::load(folder.path()).chat_templates().at("default"), "w");
}

}  // namespace
}  // namespace tersor
