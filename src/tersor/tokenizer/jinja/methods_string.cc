// Methods of strings.
#include <algorithm>

#include <fmt/format.h>

#include "tersor/base/utf8.h"
#include "tersor/tokenizer/jinja/arguments.h"
#include "tersor/tokenizer/jinja/builtins.h"
#include "tersor/tokenizer/jinja/interpreter.h"
#include "tersor/tokenizer/jinja/python_text.h"
#include "tersor/tokenizer/unicode.h"

namespace tersor::jinja {
namespace {

using Call = Value (*)(const std::string& self, const Arguments&);

List to_list(const std::vector<std::string>& strings) { return {strings.begin(), strings.end()}; }

// Null and None mean the same to most string methods.
std::optional<std::string> optional_text(const Bound& args, size_t i) {
  if (args.get(i) == nullptr || args.get(i)->is_none()) return std::nullopt;
  return args.require_text(i);
}

Value strip_sides(const std::string& self, const Arguments& a, const char* name, bool left, bool right) {
  const Bound args(name, a, {"chars"});
  const std::optional<std::string> chars = optional_text(args, 0);
  return strip(self, chars ? std::optional<std::string_view>(*chars) : std::nullopt, left, right);
}
Value strip_method(const std::string& s, const Arguments& a) {
  return strip_sides(s, a, "strip", true, true);
}
Value lstrip_method(const std::string& s, const Arguments& a) {
  return strip_sides(s, a, "lstrip", true, false);
}
Value rstrip_method(const std::string& s, const Arguments& a) {
  return strip_sides(s, a, "rstrip", false, true);
}

Value split_method(const std::string& s, const Arguments& a) {
  const Bound args("split", a, {"sep", "maxsplit"});
  const auto separator = optional_text(args, 0);
  return to_list(
      split(s, separator ? std::optional<std::string_view>(*separator) : std::nullopt, args.integer(1, -1)));
}
Value rsplit_method(const std::string& s, const Arguments& a) {
  const Bound args("rsplit", a, {"sep", "maxsplit"});
  const auto separator = optional_text(args, 0);
  return to_list(
      rsplit(s, separator ? std::optional<std::string_view>(*separator) : std::nullopt, args.integer(1, -1)));
}
Value splitlines_method(const std::string& s, const Arguments& a) {
  const auto lines = split_lines(s, Bound("splitlines", a, {"keepends"}).truthy(0, false));
  return List(lines.begin(), lines.end());
}

// startswith and endswith take one string or a tuple of them.
template <class Holds>
Value any_affix(const char* name, const Arguments& a, Holds holds) {
  const Bound args(name, a, {"affix"});
  const Value& affix = args.require(0);
  if (affix.tuple() == nullptr) return holds(args.require_text(0));
  const List& all = affix.tuple()->items;
  return std::any_of(all.begin(), all.end(),
                     [&](const Value& v) { return v.string() != nullptr && holds(v.string()->text); });
}
Value startswith_method(const std::string& s, const Arguments& a) {
  return any_affix("startswith", a, [&](const std::string& affix) { return s.starts_with(affix); });
}
Value endswith_method(const std::string& s, const Arguments& a) {
  return any_affix("endswith", a, [&](const std::string& affix) { return s.ends_with(affix); });
}
Value removeprefix_method(const std::string& s, const Arguments& a) {
  const std::string prefix = Bound("removeprefix", a, {"prefix"}).require_text(0);
  return s.starts_with(prefix) ? s.substr(prefix.size()) : s;
}
Value removesuffix_method(const std::string& s, const Arguments& a) {
  const std::string suffix = Bound("removesuffix", a, {"suffix"}).require_text(0);
  return s.ends_with(suffix) ? s.substr(0, s.size() - suffix.size()) : s;
}

Value replace_method(const std::string& s, const Arguments& a) {
  const Bound args("replace", a, {"old", "new", "count"});
  return replace(s, args.require_text(0), args.require_text(1), args.integer(2, -1));
}

Value upper_method(const std::string& s, const Arguments&) { return upper(s); }
Value lower_method(const std::string& s, const Arguments&) { return lower(s); }
Value title_method(const std::string& s, const Arguments&) { return title(s); }
Value capitalize_method(const std::string& s, const Arguments&) { return capitalize(s); }
Value swapcase_method(const std::string& s, const Arguments&) { return swap_case(s); }

Value join_method(const std::string& s, const Arguments& a) {
  const auto items = iterate(Bound("join", a, {"iterable"}).require(0));
  std::string out;
  for (size_t i = 0; i < items->size(); ++i) {
    const String* item = (*items)[i].string();
    if (item == nullptr) {
      throw TemplateError(
          fmt::format("sequence item {}: expected str instance, {} found", i, (*items)[i].type_name()));
    }
    if (i > 0) out += s;
    out += item->text;
    check_string_size(out.size());
  }
  return out;
}

// In characters.
int64_t place(const std::string& s, size_t byte) {
  return byte == std::string::npos
             ? -1
             : static_cast<int64_t>(count_code_points(std::string_view(s).substr(0, byte)));
}
Value find_method_of(const std::string& s, const Arguments& a) {
  return place(s, find_text(s, Bound("find", a, {"sub"}).require_text(0)));
}
Value rfind_method(const std::string& s, const Arguments& a) {
  return place(s, rfind_text(s, Bound("rfind", a, {"sub"}).require_text(0)));
}
Value index_method(const std::string& s, const Arguments& a) {
  const size_t at = find_text(s, Bound("index", a, {"sub"}).require_text(0));
  if (at == std::string::npos) throw TemplateError("substring not found");
  return place(s, at);
}
Value count_method(const std::string& s, const Arguments& a) {
  const std::string wanted = Bound("count", a, {"sub"}).require_text(0);
  if (wanted.empty()) return count_code_points(s) + 1;
  size_t n = 0;
  for (size_t at = find_text(s, wanted); at != std::string::npos;
       at = find_text(s, wanted, at + wanted.size()))
    ++n;
  return n;
}

Value partition_method(const std::string& s, const Arguments& a) {
  const std::string separator = Bound("partition", a, {"sep"}).require_text(0);
  if (separator.empty()) throw TemplateError("empty separator");
  const size_t at = find_text(s, separator);
  if (at == std::string::npos) return Tuple{{s, "", ""}};
  return Tuple{{s.substr(0, at), separator, s.substr(at + separator.size())}};
}
Value rpartition_method(const std::string& s, const Arguments& a) {
  const std::string separator = Bound("rpartition", a, {"sep"}).require_text(0);
  if (separator.empty()) throw TemplateError("empty separator");
  const size_t at = rfind_text(s, separator);
  if (at == std::string::npos) return Tuple{{"", "", s}};
  return Tuple{{s.substr(0, at), separator, s.substr(at + separator.size())}};
}

// How much padding a width asks for.
int64_t missing(const std::string& s, const Bound& args) {
  return std::max<int64_t>(0, args.integer(0, 0) - static_cast<int64_t>(count_code_points(s)));
}
Value ljust_method(const std::string& s, const Arguments& a) {
  const Bound args("ljust", a, {"width", "fillchar"});
  return s + repeat(args.text(1, " "), missing(s, args));
}
Value rjust_method(const std::string& s, const Arguments& a) {
  const Bound args("rjust", a, {"width", "fillchar"});
  return repeat(args.text(1, " "), missing(s, args)) + s;
}
Value center_method(const std::string& s, const Arguments& a) {
  const Bound args("center", a, {"width", "fillchar"});
  // Python's rule for which side gets the odd one.
  const int64_t pad = missing(s, args), left = pad / 2 + (pad & args.integer(0, 0) & 1);
  return repeat(args.text(1, " "), left) + s + repeat(args.text(1, " "), pad - left);
}
Value zfill_method(const std::string& s, const Arguments& a) {
  const Bound args("zfill", a, {"width"});
  const size_t sign = !s.empty() && (s[0] == '-' || s[0] == '+') ? 1 : 0;
  return s.substr(0, sign) + repeat("0", missing(s, args)) + s.substr(sign);
}

Value format_method(const std::string& s, const Arguments& a) { return format_braces(s, a); }

// Whether all characters (at least one) are of a class.
Value all_are(const std::string& s, bool (*holds)(uint32_t)) {
  for (const char *p = s.data(), *end = p + s.size(); p != end;) {
    if (!holds(decode_utf8(p))) return false;
  }
  return !s.empty();
}
bool is_letter(uint32_t c) { return (tokenizer::char_class(c) & tokenizer::kLetter) != 0; }
bool is_digit(uint32_t c) {
  return tokenizer::char_class(c) & tokenizer::kNumber && tokenizer::char_class(c) & tokenizer::kWord;
}
bool is_letter_or_number(uint32_t c) {
  return (tokenizer::char_class(c) & (tokenizer::kLetter | tokenizer::kNumber)) != 0;
}

Value isalpha_method(const std::string& s, const Arguments&) { return all_are(s, is_letter); }
Value isdigit_method(const std::string& s, const Arguments&) { return all_are(s, is_digit); }
Value isnumeric_method(const std::string& s, const Arguments&) { return all_are(s, tokenizer::is_numeric); }
Value isalnum_method(const std::string& s, const Arguments&) { return all_are(s, is_letter_or_number); }
Value isspace_method(const std::string& s, const Arguments&) { return all_are(s, is_python_space); }
Value isupper_method(const std::string& s, const Arguments&) { return upper(s) == s && lower(s) != s; }
Value islower_method(const std::string& s, const Arguments&) { return lower(s) == s && upper(s) != s; }

struct Method {
  std::string_view name;
  Call call;
};

constexpr Method kMethods[] = {
    {"strip", strip_method},
    {"lstrip", lstrip_method},
    {"rstrip", rstrip_method},
    {"split", split_method},
    {"rsplit", rsplit_method},
    {"splitlines", splitlines_method},
    {"startswith", startswith_method},
    {"endswith", endswith_method},
    {"removeprefix", removeprefix_method},
    {"removesuffix", removesuffix_method},
    {"replace", replace_method},
    {"upper", upper_method},
    {"lower", lower_method},
    {"title", title_method},
    {"capitalize", capitalize_method},
    {"swapcase", swapcase_method},
    {"casefold", lower_method},
    {"join", join_method},
    {"find", find_method_of},
    {"rfind", rfind_method},
    {"index", index_method},
    {"count", count_method},
    {"partition", partition_method},
    {"rpartition", rpartition_method},
    {"ljust", ljust_method},
    {"rjust", rjust_method},
    {"center", center_method},
    {"zfill", zfill_method},
    {"format", format_method},
    {"isalpha", isalpha_method},
    {"isdigit", isdigit_method},
    {"isdecimal", isdigit_method},
    {"isnumeric", isnumeric_method},
    {"isalnum", isalnum_method},
    {"isspace", isspace_method},
    {"isupper", isupper_method},
    {"islower", islower_method},
};

}  // namespace

std::optional<Function> find_string_method(const Value& value, const std::string& name) {
  for (const Method& method : kMethods) {
    if (method.name != name) continue;
    return Function{name, [call = method.call, value](Interpreter& in, Arguments arguments) {
                      in.step(value.weight() + weight_of(arguments));
                      return call(value.string()->text, arguments);
                    }};
  }
  return std::nullopt;
}

}  // namespace tersor::jinja
