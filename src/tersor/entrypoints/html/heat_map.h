// A heat map with a logarithmic scale of colours, as SVG. Internal.
#pragma once

#include <functional>
#include <string>
#include <vector>

namespace tersor::html {

constexpr size_t kHeatColours = 12;  // "h0" … "h11" of the style sheet, from nothing to much

struct HeatMap {
  std::string label;                 // what the picture shows, for those who do not see it
  std::vector<std::string> rows;     // names, as the user's file has them: escaped here
  std::vector<std::string> columns;  // the same; as many are written as there is room for
  std::string column_title;
  // [rows, columns] row-major. NaN: an empty place; 0: the colour of alarm, where `alarm` says so.
  std::vector<double> values;
  bool alarm = false;
  std::function<std::string(double)> format;                      // of a value, for the legend
  std::function<std::string(size_t row, size_t column)> tooltip;  // plain text: escaped here
};

std::string to_svg(const HeatMap& map);

}  // namespace tersor::html
