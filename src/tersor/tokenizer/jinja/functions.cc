// The functions that a template finds without being given them.
#include <ctime>

#include <fmt/format.h>

#include "tersor/tokenizer/jinja/arguments.h"
#include "tersor/tokenizer/jinja/builtins.h"
#include "tersor/tokenizer/jinja/interpreter.h"
#include "tersor/tokenizer/jinja/python_text.h"

namespace tersor::jinja {
namespace {

constexpr int64_t kMaxRange = 100'000;  // the sandbox's

Value range_function(Interpreter& in, const Arguments& a) {
  const Bound args("range", a, {"start", "stop", "step"});
  args.require(0);
  const bool one = args.get(1) == nullptr;
  const int64_t start = one ? 0 : args.integer(0, 0), stop = one ? args.integer(0, 0) : args.integer(1, 0);
  const int64_t step = args.integer(2, 1);
  if (step == 0) throw TemplateError("range() arg 3 must not be zero");
  List items;
  for (int64_t i = start; step > 0 ? i < stop : i > stop;) {
    if (static_cast<int64_t>(items.size()) == kMaxRange) {
      throw TemplateError(
          fmt::format("Range too big. The sandbox blocks ranges larger than MAX_RANGE ({}).", kMaxRange));
    }
    items.emplace_back(i);
    if (__builtin_add_overflow(i, step, &i)) break;
  }
  in.step(items.size());
  return items;
}

// A mapping or pairs, then named values.
Dict dict_of(const char* name, const Arguments& a) {
  Dict dict;
  if (a.positional.size() > 1)
    throw TemplateError(fmt::format("{}() takes at most one positional argument", name));
  for (const Value& v : a.positional) {
    if (v.dict() != nullptr) {
      for (const auto& [key, value] : v.dict()->items()) dict.set(key, value);
      continue;
    }
    for (const auto all = iterate(v); const Value& pair : *all) {
      const auto items = iterate(pair);
      if (items->size() != 2) throw TemplateError(fmt::format("{}(): an item is not a pair", name));
      dict.set((*items)[0], (*items)[1]);
    }
  }
  for (const auto& [key, value] : a.keywords) dict.set(Value(key), value);
  return dict;
}

Value dict_function(Interpreter& in, const Arguments& a) {
  Dict dict = dict_of("dict", a);
  in.step(dict.size());
  return Value(std::move(dict));
}

Value namespace_function(Interpreter& in, const Arguments& a) {
  auto ns = std::make_shared<Namespace>();
  const Dict dict = dict_of("namespace", a);
  for (const auto& [key, value] : dict.items()) ns->attributes[to_text(key)] = value;
  in.keep(ns);
  return ns;
}

Value raise_exception_function(Interpreter&, const Arguments& a) {
  throw TemplateError(to_text(Bound("raise_exception", a, {"message"}).require(0)));
}

Value strftime_now_function(Interpreter& in, const Arguments& a) {
  const std::string format = Bound("strftime_now", a, {"format"}).require_text(0);
  const std::time_t now = in.now();
  std::tm local{};
  localtime_r(&now, &local);
  // strftime gives 0 both for an empty result and for one that does not fit: a mark tells them apart.
  std::string out(format.size() + 256, '\0');
  const size_t size = std::strftime(out.data(), out.size(), (format + "!").c_str(), &local);
  if (size == 0) throw TemplateError("strftime_now(): the format makes too long a text");
  out.resize(size - 1);
  return out;
}

// joiner(sep): nothing at the first call, the separator from then on.
Value joiner_function(Interpreter&, const Arguments& a) {
  const std::string separator = Bound("joiner", a, {"sep"}).text(0, ", ");
  const auto used = std::make_shared<bool>(false);
  return Function{"joiner", [separator, used](Interpreter&, const Arguments&) -> Value {
                    return std::exchange(*used, true) ? Value(separator) : Value("");
                  }};
}

}  // namespace

void add_global_functions(Dict& globals) {
  const auto add = [&](const char* name, Value (*call)(Interpreter&, const Arguments&)) {
    globals.set(Value(name), Value(Function{name, call}));
  };
  add("range", range_function);
  add("dict", dict_function);
  add("namespace", namespace_function);
  add("raise_exception", raise_exception_function);
  add("strftime_now", strftime_now_function);
  add("joiner", joiner_function);
}

}  // namespace tersor::jinja
