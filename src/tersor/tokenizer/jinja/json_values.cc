#include "tersor/tokenizer/jinja/json_values.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "tersor/base/error.h"
#include "tersor/base/utf8.h"
#include "tersor/io/json.h"
#include "tersor/tokenizer/jinja/arguments.h"
#include "tersor/tokenizer/jinja/builtins.h"
#include "tersor/tokenizer/jinja/interpreter.h"
#include "tersor/tokenizer/jinja/python_text.h"

namespace tersor::jinja {
namespace {

constexpr size_t kMaxDepth = 256;

// Builds values from nlohmann's events, which come in the order of the text (its own objects sort their
// keys).
class Builder : public Json::json_sax_t {
 public:
  bool null() override { return add(None{}); }
  bool boolean(bool b) override { return add(b); }
  bool number_integer(number_integer_t i) override { return add(int64_t{i}); }
  bool number_unsigned(number_unsigned_t u) override {
    if (u > static_cast<uint64_t>(INT64_MAX)) beyond_64_bits(std::to_string(u));
    return add(static_cast<int64_t>(u));
  }
  bool number_float(number_float_t d, const string_t& text) override {
    if (text.find_first_of(".eE") == text.npos) beyond_64_bits(text);
    return add(d);
  }
  bool string(string_t& s) override { return add(Value(std::move(s))); }
  bool binary(binary_t&) override { return false; }
  bool start_object(std::size_t) override { return open({.is_object = true}); }
  bool key(string_t& k) override {
    open_.back().key = std::move(k);
    return true;
  }
  bool end_object() override {
    Value v(std::move(open_.back().dict));
    open_.pop_back();
    return add(std::move(v));
  }
  bool start_array(std::size_t) override { return open({}); }
  bool end_array() override {
    Value v(std::move(open_.back().list));
    open_.pop_back();
    return add(std::move(v));
  }
  bool parse_error(std::size_t position, const std::string&, const Json::exception&) override {
    position_ = position;
    return false;
  }

  Value take() { return std::move(result_); }
  size_t position() const { return position_; }
  bool too_deep() const { return too_deep_; }

 private:
  struct Open {
    bool is_object = false;
    Dict dict = {};
    List list = {};
    std::string key = {};
  };

  // A template would write other digits than Python's, whose whole numbers have no end.
  [[noreturn]] static void beyond_64_bits(const std::string& number) {
    constexpr size_t kShown = 60;
    throw TemplateError(fmt::format("the number {}{} needs more than 63 bits, which templates do not hold",
                                    number.substr(0, kShown), number.size() > kShown ? "…" : ""));
  }

  bool open(Open o) {
    too_deep_ |= open_.size() >= kMaxDepth;
    open_.push_back(std::move(o));
    return !too_deep_;
  }
  bool add(Value v) {
    if (open_.empty())
      result_ = std::move(v);
    else if (open_.back().is_object)
      open_.back().dict.set(Value(open_.back().key), std::move(v));
    else
      open_.back().list.push_back(std::move(v));
    return true;
  }

  std::vector<Open> open_;
  Value result_;
  size_t position_ = 0;
  bool too_deep_ = false;
};

void append_string(std::string_view text, bool ensure_ascii, std::string& out) {
  out += '"';
  for (const char *p = text.data(), *end = p + text.size(); p != end;) {
    const char* const start = p;
    const uint32_t c = decode_utf8(p);
    switch (c) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      case '\b':
        out += "\\b";
        break;
      case '\f':
        out += "\\f";
        break;
      default:
        if (c < 0x20 || (ensure_ascii && c >= 0x7F && c < 0x10000)) {
          out += c == 0x7F ? std::string("\x7F") : fmt::format("\\u{:04x}", c);
        } else if (ensure_ascii && c >= 0x10000) {
          out += fmt::format("\\u{:04x}\\u{:04x}", 0xD7C0 + (c >> 10), 0xDC00 + (c & 0x3FF));
        } else {
          out.append(start, p);
        }
    }
  }
  out += '"';
}

class Writer {
 public:
  explicit Writer(const JsonStyle& style) : style_(style) {}

