// Bars of parts that add up, one below the other on one scale, as SVG. Internal.
#pragma once

#include <string>
#include <vector>

namespace tersor::html {

struct BarPart {
  double value = 0;     // what is not above 0 is left out
  std::string style;    // of the style sheet: "s3"
  std::string tooltip;  // plain text: escaped here
};

struct Bar {
  std::string name;  // left of it; may be empty
  std::string text;  // right of it: the sum in words
  std::vector<BarPart> parts;
};

struct BarChart {
  std::string label;  // what the picture shows, for those who do not see it
  std::vector<Bar> bars;
};

std::string to_svg(const BarChart& chart);

}  // namespace tersor::html
