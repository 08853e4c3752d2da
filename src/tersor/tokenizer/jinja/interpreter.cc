#include "tersor/tokenizer/jinja/interpreter.h"

#include <algorithm>
#include <optional>

#include <fmt/format.h>

#include "tersor/tokenizer/jinja/builtins.h"
#include "tersor/tokenizer/jinja/interpreter_scope_guards.h"

namespace tersor::jinja {

Interpreter::Interpreter(const Dict& context, std::time_t now, const Limits& limits)
    : limits_(limits), now_(now), root_(std::make_shared<Scope>()) {
  auto globals = std::make_shared<Scope>();
  Dict functions;
  add_global_functions(functions);
  for (const Dict* dict : {static_cast<const Dict*>(&functions), &context}) {
    for (const auto& [name, value] : dict->items()) globals->names[to_text(name)] = value;
  }
  root_->parent = std::move(globals);
}

Interpreter::~Interpreter() {
  for (const ScopePtr& scope : captured_scopes_) scope->names.clear();
  for (const auto& ns : namespaces_) ns->attributes.clear();
  for (const auto& items : lists_) items->clear();
}

std::string Interpreter::render(const Block& block) {
  output_.clear();
  const Restore<std::string*> out(out_, &output_);
  run(block, root_);
  return std::move(output_);
}

void Interpreter::step(uint64_t n) {
  steps_ += n;
  if (steps_ > limits_.steps) throw TemplateError("the template does not come to an end");
}

void Interpreter::print(std::string_view text) {
  if (out_->size() + text.size() > limits_.output_bytes) {
    throw TemplateError(fmt::format("the template writes more than {} MiB", limits_.output_bytes >> 20));
  }
  *out_ += text;
}

void Interpreter::print_value(const Value& value) {
  step(value.weight());
  print(to_text(value));
}

std::string Interpreter::capture(const Block& block, const ScopePtr& scope) {
  std::string text;
  const Restore<std::string*> out(out_, &text);
  run(block, scope);
  return text;
}

Interpreter::ScopePtr Interpreter::inner(const ScopePtr& scope) {
  auto s = std::make_shared<Scope>();
  s->parent = scope;
  return s;
}

Interpreter::Flow Interpreter::run(const Block& block, const ScopePtr& scope) {
  const Level level(*this);
  for (const Statement& s : block) {
    const Flow flow = run(s, scope);
    if (flow != Flow::kNormal) return flow;
  }
  return Flow::kNormal;
}

Interpreter::Flow Interpreter::run(const Statement& s, const ScopePtr& scope) {
  step();
  line_ = s.line;
  switch (s.kind) {
    case Statement::Kind::kText:
      print(s.text);
      break;
    case Statement::Kind::kPrint:
      print_value(eval(*s.value, scope));
      break;
    case Statement::Kind::kIf:
      return run(eval(*s.value, scope).truthy() ? s.body : s.otherwise, scope);
    case Statement::Kind::kFor:
      loop_over(s, eval(*s.value, scope), scope, 1);
      break;
    case Statement::Kind::kSet:
      assign(*s.target, eval(*s.value, scope), scope);
      break;
    case Statement::Kind::kSetBlock: {
      std::string text = capture(s.body, inner(scope));
      assign(*s.target, s.value ? filtered_block(*s.value, std::move(text), scope) : Value(std::move(text)),
             scope);
      break;
    }
    case Statement::Kind::kMacro:
      scope->names[s.text] = macro(s.text, s.parameters, s.body, scope);
      break;
    case Statement::Kind::kCall: {
      const Expr& call_expr = *s.value;
      const Value callee = eval(*call_expr.operands[0], scope);
      Arguments arguments = arguments_of(call_expr, 1, scope);
      arguments.keywords.emplace_back("caller", macro("caller", s.parameters, s.body, scope));
      line_ = s.line;
      print_value(call(callee, std::move(arguments)));
      break;
    }
    case Statement::Kind::kFilterBlock:
      print_value(filtered_block(*s.value, capture(s.body, inner(scope)), scope));
      break;
    case Statement::Kind::kWith: {
      const ScopePtr within = inner(scope);
      for (const auto& [target, value] : s.bindings) assign(*target, eval(*value, scope), within);
      return run(s.body, within);
    }
    case Statement::Kind::kGeneration: {
      const std::string text = capture(s.body, inner(scope));
      if (out_ == &output_) generated_.emplace_back(output_.size(), output_.size() + text.size());
      print(text);
      break;
    }
    case Statement::Kind::kBreak:
      return Flow::kBreak;
    case Statement::Kind::kContinue:
      return Flow::kContinue;
  }
  return Flow::kNormal;
}

void Interpreter::loop_over(const Statement& s, const Value& value, const ScopePtr& scope, int64_t nesting) {
  std::shared_ptr<const List> items = iterate(value);
  step(items->size());
  if (s.condition) {
    auto kept = std::make_shared<List>();
    for (const Value& item : *items) {
      const ScopePtr within = inner(scope);
      assign(*s.target, item, within);
      if (eval(*s.condition, within).truthy()) kept->push_back(item);
    }
    items = std::move(kept);
  }
  const uint32_t depth = extent_of(*items).depth;
  std::shared_ptr<const Function> recurse;
  if (s.recursive) {
    captured_scopes_.push_back(scope);
    recurse = std::make_shared<const Function>(Function{
        "loop", [&s, outer = std::weak_ptr(scope), nesting](Interpreter& in, Arguments arguments) -> Value {
          if (arguments.positional.size() != 1) throw TemplateError("loop() takes one argument");
          std::string text;
          const Restore<std::string*> out(in.out_, &text);
          in.loop_over(s, arguments.positional[0], outer.lock(), nesting + 1);
          return text;
        }});
  }
  const auto last_checked = std::make_shared<List>();
  for (size_t i = 0; i < items->size(); ++i) {
    const ScopePtr within = inner(scope);
    auto loop = std::make_shared<Loop>(Loop{i, items, nesting, recurse, last_checked, depth});
    within->names["loop"] = Value(std::shared_ptr<const Loop>(std::move(loop)));
    assign(*s.target, (*items)[i], within);
    if (run(s.body, within) == Flow::kBreak) break;
  }
  if (items->empty()) run(s.otherwise, inner(scope));
}

void Interpreter::assign(const Expr& target, const Value& value, const ScopePtr& scope) {
  switch (target.kind) {
    case Expr::Kind::kName:
      scope->names[target.text] = value;
      return;
    case Expr::Kind::kNamespaceAttribute: {
      const Value object = look_up(target.operands[0]->text, scope);
      object.require_defined();
      if (object.name_space() == nullptr)
        throw TemplateError("cannot assign attribute on non-namespace object");
      object.name_space()->attributes[target.text] = value;
      return;
    }
    default: {
      const auto items = iterate(value);
      if (items->size() != target.operands.size()) {
        throw TemplateError(
            fmt::format("cannot unpack {} values into {} names", items->size(), target.operands.size()));
      }
      for (size_t i = 0; i < items->size(); ++i) assign(*target.operands[i], (*items)[i], scope);
    }
  }
}

Function Interpreter::macro(std::string name, const std::vector<Parameter>& parameters, const Block& body,
                            const ScopePtr& scope) {
  captured_scopes_.push_back(scope);
  return {name,
          [name, &parameters, &body, outer = std::weak_ptr(scope)](Interpreter& in, Arguments arguments) {
            return in.call_macro(name, parameters, body, outer.lock(), std::move(arguments));
          }};
}

Value Interpreter::call_macro(const std::string& name, const std::vector<Parameter>& parameters,
                              const Block& body, const ScopePtr& scope, Arguments arguments) {
  const ScopePtr within = inner(scope);
  const auto take_keyword = [&](std::string_view wanted) -> std::optional<Value> {
    const auto it = std::find_if(arguments.keywords.begin(), arguments.keywords.end(),
                                 [&](const auto& k) { return k.first == wanted; });
    if (it == arguments.keywords.end()) return std::nullopt;
    std::optional<Value> value(std::move(it->second));
    arguments.keywords.erase(it);
    return value;
  };
  for (size_t i = 0; i < parameters.size(); ++i) {
    const Parameter& p = parameters[i];
    const std::optional<Value> named = take_keyword(p.name);
    if (i < arguments.positional.size()) {
      if (named)
        throw TemplateError(fmt::format("macro '{}' got multiple values for argument '{}'", name, p.name));
      within->names[p.name] = arguments.positional[i];
    } else if (named) {
      within->names[p.name] = *named;
    } else if (p.fallback) {
      within->names[p.name] = eval(*p.fallback, within);
    } else {
      within->names[p.name] = Value::undefined(fmt::format("parameter '{}' was not provided", p.name));
    }
  }
  const size_t given = std::min(arguments.positional.size(), parameters.size());
  within->names["varargs"] = Tuple{
      List(arguments.positional.begin() + static_cast<std::ptrdiff_t>(given), arguments.positional.end())};
  if (const auto caller = take_keyword("caller")) within->names["caller"] = *caller;
  Dict rest;
  for (const auto& [key, value] : arguments.keywords) rest.set(Value(key), value);
  within->names["kwargs"] = Value(std::move(rest));
  return capture(body, within);
}

Value Interpreter::call(const Value& callee, Arguments arguments) {
  callee.require_defined();
  const Function* function = callee.function();
  if (callee.loop() != nullptr) function = callee.loop()->recurse.get();
  if (function == nullptr)
    throw TemplateError(fmt::format("'{}' object is not callable", callee.type_name()));
  const Level level(*this);
  const int line = line_;
  Value result = function->call(*this, std::move(arguments));
  line_ = line;
  return result;
}

}  // namespace tersor::jinja
