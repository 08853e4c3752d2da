// Values of a template, with Python's meaning: truth, equality, order, str() and repr().
//
// Lists, tuples and dicts do not change once made (the sandbox that transformers renders in forbids it);
// namespaces, generators and loop.changed() do. A hostile template could build values that are nested or
// shared without end, so every value knows its depth and its weight, and those beyond the limits are not
// made: what walks through a value needs no limits of its own.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace tersor::jinja {

// What a template does wrong, or asks for by raise_exception. The interpreter knows the line.
class TemplateError : public std::runtime_error {
 public:
  explicit TemplateError(const std::string& message) : std::runtime_error(message) {}
};

class Value;
class Dict;
class Interpreter;
using List = std::vector<Value>;

struct Arguments;

// Something that was not there; most uses of it are errors that say what.
struct Undefined {
  std::shared_ptr<const std::string> message;
};
struct None {
  bool operator==(const None&) const = default;
};
struct String {
  std::string text;
  bool safe = false;  // went through `safe` or `escape`: joined by +, other text is escaped
};
struct Tuple;
struct Namespace;
struct Function;
struct Generator;
struct Loop;

// How far a value reaches: containers inside each other, and everything in it counted, shared parts again and
// again.
struct Extent {
  uint32_t depth = 0;
  uint64_t weight = 1;
};

Extent extent_of(const List& items);

class Value {
 public:
  Value() : v_(None{}) {}
  Value(None) : v_(None{}) {}
  Value(bool b) : v_(b) {}
  Value(int64_t i) : v_(i) {}
  Value(int i) : v_(int64_t{i}) {}
  Value(size_t n) : v_(static_cast<int64_t>(n)) {}
  Value(double d) : v_(d) {}
  Value(std::string s, bool safe = false) : v_(std::make_shared<const String>(String{std::move(s), safe})) {}
  Value(std::string_view s) : Value(std::string(s)) {}
  Value(const char* s) : Value(std::string(s)) {}
  // These throw TemplateError for what is nested too deeply or grows too large.
  Value(List items);
  Value(Tuple t);
  Value(Dict d);
  Value(std::shared_ptr<Namespace> n) : v_(std::move(n)) {}
  Value(Function f);
  Value(std::shared_ptr<Generator> g);
  Value(std::shared_ptr<const Loop> l) : v_(std::move(l)) {}
  static Value undefined(std::string message);

  bool is_undefined() const { return std::holds_alternative<Undefined>(v_); }
  bool is_none() const { return std::holds_alternative<None>(v_); }
  bool is_bool() const { return std::holds_alternative<bool>(v_); }
  bool is_int() const { return std::holds_alternative<int64_t>(v_); }
  bool is_float() const { return std::holds_alternative<double>(v_); }
  bool is_number() const { return is_bool() || is_int() || is_float(); }

  // Null when it is something else.
  const String* string() const { return get<const String>(); }
  const List* list() const;
  const Tuple* tuple() const;
  // The items of a list or tuple.
  const List* sequence() const;
  std::shared_ptr<const List> shared_sequence() const;
  const Dict* dict() const;
  Namespace* name_space() const { return get<Namespace>(); }
  const Function* function() const { return get<const Function>(); }
  Generator* generator() const { return get<Generator>(); }
  const Loop* loop() const { return get<const Loop>(); }

  // Of a bool or int, as Python counts True as 1.
  int64_t integer() const { return is_bool() ? std::get<bool>(v_) : std::get<int64_t>(v_); }
  // Of any number.
  double number() const { return is_float() ? std::get<double>(v_) : static_cast<double>(integer()); }
  bool boolean() const { return std::get<bool>(v_); }
  // Throws what an undefined value is: "'x' is undefined".
  void require_defined() const;

  bool truthy() const;
  // "str", "int", "NoneType", … for error messages.
  const char* type_name() const;

  // What a walk through all of the value costs: one for each value in it, and for each KiB of text.
  uint64_t weight() const { return extent().weight; }
  Extent extent() const;

 private:
  struct ListBox;
  struct TupleBox;
  struct DictBox;

  template <class T>
  T* get() const {
    const auto* p = std::get_if<std::shared_ptr<T>>(&v_);
    return p == nullptr ? nullptr : p->get();
  }

  std::variant<Undefined, None, bool, int64_t, double, std::shared_ptr<const String>,
               std::shared_ptr<const ListBox>, std::shared_ptr<const TupleBox>,
               std::shared_ptr<const DictBox>, std::shared_ptr<Namespace>, std::shared_ptr<const Function>,
               std::shared_ptr<Generator>, std::shared_ptr<const Loop>>
      v_;
};

// The arguments of a call, filter or test.
struct Arguments {
  List positional;
  std::vector<std::pair<std::string, Value>> keywords;
};

struct Tuple {
  List items;
};
// namespace(): the one value that templates assign to. The interpreter keeps all of them to its end.
struct Namespace {
  std::map<std::string, Value, std::less<>> attributes;
};
struct Function {
  std::string name;
  std::function<Value(Interpreter&, Arguments)> call;
  uint32_t depth = 0;  // of the value that a method is bound to
};
// Items that are made when they are first asked for, and can be gone through once: of map, select, unique, …
struct Generator {
  const char* type_name;
  std::function<List()> make;  // null once called
  List items = {};
  size_t next = 0;
  uint32_t depth = 0;  // of what it draws from
};
// What `loop` is inside a for loop.
struct Loop {
  size_t index0 = 0;
  std::shared_ptr<const List> items;
  int64_t nesting = 1;                      // loop.depth
  std::shared_ptr<const Function> recurse;  // of a recursive loop: loop(items)
  std::shared_ptr<List> last_checked;       // of loop.changed(); the interpreter keeps it to its end
  uint32_t depth = 0;                       // of the items, as a value
};

// Keys and values in the order of insertion.
class Dict {
 public:
  using Item = std::pair<Value, Value>;

  // Replaces the value of a key that is there, in its place. Throws for a key that Python cannot hash.
  void set(const Value& key, Value value);
  const Value* find(const Value& key) const;
  const Value* get(std::string_view key) const;
  const std::vector<Item>& items() const { return items_; }
  size_t size() const { return items_.size(); }

 private:
  std::vector<Item> items_;
  std::map<std::string, size_t, std::less<>> strings_;  // places of string keys
  std::map<std::string, size_t, std::less<>> others_;   // of others, by a text that equal keys share
};

bool equal(const Value& a, const Value& b);
// a < b; throws for types that have no order.
bool less(const Value& a, const Value& b);
// `needle in haystack`
bool contains(const Value& haystack, const Value& needle);

// str() and repr().
std::string to_text(const Value& v);
std::string to_repr(const Value& v);
// repr() for an error message: cut when it is long.
std::string shown(const Value& v);

// The items that a for loop goes through: of a list or tuple, a dict's keys, a string's characters, what a
// generator has left; none of an undefined value. Throws for others.
std::shared_ptr<const List> iterate(const Value& v);
// len(); throws for what has none.
size_t length_of(const Value& v);

}  // namespace tersor::jinja
