#include "tersor/tokenizer/jinja/python_text.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <set>

#include <fmt/format.h>

#include "tersor/base/utf8.h"
#include "tersor/tokenizer/unicode.h"
#include "tersor/tokenizer/unicode_normalize.h"

namespace tersor::jinja {

using tokenizer::append_lower_case;
using tokenizer::append_upper_case;
using tokenizer::char_class;

namespace {

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return static_cast<uint8_t>(c) < 0x80; });
}

bool is_upper(uint32_t c) { return (char_class(c) & tokenizer::kUpper) != 0; }
bool is_lower(uint32_t c) { return (char_class(c) & tokenizer::kLower) != 0; }

// repr() writes other characters as escapes.
bool is_printable(uint32_t c) {
  return c == ' ' || !(char_class(c) & (tokenizer::kControl | tokenizer::kSpace | tokenizer::kUnassigned));
}

std::vector<std::string_view> characters(std::string_view text) {
  std::vector<std::string_view> out;
  for (size_t at = 0; at < text.size();) {
    const size_t length = utf8_length(text[at]);
    out.push_back(text.substr(at, length));
    at += length;
  }
  return out;
}

// Maps every character; `append(c, out)`.
template <class Append>
std::string map_characters(std::string_view text, Append append) {
  std::string out;
  for (const char *p = text.data(), *end = p + text.size(); p != end;) append(decode_utf8(p), out);
  return out;
}

// The words of text.split(), as offsets.
std::vector<std::pair<size_t, size_t>> words(std::string_view text) {
  std::vector<std::pair<size_t, size_t>> out;
  const char* const begin = text.data();
  const char* const end = begin + text.size();
  constexpr size_t kOutside = std::string_view::npos;
  size_t start = kOutside;  // of the word that goes on
  for (const char* p = begin; p != end;) {
    const auto at = static_cast<size_t>(p - begin);
    const bool space = is_python_space(decode_utf8(p));
    if (space && start != kOutside) out.emplace_back(start, at);
    if (space)
      start = kOutside;
    else if (start == kOutside)
      start = at;
  }
  if (start != kOutside) out.emplace_back(start, text.size());
  return out;
}

}  // namespace

void check_string_size(size_t bytes) {
  if (bytes > kMaxStringBytes) throw TemplateError("a string grows beyond 64 MiB");
}

bool is_python_space(uint32_t c) {
  return (c >= 0x1C && c <= 0x1F) || (char_class(c) & tokenizer::kSpace) != 0;
}

std::string repr_string(std::string_view text) {
  const char quote =
      text.find('\'') != std::string_view::npos && text.find('"') == std::string_view::npos ? '"' : '\'';
  std::string out(1, quote);
  for (const char *p = text.data(), *end = p + text.size(); p != end;) {
    const uint32_t c = decode_utf8(p);
    if (c == static_cast<uint32_t>(quote) || c == '\\')
      out += '\\', out += static_cast<char>(c);
    else if (c == '\n')
      out += "\\n";
    else if (c == '\r')
      out += "\\r";
    else if (c == '\t')
      out += "\\t";
    else if (is_printable(c))
      append_utf8(out, c);
    else if (c < 0x100)
      out += fmt::format("\\x{:02x}", c);
    else if (c < 0x10000)
      out += fmt::format("\\u{:04x}", c);
    else
      out += fmt::format("\\U{:08x}", c);
  }
  return out + quote;
}

std::string repr_float(double d) {
  if (std::isnan(d)) return "nan";
  if (std::isinf(d)) return d > 0 ? "inf" : "-inf";
  char buffer[64];
  const auto end = std::to_chars(buffer, buffer + sizeof(buffer), d, std::chars_format::scientific).ptr;
  const std::string_view shortest(buffer, static_cast<size_t>(end - buffer));
  const size_t e = shortest.find('e');
  int exponent = 0;
  // from_chars takes no plus sign.
  const char* digits = shortest.data() + e + 1 + (shortest[e + 1] == '+' ? 1 : 0);
  std::from_chars(digits, end, exponent);
  if (exponent < -4 || exponent >= 16) return std::string(shortest);
  const auto fixed = std::to_chars(buffer, buffer + sizeof(buffer), d, std::chars_format::fixed).ptr;
  std::string out(buffer, fixed);
  return out.find('.') == std::string::npos ? out + ".0" : out;
}

