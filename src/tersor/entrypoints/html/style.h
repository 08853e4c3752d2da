// The style sheet of the report and its classes. Internal.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace tersor::html {

// Light and dark, and light on paper. Holds no `<`, `&` or `]]>`: it stands in an element as it is.
extern const std::string_view kStyleSheet;

// Classes of the i-th line or part: eight colours, then the same dashed, then again from the first.
std::string series_style(size_t i);
constexpr size_t kSeriesStyles = 16;  // different ones

}  // namespace tersor::html
