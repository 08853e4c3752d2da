// The parts of the page, each a function that appends its section, or nothing when the report has nothing for
// it. Internal.
#pragma once

#include <iterator>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "tersor/entrypoints/html/summary.h"
#include "tersor/entrypoints/report_html.h"

namespace tersor::html {

// error_sections.cc
void add_error_by_layer(std::string& out, const Summary& summary);
void add_comparison(std::string& out, const CompressionReport& report, const Summary& summary);
void add_error_map(std::string& out, const Summary& summary);

// module_sections.cc
void add_modules(std::string& out, const CompressionReport& report, const Summary& summary);
void add_experts(std::string& out, const CompressionReport& report);

// run_sections.cc
void add_sizes(std::string& out, const CompressionReport& report, const Summary& summary);
void add_phases(std::string& out, const CompressionReport& report);
void add_facts(std::string& out, const CompressionReport& report);

// What they share. Arguments are markup: texts of the report pass through escaped() before.
template <typename... Args>
void add(std::string& out, fmt::format_string<Args...> format, Args&&... args) {
  fmt::format_to(std::back_inserter(out), format, std::forward<Args>(args)...);
}
inline void open_section(std::string& out, std::string_view title, std::string_view text) {
  add(out, "<section>\n<h2>{}</h2>\n<p>{}</p>\n", title, text);
}
// "41 % less", green, or "3 % more", red, for a change of −0.41 or 0.03; nothing for NaN.
std::string change_text(double change);

}  // namespace tersor::html