// std::string's search takes quadratic time for texts made to that end; memmem does not.
size_t find_text(std::string_view text, std::string_view wanted, size_t from) {
  if (from > text.size()) return std::string_view::npos;
  const void* at = ::memmem(text.data() + from, text.size() - from, wanted.data(), wanted.size());
  return at == nullptr ? std::string_view::npos
                       : static_cast<size_t>(static_cast<const char*>(at) - text.data());
}

size_t rfind_text(std::string_view text, std::string_view wanted) {
  constexpr size_t kShort = 64;
  if (wanted.size() <= kShort) return text.rfind(wanted);
  const std::string mirrored(text.rbegin(), text.rend());
  const size_t at = find_text(mirrored, std::string(wanted.rbegin(), wanted.rend()));
  return at == std::string::npos ? at : text.size() - at - wanted.size();
}

std::string_view strip(std::string_view text, std::optional<std::string_view> chars, bool left, bool right) {
  std::set<std::string_view> dropped;
  if (chars) {
    for (const std::string_view c : characters(*chars)) dropped.insert(c);
  }
  const auto drop = [&](std::string_view character) {
    if (chars) return dropped.contains(character);
    const char* p = character.data();
    return is_python_space(decode_utf8(p));
  };
  while (left && !text.empty()) {
    const size_t length = utf8_length(text[0]);
    if (!drop(text.substr(0, length))) break;
    text.remove_prefix(length);
  }
  while (right && !text.empty()) {
    const auto last = static_cast<size_t>(previous_utf8(text.data() + text.size()) - text.data());
    if (!drop(text.substr(last))) break;
    text = text.substr(0, last);
  }
  return text;
}

std::vector<std::string> split(std::string_view text, std::optional<std::string_view> separator,
                               int64_t most) {
  std::vector<std::string> out;
  if (!separator) {
    const auto all = words(text);
    for (size_t i = 0; i < all.size(); ++i) {
      if (most >= 0 && out.size() == static_cast<size_t>(most)) {
        out.emplace_back(strip(text.substr(all[i].first), std::nullopt, false, false));
        break;
      }
      out.emplace_back(text.substr(all[i].first, all[i].second - all[i].first));
    }
    return out;
  }
  if (separator->empty()) throw TemplateError("empty separator");
  size_t begin = 0;
  while (most < 0 || out.size() < static_cast<size_t>(most)) {
    const size_t at = find_text(text, *separator, begin);
    if (at == std::string_view::npos) break;
    out.emplace_back(text.substr(begin, at - begin));
    begin = at + separator->size();
  }
  out.emplace_back(text.substr(begin));
  return out;
}

std::vector<std::string> rsplit(std::string_view text, std::optional<std::string_view> separator,
                                int64_t most) {
  if (most < 0) return split(text, separator, most);
  std::vector<std::string> out;
  if (!separator) {
    const auto all = words(text);
    const size_t keep = all.size() > static_cast<size_t>(most) ? all.size() - static_cast<size_t>(most) : 0;
    if (keep > 0) out.emplace_back(text.substr(0, all[keep - 1].second));
    for (size_t i = keep; i < all.size(); ++i)
      out.emplace_back(text.substr(all[i].first, all[i].second - all[i].first));
    return out;
  }
  if (separator->empty()) throw TemplateError("empty separator");
  // From the other end: the mirror image, split forward.
  for (std::string& part : split(std::string(text.rbegin(), text.rend()),
                                 std::string(separator->rbegin(), separator->rend()), most)) {
    out.emplace_back(part.rbegin(), part.rend());
  }
  std::reverse(out.begin(), out.end());
  return out;
}

std::vector<std::string_view> split_lines(std::string_view text, bool keep_ends) {
  std::vector<std::string_view> out;
  const char* const begin = text.data();
  const char* const end = begin + text.size();
  const char* line = begin;
  for (const char* p = begin; p != end;) {
    const char* const start = p;
    const uint32_t c = decode_utf8(p);
    const bool ends =
        (c >= 0x0A && c <= 0x0D) || (c >= 0x1C && c <= 0x1E) || c == 0x85 || c == 0x2028 || c == 0x2029;
    if (!ends) continue;
    if (c == '\r' && p != end && *p == '\n') ++p;
    out.emplace_back(line, static_cast<size_t>((keep_ends ? p : start) - line));
    line = p;
  }
  if (line != end) out.emplace_back(line, static_cast<size_t>(end - line));
  return out;
}

