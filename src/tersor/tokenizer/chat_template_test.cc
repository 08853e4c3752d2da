// Text for text what transformers renders (tests/tokenizer/golden/chat.json), and what a broken or hostile
// template gets for an answer.
#include "tersor/tokenizer/chat_template.h"

#include <filesystem>
#include <fstream>

#include "temp_folder.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tersor/base/error.h"
#include "tersor/io/file.h"
#include "tersor/io/json.h"

namespace tersor {
namespace {

const std::filesystem::path kFolder = std::filesystem::path(TERSOR_SOURCE_DIR) / "tests/tokenizer";

const Json& golden() {
  static const Json json = read_json_file(kFolder / "golden/chat.json");
  return json;
}

// The moment that the golden file was made for, in whatever zone the test runs.
std::time_t golden_now() {
  std::tm t{};
  t.tm_year = 2024 - 1900, t.tm_mon = 6, t.tm_mday = 26, t.tm_hour = 9, t.tm_min = 5, t.tm_sec = 3;
  t.tm_isdst = -1;
  return std::mktime(&t);
}

void expect_rendered(const std::string& source, const std::string& messages,
                     const ChatTemplate::Options& options, const Json& text, const Json& generated) {
  try {
    const ChatTemplate::Rendered rendered = ChatTemplate(source, "case").render(messages, options);
    ASSERT_TRUE(text.is_string()) << "rendered what transformers refuses: " << source << "\n"
                                  << rendered.text;
    EXPECT_EQ(rendered.text, text.get<std::string>()) << source;
    EXPECT_EQ(Json(rendered.generated), generated) << source;
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kInput);
    EXPECT_TRUE(text.is_null()) << source << "\n" << e.what();
  }
}

TEST(ChatTemplate, RendersEveryConstructAsTransformers) {
  ChatTemplate::Options options;
  options.variables = golden()["variables"].get<std::string>();
  options.now = golden_now();
  ASSERT_GT(golden()["snippets"].size(), 150u);
  for (const Json& snippet : golden()["snippets"]) {
    expect_rendered(snippet[0].get<std::string>(), golden()["messages"].get<std::string>(), options,
                    snippet[1], snippet[2]);
  }
}

TEST(ChatTemplate, RendersConversationsAsTransformers) {
  ASSERT_GT(golden()["conversations"].size(), 90u);
  for (const Json& c : golden()["conversations"]) {
    ChatTemplate::Options options;
    options.add_generation_prompt = c["add_generation_prompt"].get<bool>();
    options.tools = c["tools"].get<std::string>();
    options.documents = c["documents"].get<std::string>();
    options.variables = c["variables"].get<std::string>();
    options.now = golden_now();
    const std::string source = read_file(kFolder / "templates" / c["template"].get<std::string>(), 1 << 20);
    expect_rendered(source, c["messages"].get<std::string>(), options, c["text"], c["generated"]);
  }
}

std::string message_of(const std::string& source, const std::string& messages = "[]") {
  try {
    return "rendered: " + ChatTemplate(source, "default").render(messages, false);
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kInput);
    return e.what();
  }
}

TEST(ChatTemplate, ErrorsNameTheTemplateAndTheLine) {
  EXPECT_EQ(message_of("a\n{{ raise_exception('roles must alternate') }}"),
            "chat template `default`, line 2: roles must alternate");
  EXPECT_EQ(message_of("\n\n{{ missing.x }}"), "chat template `default`, line 3: 'missing' is undefined");
  EXPECT_EQ(message_of("{% for x in y %}"),
            "chat template `default`, line 1: the template ends inside a block: `endfor` is missing");
  EXPECT_EQ(message_of("{% include 'x' %}"),
            "chat template `default`, line 1: the tag `include` is not known, or has no place here");
  EXPECT_EQ(message_of("{{ 1 + }}"), "chat template `default`, line 1: expected an expression, found `}}`");
  EXPECT_EQ(message_of("x", "{"), "messages: not valid JSON at byte 2");
  EXPECT_EQ(message_of("x", "{\"a\": 1}"), "messages: expected a JSON list, found a dict");
  // A message is cut before it fills the terminal.
  EXPECT_LT(message_of("{{ raise_exception('x' * 1000000) }}").size(), 300u);
}

TEST(ChatTemplate, TakesTheTokenizersTemplatesAndSpecialTokens) {
  TempFolder folder;
  std::filesystem::copy_file(kFolder / "golden/smollm2.json", folder.path() / "tokenizer.json");
  std::ofstream(folder.path() / "tokenizer_config.json") << R"({"eos_token": "<end>", "chat_template": [
      {"name": "default", "template": "{{ messages[0].content }}{{ eos_token }}"},
      {"name": "broken", "template": "{{"}]})";
  const Tokenizer tokenizer = Tokenizer::load(folder.path());
  EXPECT_EQ(ChatTemplate::of(tokenizer).render(R"([{"role": "user", "content": "Hi"}])", false), "Hi<end>");
  EXPECT_THROW(ChatTemplate::of(tokenizer, "broken"), Error);
  try {
    ChatTemplate::of(tokenizer, "tool_use");
    FAIL();
  } catch (const Error& e) {
    EXPECT_STREQ(e.what(), "the model has no chat template `tool_use`");
    EXPECT_EQ(e.help(), "it has `broken` and `default`");
  }
}

}  // namespace
}  // namespace tersor
