// A template of any bytes is refused with a line that it has, or renders valid UTF-8, within the limits.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "tersor/base/utf8.h"
#include "tersor/tokenizer/jinja/interpreter.h"
#include "tersor/tokenizer/jinja/json_values.h"
#include "tersor/tokenizer/jinja/parser.h"

namespace {

constexpr std::string_view kVariables =
    R"({"bos_token": "<s>", "eos_token": "</s>", "add_generation_prompt": true,
  "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Z\u00fcrich? \ud83d\ude00"},
    {"role": "assistant", "content": null, "tool_calls": [{"function": {"name": "f", "arguments": {"a": [1, 2.5]}}}]},
    {"role": "tool", "content": [{"type": "text", "text": "ok"}]}],
  "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}]})";

constexpr tersor::jinja::Limits kLimits = {.output_bytes = 1 << 20, .steps = 300'000};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tersor;
  const std::string source = replace_invalid_utf8({reinterpret_cast<const char*>(data), size});
  const auto line_ends =
      std::count_if(source.begin(), source.end(), [](char c) { return c == '\n' || c == '\r'; });
  const auto has_line = [&](int line) { return line >= 1 && line <= line_ends + 1; };
  jinja::Block block;
  try {
    block = jinja::parse(source);
  } catch (const jinja::SyntaxError& e) {
    if (!has_line(e.line)) std::abort();
    return 0;
  }
  static const jinja::Value variables = jinja::value_from_json(kVariables, "variables");
  jinja::Interpreter interpreter(*variables.dict(), /*now=*/0, kLimits);
  try {
    const std::string text = interpreter.render(block);
    if (text.size() > kLimits.output_bytes || !is_valid_utf8(text)) std::abort();
    for (const auto& [begin, end] : interpreter.generated()) {
      if (begin > end || end > text.size()) std::abort();
    }
  } catch (const jinja::TemplateError&) {
    if (!has_line(interpreter.line())) std::abort();
  }
  return 0;
}
