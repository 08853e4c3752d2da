#include "tersor/entrypoints/tokenize.h"

#include <filesystem>

#include "temp_folder.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tersor/base/error.h"
#include "tersor/io/json.h"

namespace tersor {
namespace {

using testing::HasSubstr;

// A folder with a small tokenizer whose template marks turns.
class Tokenize : public testing::Test {
 protected:
  Tokenize() {
    const std::filesystem::path golden = std::filesystem::path(TERSOR_SOURCE_DIR) / "tests/tokenizer/golden";
    std::filesystem::copy_file(golden / "llama3.json", folder_ / "tokenizer.json");
    set_template(
        "{% for m in messages %}{% if m.role == 'tool' %}{{ raise_exception('no tools') }}{% endif %}"
        "<{{ m.role }}>{{ m.content }}{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}");
  }

  void set_template(const std::string& text) {
    folder_.write("tokenizer_config.json", Json{{"chat_template", text}}.dump());
  }

  TokenizeRequest request(const std::string& text) const {
    return {.model = folder_.path().string(), .text = text, .file = {}};
  }

  static Error error_of(const TokenizeRequest& request) {
    try {
      tokenize(request);
    } catch (const Error& e) {
      return e;
    }
    return {ErrorCode::kRuntime, "no error"};
  }

  TempFolder folder_;
};

std::string joined(const std::vector<int32_t>& ids) {
  std::string text;
  for (const int32_t id : ids) text += std::to_string(id) + ", ";
  return "[" + text + "]";
}

TEST_F(Tokenize, IdsGoBackToTheText) {
  for (const std::string& text :
       {std::string("Hello, world"), std::string(" ü\n\n中😀 "), std::string("\xFF")}) {
    const TokenizeReport there = tokenize(request(text));
    EXPECT_EQ(there.text, text == "\xFF" ? "\uFFFD" : text);
    ASSERT_FALSE(there.ids.empty());
    EXPECT_EQ(there.tokens.size(), there.ids.size());
    TokenizeRequest back = request(joined(there.ids));
    back.decode = true;
    back.special_tokens = false;
    const TokenizeReport again = tokenize(back);
    EXPECT_EQ(again.ids, there.ids);
    EXPECT_EQ(again.text, there.text);
  }
}

TEST_F(Tokenize, SpecialTokensAreLeftOutOnRequest) {
  TokenizeRequest r = request("Hello");
  const TokenizeReport with = tokenize(r);
  r.special_tokens = false;
  const TokenizeReport without = tokenize(r);
  EXPECT_EQ(with.tokens.front(), "<|begin_of_text|>");
  EXPECT_EQ(without.ids, std::vector<int32_t>(with.ids.begin() + 1, with.ids.end()));
}

TEST_F(Tokenize, ChatsGoThroughTheTemplate) {
  TokenizeRequest r = request("Hi [x]");
  r.chat = true;
  EXPECT_EQ(tokenize(r).text, "<user>Hi [x]<assistant>");
  EXPECT_NE(tokenize(r).tokens.front(), "<|begin_of_text|>") << "the template alone writes special tokens";
  r.text = R"( [ {"role": "system", "content": "S"}, {"role": "user", "content": "Hi"}])";
  EXPECT_EQ(tokenize(r).text, "<system>S<user>Hi<assistant>");
  r.text = R"([{"role": "tool", "content": ""}])";
  EXPECT_STREQ(error_of(r).what(), "chat template `default`, line 1: no tools");
  r.text = "[{";
  EXPECT_THAT(error_of(r).what(), HasSubstr("messages: not valid JSON"));
  set_template("{% if %}");
  EXPECT_THAT(error_of(r).what(), HasSubstr("chat template `default`, line 1: expected an expression"));
  std::filesystem::remove(folder_ / "tokenizer_config.json");
  EXPECT_STREQ(error_of(r).what(), "the model has no chat template `default`");
}

TEST_F(Tokenize, FilesAreRead) {
  folder_.write("text.txt", "Hello\n");
  TokenizeRequest r = request("");
  r.file = (folder_ / "text.txt").string();
  EXPECT_EQ(tokenize(r).text, "Hello\n");
  r.file = (folder_ / "absent.txt").string();
  EXPECT_EQ(error_of(r).code(), ErrorCode::kInput);
  folder_.write("text.txt", "");
  r.file = (folder_ / "text.txt").string();
  EXPECT_THAT(error_of(r).what(), HasSubstr("the file is empty"));
}

TEST_F(Tokenize, BadInputIsNamed) {
  EXPECT_EQ(error_of(request("")).code(), ErrorCode::kUsage);
  TokenizeRequest r = request("1 two");
  r.decode = true;
  EXPECT_STREQ(error_of(r).what(), "`two` is no token id");
  for (const char* id : {"-1", "100000", "2147483647"}) {
    r.text = id;
    EXPECT_EQ(error_of(r).what(), std::string("the tokenizer has no token ") + id);
  }
  r.text = "99999999999";
  EXPECT_EQ(error_of(r).code(), ErrorCode::kUsage);
  folder_.write("tokenizer.json", "{\"model\": ");
  EXPECT_EQ(error_of(request("x")).code(), ErrorCode::kInput);
  EXPECT_THAT(error_of(request("x")).what(), HasSubstr("tokenizer.json"));
  std::filesystem::remove(folder_ / "tokenizer.json");
  EXPECT_THAT(error_of(request("x")).what(), HasSubstr("tokenizer.json: no such file"));
  r.model = "no/such/model";
  EXPECT_EQ(error_of(r).code(), ErrorCode::kInput);
}

}  // namespace
}  // namespace tersor
