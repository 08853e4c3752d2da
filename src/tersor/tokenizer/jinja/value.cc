#include "tersor/tokenizer/jinja/value.h"

#include <algorithm>
#include <array>
#include <cmath>

#include <fmt/format.h>

#include "tersor/base/utf8.h"
#include "tersor/tokenizer/jinja/python_text.h"

namespace tersor::jinja {
namespace {

// Values are walked through, and freed, by recursion: this many levels fit any stack.
constexpr uint32_t kMaxDepth = 300;
// Of one value; a conversation of 10 MB weighs about 100,000.
constexpr uint64_t kMaxWeight = uint64_t{1} << 24;

// Of a container, from its children's.
class ExtentSum {
 public:
  void add(const Value& child) {
    const Extent e = child.extent();
    sum_.depth = std::max(sum_.depth, e.depth);
    sum_.weight += e.weight;
    if (sum_.weight > kMaxWeight) throw TemplateError("a value grows beyond all use");
  }
  Extent container() const {
    if (sum_.depth + 1 > kMaxDepth) throw TemplateError("a value is nested too deeply");
    return {sum_.depth + 1, sum_.weight};
  }

 private:
  Extent sum_;
};

Extent extent_of(const Dict& dict) {
  ExtentSum sum;
  for (const auto& [key, value] : dict.items()) {
    sum.add(key);
    sum.add(value);
  }
  return sum.container();
}

// The same text for keys that Python holds equal: 1, 1.0 and True, and tuples of them.
std::string key_text(const Value& key) {
  if (key.string() != nullptr) return "s" + key.string()->text;
  if (key.is_none()) return "None";
  if (key.is_number()) {
    const double d = key.number();
    if (!key.is_float()) return std::to_string(key.integer());
    const bool whole = std::nearbyint(d) == d && std::fabs(d) < 9e18;
    return whole ? std::to_string(static_cast<int64_t>(d)) : repr_float(d);
  }
  if (key.tuple() != nullptr) {
    std::string text = "(";
    for (const Value& item : key.tuple()->items) {
      const std::string part = key_text(item);
      text += fmt::format("{}:{}", part.size(), part);
      check_string_size(text.size());
    }
    return text;
  }
  const void* object = key.function() != nullptr     ? static_cast<const void*>(key.function())
                       : key.generator() != nullptr  ? static_cast<const void*>(key.generator())
                       : key.name_space() != nullptr ? static_cast<const void*>(key.name_space())
                                                     : static_cast<const void*>(key.loop());
  if (object != nullptr) return fmt::format("{}", object);
  if (key.is_undefined()) return "Undefined";
  throw TemplateError(fmt::format("unhashable type: '{}'", key.type_name()));
}

bool equal_items(const List& a, const List& b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), equal);
}

std::string repr_items(const List& items) {
  std::string out;
  for (size_t i = 0; i < items.size(); ++i) {
    if (i > 0) out += ", ";
    out += to_repr(items[i]);
    check_string_size(out.size());
  }
  return out;
}

}  // namespace

Extent extent_of(const List& items) {
  ExtentSum sum;
  for (const Value& item : items) sum.add(item);
  return sum.container();
}

struct Value::ListBox {
  List items;
  Extent extent;
};
struct Value::TupleBox {
  Tuple tuple;
  Extent extent;
};
struct Value::DictBox {
  Dict dict;
  Extent extent;
};

Value::Value(List items) {
  const Extent extent = extent_of(items);
  v_ = std::make_shared<const ListBox>(ListBox{std::move(items), extent});
}
Value::Value(Tuple t) {
  const Extent extent = extent_of(t.items);
  v_ = std::make_shared<const TupleBox>(TupleBox{std::move(t), extent});
}
Value::Value(Dict d) {
  const Extent extent = extent_of(d);
  v_ = std::make_shared<const DictBox>(DictBox{std::move(d), extent});
}
Value::Value(Function f) : v_(std::make_shared<const Function>(std::move(f))) {}
Value::Value(std::shared_ptr<Generator> g) : v_(std::move(g)) {
  if (generator()->depth > kMaxDepth) throw TemplateError("a value is nested too deeply");
}

Value Value::undefined(std::string message) {
  constexpr size_t kMostShown = 200;  // a template may ask for an attribute of any length
  if (message.size() > kMostShown) message.resize(valid_utf8_prefix(message.substr(0, kMostShown)));
  Value v;
  v.v_ = Undefined{std::make_shared<const std::string>(std::move(message))};
  return v;
}

