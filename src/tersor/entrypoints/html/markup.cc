#include "tersor/entrypoints/html/markup.h"

#include <cmath>
#include <cstdint>

#include <fmt/format.h>

#include "tersor/base/text.h"
#include "tersor/base/utf8.h"

namespace tersor::html {
namespace {

// What would be invisible, or would make other text stand where it is not: Unicode's marks, embeddings,
// overrides and isolates of direction, line and paragraph separators, the byte-order mark.
bool is_unseen(uint32_t c) {
  return (c >= 0x200B && c <= 0x200F) || (c >= 0x2028 && c <= 0x202E) || (c >= 0x2060 && c <= 0x206F) ||
         c == 0x061C || c == 0xFEFF || (c >= 0xE0000 && c <= 0xE007F);
}

// XML allows no U+FFFE and U+FFFF, HTML none of the code points that end in them.
bool is_noncharacter(uint32_t c) { return (c & 0xFFFE) == 0xFFFE || (c >= 0xFDD0 && c <= 0xFDEF); }

void append(std::string& out, std::string_view bytes, uint32_t c) {
  switch (c) {
    case '&':
      out += "&amp;";
      return;
    case '<':
      out += "&lt;";
      return;
    case '>':
      out += "&gt;";
      return;
    case '"':
      out += "&quot;";
      return;
    case '\'':
      out += "&#39;";
      return;
    default:
      break;
  }
  if (c < 0x20 || (c >= 0x7F && c < 0xA0)) {
    out += fmt::format("\\x{:02X}", c);
  } else if (is_unseen(c) || is_noncharacter(c)) {
    out += fmt::format("\\u{:04X}", c);
  } else {
    out += bytes;
  }
}

}  // namespace

std::string escaped(std::string_view text, size_t limit) {
  // No more than that can be shown: four bytes a character.
  const std::string valid = replace_invalid_utf8(text.substr(0, 4 * (limit + 1)));
  std::string out;
  size_t count = 0;
  const char* const end = valid.data() + valid.size();
  for (const char* p = valid.data(); p != end; ++count) {
    if (count == limit) return out + "…";
    const char* const begin = p;
    const uint32_t c = decode_utf8(p);
    append(out, {begin, static_cast<size_t>(p - begin)}, c);
  }
  return out;
}

std::string escaped_name(std::string_view name) {
  std::string out;
  for (const char c : escaped(name)) {
    out += c;
    if (c == '.') out += "<wbr/>";
  }
  return out;
}

std::string escaped_lines(std::string_view text) {
  const std::string valid = replace_invalid_utf8(text);
  std::string out;
  const char* const end = valid.data() + valid.size();
  for (const char* p = valid.data(); p != end;) {
    const char* const begin = p;
    const uint32_t c = decode_utf8(p);
    if (c == '\n' || c == '\t') {
      out += static_cast<char>(c);
    } else if (c != '\r' || p == end || *p != '\n') {
      append(out, {begin, static_cast<size_t>(p - begin)}, c);
    }
  }
  return out;
}

std::string coordinate(double x) {
  std::string text = fmt::format("{:.1f}", x);
  if (text.ends_with(".0")) text.resize(text.size() - 2);
  return text == "-0" ? "0" : text;
}

std::string percent(double x) {
  if (std::isnan(x)) return "–";
  std::string text = fmt::format("{:#.3g}", 100 * x);  // # keeps the zeros of 16.0, and the point of 123.
  if (text.ends_with('.')) text.pop_back();
  return text + " %";
}

std::string percent_tick(double x) { return fmt::format("{:.4g} %", 100 * x); }

std::string duration(double seconds) {
  return std::isfinite(seconds) && seconds >= 0 && seconds < 1e15 ? format_seconds(seconds) : "–";
}

std::string plural(uint64_t count, std::string_view one, std::string_view many) {
  const std::string_view ending = count == 1 ? "" : "s";
  return many.empty() || count == 1 ? fmt::format("{} {}{}", format_count(count), one, ending)
                                    : fmt::format("{} {}", format_count(count), many);
}

}  // namespace tersor::html
