#include "tersor/entrypoints/html/bar_chart.h"

#include <algorithm>
#include <cmath>
#include <iterator>

#include <fmt/format.h>

#include "tersor/entrypoints/html/markup.h"

namespace tersor::html {
namespace {

constexpr double kWidth = 480, kHeight = 26, kPitch = 38, kGap = 1.5;
constexpr double kNameWidth = 62, kTextWidth = 78;

bool is_drawn(const BarPart& part) { return part.value > 0 && std::isfinite(part.value); }

double sum(const Bar& bar) {
  double total = 0;
  for (const BarPart& part : bar.parts) total += is_drawn(part) ? part.value : 0;
  return total;
}

}  // namespace

std::string to_svg(const BarChart& chart) {
  double longest = 0;
  bool named = false;
  for (const Bar& bar : chart.bars) {
    longest = std::max(longest, sum(bar));
    named = named || !bar.name.empty();
  }
  const double left = named ? kNameWidth : 0;
  const double room = kWidth - left - kTextWidth;
  std::string out =
      fmt::format(R"(<svg role="img" aria-label="{}" viewBox="0 0 {} {}">)", escaped(chart.label),
                  coordinate(kWidth), coordinate(kPitch * static_cast<double>(chart.bars.size())));
  const auto back = std::back_inserter(out);
  double y = 0;
  for (const Bar& bar : chart.bars) {
    const double middle = y + kHeight / 2;
    if (named) {
      fmt::format_to(back, R"(<text x="0" y="{}" dy=".32em">{}</text>)", coordinate(middle),
                     escaped(bar.name, 10));
    }
    double x = left;
    for (const BarPart& part : bar.parts) {
      if (!is_drawn(part)) continue;
      const double width = part.value / longest * room;
      fmt::format_to(
          back, R"(<rect class="{}" x="{:.2f}" y="{}" width="{:.2f}" height="{}"><title>{}</title></rect>)",
          part.style, x, coordinate(y), std::max(width - kGap, 0.5), coordinate(kHeight),
          escaped(part.tooltip));
      x += width;
    }
    fmt::format_to(back, R"(<text class="strong" x="{}" y="{}" dy=".32em">{}</text>)", coordinate(x + 8),
                   coordinate(middle), escaped(bar.text));
    y += kPitch;
  }
  return out + "</svg>\n";
}

}  // namespace tersor::html