  std::string run(const Value& v) {
    write(v, 0);
    return std::move(out_);
  }

 private:
  void line_end(size_t level) {
    if (!style_.lines) return;
    out_ += '\n';
    for (size_t i = 0; i < level; ++i) out_ += style_.indent;
  }

  static std::string number(const Value& v) {
    if (!v.is_float()) return v.is_bool() ? (v.boolean() ? "true" : "false") : std::to_string(v.integer());
    if (std::isnan(v.number())) return "NaN";
    if (std::isinf(v.number())) return v.number() > 0 ? "Infinity" : "-Infinity";
    return repr_float(v.number());
  }

  static std::string key(const Value& k) {
    if (k.string() != nullptr) return k.string()->text;
    if (k.is_none()) return "null";
    if (k.is_number()) return number(k);
    throw TemplateError(fmt::format("keys must be str, int, float, bool or None, not {}", k.type_name()));
  }

  void write(const Value& v, size_t level) {
    if (level > kMaxDepth) throw TemplateError("a value is nested too deeply for JSON");
    check_string_size(out_.size());
    if (v.is_none()) {
      out_ += "null";
    } else if (v.is_number()) {
      out_ += number(v);
    } else if (v.string() != nullptr) {
      append_string(v.string()->text, style_.ensure_ascii, out_);
    } else if (const List* items = v.sequence()) {
      write_all('[', ']', items->size(), level, [&](size_t i) { write((*items)[i], level + 1); });
    } else if (v.dict() != nullptr) {
      std::vector<Dict::Item> pairs = v.dict()->items();
      if (style_.sort_keys) {
        std::stable_sort(pairs.begin(), pairs.end(),
                         [](const auto& a, const auto& b) { return less(a.first, b.first); });
      }
      write_all('{', '}', pairs.size(), level, [&](size_t i) {
        append_string(key(pairs[i].first), style_.ensure_ascii, out_);
        out_ += style_.key_separator;
        write(pairs[i].second, level + 1);
      });
    } else {
      throw TemplateError(fmt::format("Object of type {} is not JSON serializable", v.type_name()));
    }
  }

  template <class WriteItem>
  void write_all(char opening, char closing, size_t count, size_t level, WriteItem write_item) {
    out_ += opening;
    for (size_t i = 0; i < count; ++i) {
      if (i > 0) out_ += style_.item_separator;
      line_end(level + 1);
      write_item(i);
    }
    if (count > 0) line_end(level);
    out_ += closing;
  }

  const JsonStyle& style_;
  std::string out_;
};

}  // namespace

Value value_from_json(std::string_view text, const std::string& origin) {
  Builder builder;
  try {
    if (Json::sax_parse(text.begin(), text.end(), &builder)) return builder.take();
  } catch (const TemplateError& e) {  // a value beyond the limits of values
    throw input_error(fmt::format("{}: {}", origin, e.what()));
  }
  if (builder.too_deep())
    throw input_error(fmt::format("{}: JSON nested deeper than {} levels", origin, kMaxDepth));
  throw input_error(fmt::format("{}: not valid JSON at byte {}", origin, builder.position()));
}

std::string json_text(const Value& value, const JsonStyle& style) { return Writer(style).run(value); }

Value to_json(Interpreter&, const Value& input, const Arguments& a) {
  const Bound args("tojson", a, {"ensure_ascii", "indent", "separators", "sort_keys"});
  JsonStyle style;
  style.ensure_ascii = args.truthy(0, false);
  style.sort_keys = args.truthy(3, false);
  if (const Value* indent = args.get(1); indent != nullptr && !indent->is_none()) {
    style.lines = true;
    style.item_separator = ",";
    style.indent = indent->string() != nullptr ? indent->string()->text : repeat(" ", args.integer(1, 0));
  }
  if (const Value* separators = args.get(2); separators != nullptr && !separators->is_none()) {
    const auto both = iterate(*separators);
    if (both->size() != 2) throw TemplateError("tojson(): separators must be a pair of strings");
    style.item_separator = to_text((*both)[0]);
    style.key_separator = to_text((*both)[1]);
  }
  return json_text(input, style);
}

}  // namespace tersor::jinja
