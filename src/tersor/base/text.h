// Small text helpers for messages: sizes, durations, and the nearest valid names to a misspelt one.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tersor {

// "1.2 GB": decimal units, as disks and the Hub count them.
std::string format_bytes(uint64_t bytes);
// "1.5 GB", "800MB", "1GiB", "4096" → bytes; nullopt for anything else, zero and what exceeds 2^64 included.
std::optional<uint64_t> parse_bytes(std::string_view text);
// "1h 02m", "3m 20s", "4.1s", "12ms".
std::string format_seconds(double seconds);
// ASCII letters in lower case, other bytes as they are.
std::string lower_case(std::string_view text);

// "1,234,567".
std::string format_count(uint64_t n);

// The candidates nearest to `name` by edit distance (case ignored), nearest first, at most `limit`; those
// that differ in more than half of their letters are left out.
std::vector<std::string> nearest_names(std::string_view name, std::span<const std::string> candidates,
                                       size_t limit = 3);

// Text for a terminal: control characters but line ends and tabs as \xNN. Several lines stay several.
std::string without_controls(std::string_view text);

// Line ends as \x0A: what must stay one line, whatever stands in a tensor's name.
std::string one_line(std::string text);

// Text from a file as a message may show it: control bytes as \xNN, at most 200 bytes.
std::string printable(std::string_view text);

// "`a`, `b` or `c`"; empty for none.
std::string quoted_list(std::span<const std::string> names, std::string_view last_word = "or");

}  // namespace tersor
