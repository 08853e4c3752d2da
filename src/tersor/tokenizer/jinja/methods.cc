// Methods of lists, tuples, dicts and `loop`, and the rule that finds a value's methods.
#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "tersor/tokenizer/jinja/arguments.h"
#include "tersor/tokenizer/jinja/builtins.h"
#include "tersor/tokenizer/jinja/interpreter.h"

namespace tersor::jinja {
namespace {

using Call = Value (*)(Interpreter&, const Value& self, const Arguments&);

struct Method {
  std::string_view name;
  Call call;
};

Function bind(const Method& method, const Value& self) {
  return {std::string(method.name),
          [call = method.call, self](Interpreter& in, Arguments arguments) {
            in.step(self.weight() + weight_of(arguments));
            return call(in, self, arguments);
          },
          self.extent().depth + 1};
}

template <size_t kCount>
std::optional<Function> find_in(const std::array<Method, kCount>& methods, const Value& self,
                                std::string_view name) {
  for (const Method& method : methods) {
    if (method.name == name) return bind(method, self);
  }
  return std::nullopt;
}

// The sandbox keeps templates from changing what they were given.
Value forbidden(Interpreter&, const Value& self, const Arguments&) {
  throw TemplateError(
      fmt::format("a method that changes a {} is not safe to call in a template", self.type_name()));
}

Value dict_keys(Interpreter&, const Value& self, const Arguments&) { return *iterate(self); }
Value dict_values(Interpreter&, const Value& self, const Arguments&) {
  List values;
  for (const auto& [key, value] : self.dict()->items()) values.push_back(value);
  return values;
}
Value dict_items(Interpreter&, const Value& self, const Arguments&) {
  List pairs;
  for (const auto& [key, value] : self.dict()->items()) pairs.emplace_back(Tuple{{key, value}});
  return pairs;
}
Value dict_get(Interpreter&, const Value& self, const Arguments& a) {
  const Bound args("get", a, {"key", "default"});
  if (const Value* found = self.dict()->find(args.require(0))) return *found;
  return args.get(1) != nullptr ? *args.get(1) : Value();
}
Value copy_of(Interpreter&, const Value& self, const Arguments&) { return self; }

Value sequence_index(Interpreter&, const Value& self, const Arguments& a) {
  const Value wanted = Bound("index", a, {"value"}).require(0);
  const List& items = *self.sequence();
  for (size_t i = 0; i < items.size(); ++i) {
    if (equal(items[i], wanted)) return i;
  }
  throw TemplateError(fmt::format("{} is not in list", shown(wanted)));
}
Value sequence_count(Interpreter&, const Value& self, const Arguments& a) {
  const Value wanted = Bound("count", a, {"value"}).require(0);
  return static_cast<size_t>(std::count_if(self.sequence()->begin(), self.sequence()->end(),
                                           [&](const Value& v) { return equal(v, wanted); }));
}

constexpr std::array<Method, 10> kDictMethods = {{{"items", dict_items},
                                                  {"keys", dict_keys},
                                                  {"values", dict_values},
                                                  {"get", dict_get},
                                                  {"copy", copy_of},
                                                  {"pop", forbidden},
                                                  {"update", forbidden},
                                                  {"setdefault", forbidden},
                                                  {"clear", forbidden},
                                                  {"popitem", forbidden}}};
constexpr std::array<Method, 10> kListMethods = {{{"index", sequence_index},
                                                  {"count", sequence_count},
                                                  {"copy", copy_of},
                                                  {"append", forbidden},
                                                  {"extend", forbidden},
                                                  {"insert", forbidden},
                                                  {"pop", forbidden},
                                                  {"remove", forbidden},
                                                  {"reverse", forbidden},
                                                  {"sort", forbidden}}};
constexpr std::array<Method, 2> kTupleMethods = {{{"index", sequence_index}, {"count", sequence_count}}};

Value loop_cycle(Interpreter&, const Value& self, const Arguments& a) {
  if (a.positional.empty()) throw TemplateError("no items for cycling given");
  return a.positional[self.loop()->index0 % a.positional.size()];
}

Value loop_changed(Interpreter& in, const Value& self, const Arguments& a) {
  in.keep(self.loop()->last_checked);
  List& last = *self.loop()->last_checked;
  const bool same = !last.empty() && equal(last.back(), Value(Tuple{a.positional}));
  last = {Value(Tuple{a.positional})};
  return !same;
}

// What `loop.name` is.
std::optional<Value> loop_attribute(const Value& self, std::string_view name) {
  const Loop& loop = *self.loop();
  const size_t i = loop.index0, n = loop.items->size();
  if (name == "index0") return i;
  if (name == "index") return i + 1;
  if (name == "revindex") return n - i;
  if (name == "revindex0") return n - i - 1;
  if (name == "first") return i == 0;
  if (name == "last") return i + 1 == n;
  if (name == "length") return n;
  if (name == "depth") return loop.nesting;
  if (name == "depth0") return loop.nesting - 1;
  if (name == "previtem") return i > 0 ? (*loop.items)[i - 1] : Value::undefined("there is no previous item");
  if (name == "nextitem") return i + 1 < n ? (*loop.items)[i + 1] : Value::undefined("there is no next item");
  if (name == "cycle") return bind({"cycle", loop_cycle}, self);
  if (name == "changed") return bind({"changed", loop_changed}, self);
  return std::nullopt;
}

}  // namespace

std::optional<Value> find_attribute(const Value& value, const std::string& name) {
  if (value.loop() != nullptr) return loop_attribute(value, name);
  std::optional<Function> method;
  if (value.string() != nullptr) method = find_string_method(value, name);
  if (value.dict() != nullptr) method = find_in(kDictMethods, value, name);
  if (value.list() != nullptr) method = find_in(kListMethods, value, name);
  if (value.tuple() != nullptr) method = find_in(kTupleMethods, value, name);
  return method ? std::optional<Value>(std::move(*method)) : std::nullopt;
}

}  // namespace tersor::jinja
