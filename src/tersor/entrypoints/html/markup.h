// Text and numbers as they may stand in a page: nothing that a name holds is read as markup. Internal.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace tersor::html {

// Text of one line, for an element's content or a double-quoted attribute. `&<>"'` become entities; control
// characters, line ends too, and characters that change the direction of text become visible as \x0A or
// \u202E; invalid UTF-8 becomes U+FFFD. Text above `limit` characters is cut and ends in "…".
std::string escaped(std::string_view text, size_t limit = 200);
// The same for a dotted name, which may be broken after its dots.
std::string escaped_name(std::string_view name);
// The same for text of several lines (a recipe): line ends and tabs stay, nothing is cut.
std::string escaped_lines(std::string_view text);

// A coordinate of a drawing, to 0.1 unit: "12.5", "-3".
std::string coordinate(double x);
// A relative error: "1.23 %", "0.0412 %", "16.0 %"; "–" for NaN.
std::string percent(double x);
// A value at an axis, a round number: "20 %".
std::string percent_tick(double x);
// A span of time in a column: as format_seconds; "–" for what is no time.
std::string duration(double seconds);
// "1 token", "1,234 tokens"; `many` for a plural that is not made by adding an s.
std::string plural(uint64_t count, std::string_view one, std::string_view many = "");

}  // namespace tersor::html
