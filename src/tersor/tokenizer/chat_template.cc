#include "tersor/tokenizer/chat_template.h"

#include <map>

#include <fmt/format.h>

#include "tersor/base/error.h"
#include "tersor/base/text.h"
#include "tersor/base/utf8.h"
#include "tersor/tokenizer/jinja/interpreter.h"
#include "tersor/tokenizer/jinja/json_values.h"
#include "tersor/tokenizer/jinja/parser.h"

namespace tersor {
namespace {

Error template_error(const std::string& name, int line, std::string_view message) {
  return input_error(fmt::format("chat template `{}`, line {}: {}", name, line, printable(message)));
}

}  // namespace

struct ChatTemplate::Impl {
  std::string name;
  jinja::Block block;
};

ChatTemplate::ChatTemplate(std::string_view source, const std::string& name) {
  auto impl = std::make_shared<Impl>();
  impl->name = name;
  try {
    impl->block = jinja::parse(is_valid_utf8(source) ? std::string(source) : replace_invalid_utf8(source));
  } catch (const jinja::SyntaxError& e) {
    throw template_error(name, e.line, e.message);
  }
  impl_ = std::move(impl);
}

ChatTemplate ChatTemplate::of(const Tokenizer& tokenizer, const std::string& name) {
  const auto& templates = tokenizer.chat_templates();
  const auto it = templates.find(name);
  if (it == templates.end()) {
    std::vector<std::string> names;
    for (const auto& [known, source] : templates) names.push_back(known);
    throw input_error(fmt::format("the model has no chat template `{}`", name),
                      names.empty() ? "it has none at all: give it plain text"
                                    : fmt::format("it has {}", quoted_list(names, "and")));
  }
  ChatTemplate chat(it->second, name);
  chat.special_tokens_ = tokenizer.special_tokens();
  return chat;
}

ChatTemplate::Rendered ChatTemplate::render(std::string_view messages, const Options& options) const {
  const auto json = [&](std::string_view text, const char* what) {
    return text.empty() ? jinja::Value() : jinja::value_from_json(text, what);
  };
  jinja::Dict context;
  for (const auto& [name, token] : special_tokens_) context.set(jinja::Value(name), jinja::Value(token));
  const jinja::Value variables = json(options.variables, "template variables");
  if (!variables.is_none() && variables.dict() == nullptr)
    throw input_error("template variables: expected a JSON object");
  const jinja::Value conversation = json(messages, "messages");
  if (conversation.list() == nullptr)
    throw input_error(fmt::format("messages: expected a JSON list, found a {}", conversation.type_name()));
  context.set("messages", conversation);
  context.set("tools", json(options.tools, "tools"));
  context.set("documents", json(options.documents, "documents"));
  context.set("add_generation_prompt", options.add_generation_prompt);
  if (variables.dict() != nullptr) {
    for (const auto& [key, value] : variables.dict()->items()) context.set(key, value);
  }
  jinja::Interpreter interpreter(context, options.now);
  try {
    Rendered rendered;
    rendered.text = interpreter.render(impl_->block);
    rendered.generated = interpreter.generated();
    return rendered;
  } catch (const jinja::TemplateError& e) {
    throw template_error(impl_->name, interpreter.line(), e.what());
  }
}

std::string ChatTemplate::render(std::string_view messages, bool add_generation_prompt) const {
  Options options;
  options.add_generation_prompt = add_generation_prompt;
  return render(messages, options).text;
}

}  // namespace tersor