const List* Value::list() const {
  const auto* box = get<const ListBox>();
  return box == nullptr ? nullptr : &box->items;
}
const Tuple* Value::tuple() const {
  const auto* box = get<const TupleBox>();
  return box == nullptr ? nullptr : &box->tuple;
}
const Dict* Value::dict() const {
  const auto* box = get<const DictBox>();
  return box == nullptr ? nullptr : &box->dict;
}
const List* Value::sequence() const { return tuple() != nullptr ? &tuple()->items : list(); }
std::shared_ptr<const List> Value::shared_sequence() const {
  if (const auto* list = std::get_if<std::shared_ptr<const ListBox>>(&v_)) return {*list, &(*list)->items};
  if (const auto* tuple = std::get_if<std::shared_ptr<const TupleBox>>(&v_))
    return {*tuple, &(*tuple)->tuple.items};
  return nullptr;
}

Extent Value::extent() const {
  if (const String* s = string()) return {0, 1 + s->text.size() / 1024};
  if (const auto* box = get<const ListBox>()) return box->extent;
  if (const auto* box = get<const TupleBox>()) return box->extent;
  if (const auto* box = get<const DictBox>()) return box->extent;
  if (function() != nullptr) return {function()->depth, 1};
  if (generator() != nullptr) return {generator()->depth, 1};
  if (loop() != nullptr) return {loop()->depth, 1};
  return {};
}

void Value::require_defined() const {
  if (const auto* undefined = std::get_if<Undefined>(&v_)) throw TemplateError(*undefined->message);
}

bool Value::truthy() const {
  if (is_undefined() || is_none()) return false;
  if (is_bool()) return boolean();
  if (is_int()) return integer() != 0;
  if (is_float()) return number() != 0;
  if (string() != nullptr) return !string()->text.empty();
  if (sequence() != nullptr) return !sequence()->empty();
  if (dict() != nullptr) return dict()->size() > 0;
  return true;
}

const char* Value::type_name() const {
  if (generator() != nullptr) return generator()->type_name;
  constexpr std::array<const char*, std::variant_size_v<decltype(v_)>> kNames = {
      "Undefined", "NoneType", "bool",      "int",      "float",     "str",        "list",
      "tuple",     "dict",     "Namespace", "function", "generator", "LoopContext"};
  return kNames[v_.index()];
}

void Dict::set(const Value& key, Value value) {
  const bool is_string = key.string() != nullptr;
  auto& places = is_string ? strings_ : others_;
  const auto [it, is_new] = places.try_emplace(is_string ? key.string()->text : key_text(key), items_.size());
  if (is_new) {
    items_.emplace_back(key, std::move(value));
  } else {
    items_[it->second].second = std::move(value);
  }
}

const Value* Dict::get(std::string_view key) const {
  const auto it = strings_.find(key);
  return it == strings_.end() ? nullptr : &items_[it->second].second;
}

const Value* Dict::find(const Value& key) const {
  if (key.string() != nullptr) return get(key.string()->text);
  const auto it = others_.find(key_text(key));
  return it == others_.end() ? nullptr : &items_[it->second].second;
}

bool equal(const Value& a, const Value& b) {
  if (a.is_number() && b.is_number())
    return a.is_float() || b.is_float() ? a.number() == b.number() : a.integer() == b.integer();
  if (a.string() != nullptr && b.string() != nullptr) return a.string()->text == b.string()->text;
  if (a.list() != nullptr && b.list() != nullptr) return equal_items(*a.list(), *b.list());
  if (a.tuple() != nullptr && b.tuple() != nullptr) return equal_items(a.tuple()->items, b.tuple()->items);
  if (a.dict() != nullptr && b.dict() != nullptr) {
    return a.dict()->size() == b.dict()->size() &&
           std::ranges::all_of(a.dict()->items(), [&](const auto& item) {
             const Value* other = b.dict()->find(item.first);
             return other != nullptr && equal(item.second, *other);
           });
  }
  if (a.is_none() || a.is_undefined())
    return a.is_none() == b.is_none() && a.is_undefined() == b.is_undefined();
  if (a.name_space() != nullptr) return a.name_space() == b.name_space();
  if (a.function() != nullptr) return a.function() == b.function();
  if (a.generator() != nullptr) return a.generator() == b.generator();
  return a.loop() != nullptr && a.loop() == b.loop();
}