std::string replace(std::string_view text, std::string_view from, std::string_view to, int64_t count) {
  std::string out;
  const auto done = [&](int64_t n) { return count >= 0 && n >= count; };
  int64_t n = 0;
  if (from.empty()) {  // between all characters, and at both ends
    for (const std::string_view c : characters(text)) {
      if (!done(n)) out += to, ++n;
      out += c;
      check_string_size(out.size());
    }
    if (!done(n)) out += to;
    return out;
  }
  size_t begin = 0;
  for (size_t at = find_text(text, from); at != std::string_view::npos && !done(n);
       at = find_text(text, from, begin), ++n) {
    out += text.substr(begin, at - begin);
    out += to;
    check_string_size(out.size());
    begin = at + from.size();
  }
  out += text.substr(begin);
  check_string_size(out.size());
  return out;
}

std::string repeat(std::string_view text, int64_t times) {
  std::string out;
  if (times <= 0 || text.empty()) return out;
  if (static_cast<uint64_t>(times) > kMaxStringBytes / text.size()) check_string_size(kMaxStringBytes + 1);
  out.reserve(text.size() * static_cast<size_t>(times));
  for (int64_t i = 0; i < times; ++i) out += text;
  return out;
}

std::string upper(std::string_view text) { return map_characters(text, append_upper_case); }
std::string lower(std::string_view text) { return map_characters(text, append_lower_case); }

std::string capitalize(std::string_view text) {
  bool first = true;
  return map_characters(text, [&](uint32_t c, std::string& out) {
    if (std::exchange(first, false))
      append_upper_case(c, out);
    else
      append_lower_case(c, out);
  });
}

std::string title(std::string_view text) {
  bool inside = false;  // a word
  return map_characters(text, [&](uint32_t c, std::string& out) {
    if (inside)
      append_lower_case(c, out);
    else
      append_upper_case(c, out);
    inside = is_upper(c) || is_lower(c);
  });
}

std::string swap_case(std::string_view text) {
  return map_characters(text, [](uint32_t c, std::string& out) {
    if (is_upper(c))
      append_lower_case(c, out);
    else
      append_upper_case(c, out);
  });
}

std::vector<size_t> slice_indices(const Slice& slice, size_t size) {
  if (slice.step == 0) throw TemplateError("slice step cannot be zero");
  const auto n = static_cast<int64_t>(size);
  const bool forward = slice.step > 0;
  const int64_t low = forward ? 0 : -1, high = forward ? n : n - 1;
  const auto place = [&](std::optional<int64_t> i, int64_t otherwise) {
    if (!i) return otherwise;
    return std::clamp(*i < 0 ? *i + n : *i, low, high);
  };
  const int64_t start = place(slice.start, forward ? 0 : n - 1), stop = place(slice.stop, forward ? n : -1);
  std::vector<size_t> out;
  for (int64_t i = start; forward ? i < stop : i > stop;) {
    out.push_back(static_cast<size_t>(i));
    if (__builtin_add_overflow(i, slice.step, &i)) break;
  }
  return out;
}

std::string slice_text(std::string_view text, const Slice& slice) {
  std::string out;
  if (is_ascii(text)) {
    for (const size_t i : slice_indices(slice, text.size())) out += text[i];
    return out;
  }
  const auto all = characters(text);
  for (const size_t i : slice_indices(slice, all.size())) out += all[i];
  return out;
}

std::optional<std::string_view> character_at(std::string_view text, int64_t index) {
  const auto all = characters(text);
  if (index < 0) index += static_cast<int64_t>(all.size());
  if (index < 0 || index >= static_cast<int64_t>(all.size())) return std::nullopt;
  return all[static_cast<size_t>(index)];
}

std::string escape_html(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '\'':
        out += "&#39;";
        break;
      case '"':
        out += "&#34;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

}  // namespace tersor::jinja
