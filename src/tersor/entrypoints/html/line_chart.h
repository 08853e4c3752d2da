// A line chart over layers with a logarithmic axis, as SVG. Internal.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tersor/entrypoints/html/axis.h"

namespace tersor::html {

struct Line {
  std::string name;            // as the user's file has it: escaped here
  std::vector<double> values;  // one per layer; what is not drawable leaves a gap
  std::string style;           // classes of the style sheet: "s3", "rounding"
};

struct LineChart {
  std::string label;            // what the picture shows, for those who do not see it
  std::vector<int64_t> layers;  // the columns, ascending
  std::vector<Line> lines;      // drawn in this order, the last on top
  Range range;                  // of the axis
  double width = 1000, height = 380;
  bool names = true;         // each line's name at its end
  bool shaded = false;       // the area between the first two lines
  size_t most_numbers = 16;  // of layers below the axis
};

std::string to_svg(const LineChart& chart);

}  // namespace tersor::html