bool less(const Value& a, const Value& b) {
  if (a.is_number() && b.is_number())
    return a.is_float() || b.is_float() ? a.number() < b.number() : a.integer() < b.integer();
  // UTF-8 sorts as its code points do.
  if (a.string() != nullptr && b.string() != nullptr) return a.string()->text < b.string()->text;
  const bool lists = a.list() != nullptr && b.list() != nullptr;
  if (lists || (a.tuple() != nullptr && b.tuple() != nullptr)) {
    const List &x = *a.sequence(), &y = *b.sequence();
    for (size_t i = 0; i < x.size() && i < y.size(); ++i) {
      if (!equal(x[i], y[i])) return less(x[i], y[i]);
    }
    return x.size() < y.size();
  }
  a.require_defined();
  b.require_defined();
  throw TemplateError(
      fmt::format("'<' not supported between instances of '{}' and '{}'", a.type_name(), b.type_name()));
}

bool contains(const Value& haystack, const Value& needle) {
  if (haystack.string() != nullptr) {
    if (needle.string() == nullptr) {
      needle.require_defined();
      throw TemplateError(
          fmt::format("'in <string>' requires string as left operand, not {}", needle.type_name()));
    }
    return find_text(haystack.string()->text, needle.string()->text) != std::string::npos;
  }
  if (haystack.dict() != nullptr) return haystack.dict()->find(needle) != nullptr;
  const auto items = iterate(haystack);
  return std::ranges::any_of(*items, [&](const Value& v) { return equal(v, needle); });
}

std::string to_text(const Value& v) {
  if (v.is_undefined()) return "";
  return v.string() != nullptr ? v.string()->text : to_repr(v);
}

std::string to_repr(const Value& v) {
  if (v.is_undefined()) return "Undefined";
  if (v.is_none()) return "None";
  if (v.is_bool()) return v.boolean() ? "True" : "False";
  if (v.is_int()) return std::to_string(v.integer());
  if (v.is_float()) return repr_float(v.number());
  if (const String* s = v.string())
    return s->safe ? fmt::format("Markup({})", repr_string(s->text)) : repr_string(s->text);
  if (v.list() != nullptr) return "[" + repr_items(*v.list()) + "]";
  if (v.tuple() != nullptr)
    return "(" + repr_items(v.tuple()->items) + (v.tuple()->items.size() == 1 ? ",)" : ")");
  if (v.dict() != nullptr) {
    std::string out = "{";
    for (const auto& [key, value] : v.dict()->items()) {
      if (out.size() > 1) out += ", ";
      out += to_repr(key) + ": " + to_repr(value);
      check_string_size(out.size());
    }
    return out + "}";
  }
  if (v.function() != nullptr) return fmt::format("<function {}>", v.function()->name);
  if (v.generator() != nullptr) return fmt::format("<{}>", v.generator()->type_name);
  if (v.loop() != nullptr)
    return fmt::format("<LoopContext {}/{}>", v.loop()->index0 + 1, v.loop()->items->size());
  return "<Namespace>";
}

std::string shown(const Value& v) {
  constexpr size_t kMost = 80;
  if (v.weight() > kMost) return fmt::format("a {}", v.type_name());  // its repr() would be long
  const std::string text = to_repr(v);
  return text.size() <= kMost ? text : text.substr(0, valid_utf8_prefix(text.substr(0, kMost))) + "…";
}

std::shared_ptr<const List> iterate(const Value& v) {
  if (auto items = v.shared_sequence()) return items;
  auto items = std::make_shared<List>();
  if (v.dict() != nullptr) {
    for (const auto& [key, value] : v.dict()->items()) items->push_back(key);
  } else if (v.string() != nullptr) {
    const std::string& text = v.string()->text;
    for (size_t at = 0; at < text.size();) {
      const size_t length = utf8_length(text[at]);
      items->emplace_back(std::string_view(text).substr(at, length));
      at += length;
    }
  } else if (Generator* g = v.generator()) {
    if (g->make) g->items = std::exchange(g->make, nullptr)();
    *items = std::exchange(g->items, {});
    items->erase(items->begin(), items->begin() + static_cast<std::ptrdiff_t>(std::exchange(g->next, 0)));
  } else if (!v.is_undefined()) {
    throw TemplateError(fmt::format("'{}' object is not iterable", v.type_name()));
  }
  return items;
}

size_t length_of(const Value& v) {
  if (v.is_undefined()) return 0;
  if (v.string() != nullptr) return count_code_points(v.string()->text);
  if (v.sequence() != nullptr) return v.sequence()->size();
  if (v.dict() != nullptr) return v.dict()->size();
  if (v.loop() != nullptr) return v.loop()->items->size();
  throw TemplateError(fmt::format("object of type '{}' has no len()", v.type_name()));
}

}  // namespace tersor::jinja
