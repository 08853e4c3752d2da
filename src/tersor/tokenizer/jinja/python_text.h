// Python's str: its methods, and how repr() and format() write.
//
// Positions and lengths count characters (code points), as Python's do; all text is valid UTF-8.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tersor/tokenizer/jinja/value.h"

namespace tersor::jinja {

// No template needs a string of more: what grows beyond it is runaway.
constexpr size_t kMaxStringBytes = size_t{64} << 20;
void check_string_size(size_t bytes);

bool is_python_space(uint32_t c);

std::string repr_string(std::string_view text);
// The shortest decimal that reads back as the same number: "1.0", "0.1", "1e+16".
std::string repr_float(double d);

// Where `wanted` begins at or behind `from`, npos when nowhere: in linear time, whatever the texts.
size_t find_text(std::string_view text, std::string_view wanted, size_t from = 0);
// Where its last occurrence begins.
size_t rfind_text(std::string_view text, std::string_view wanted);

// strip(chars): characters of `chars` at either end, white space when nullopt.
std::string_view strip(std::string_view text, std::optional<std::string_view> chars, bool left, bool right);
// split(sep, maxsplit): -1 is no limit; without a separator, at runs of white space.
std::vector<std::string> split(std::string_view text, std::optional<std::string_view> separator,
                               int64_t most);
std::vector<std::string> rsplit(std::string_view text, std::optional<std::string_view> separator,
                                int64_t most);
std::vector<std::string_view> split_lines(std::string_view text, bool keep_ends);
// `count` replacements at most, -1 for all.
std::string replace(std::string_view text, std::string_view from, std::string_view to, int64_t count);
std::string repeat(std::string_view text, int64_t times);

std::string upper(std::string_view text);
std::string lower(std::string_view text);
std::string capitalize(std::string_view text);
std::string title(std::string_view text);
std::string swap_case(std::string_view text);

// text[start:stop:step], with Python's rules for what is left out and what is negative.
struct Slice {
  std::optional<int64_t> start, stop;
  int64_t step = 1;
};
// The indices that the slice picks out of `size` items.
std::vector<size_t> slice_indices(const Slice& slice, size_t size);
std::string slice_text(std::string_view text, const Slice& slice);
// The character at a place (negative from the end), nullopt beyond.
std::optional<std::string_view> character_at(std::string_view text, int64_t index);

// "{} {name:>8.2f}".format(…), and "%s %05d" % (…). Throw TemplateError for what they cannot do.
std::string format_braces(std::string_view format, const Arguments& arguments);
std::string format_percent(std::string_view format, const Value& arguments);

// <, >, &, ' and " as HTML entities.
std::string escape_html(std::string_view text);

}  // namespace tersor::jinja
