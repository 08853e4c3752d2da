#include "tersor/entrypoints/html/heat_map.h"

#include <algorithm>
#include <cmath>
#include <iterator>

#include <fmt/format.h>

#include "tersor/base/utf8.h"
#include "tersor/entrypoints/html/axis.h"
#include "tersor/entrypoints/html/markup.h"

namespace tersor::html {
namespace {

constexpr double kWidth = 1000, kTop = 30, kGap = 1;
constexpr size_t kNameLength = 26;  // of rows; longer ones are cut
constexpr double kMostWidth = 54;   // of a cell
constexpr double kLeastLegendRight = 560;
constexpr double kSwatch = 14;  // width of a colour in the legend

std::string colour(double value, const Range& range, bool alarm) {
  if (alarm && value == 0) return "alarm";
  if (!is_drawable(value)) return "empty";
  if (range.low == range.high) return fmt::format("h{}", kHeatColours / 2);
  const double at = LogScale(range, 0, kHeatColours)(value);
  return fmt::format("h{}", static_cast<size_t>(std::clamp(at, 0.0, kHeatColours - 1.0)));
}

// The scale of colours above the map, with its two ends in words, and what the two other colours mean.
void append_legend(std::string& out, const HeatMap& map, const Range& range, double right) {
  const auto back = std::back_inserter(out);
  double x = right;
  const auto add_text = [&](const std::string& text) {
    fmt::format_to(back, R"(<text class="end" x="{}" y="11">{}</text>)", coordinate(x), text);
    x -= 7.0 * static_cast<double>(text.size()) + 6;
  };
  const auto add_swatch = [&](const std::string& style) {
    x -= kSwatch;
    fmt::format_to(back, R"(<rect class="{}" x="{}" y="0" width="{}" height="14"/>)", style, coordinate(x),
                   coordinate(kSwatch));
  };
  if (!range.empty()) {
    add_text(escaped(map.format(range.high)));
    if (range.low != range.high) {
      for (size_t i = kHeatColours; i-- > 0;) add_swatch(fmt::format("h{}", i));
      x -= 6;
      add_text(escaped(map.format(range.low)));
    } else {
      add_swatch(colour(range.low, range, false));
    }
    x -= 12;
  }
  if (map.alarm) {
    add_text("none");
    add_swatch("alarm");
  }
}

}  // namespace

std::string to_svg(const HeatMap& map) {
  Range range;
  for (const double v : map.values) range.add(v);
  const size_t rows = map.rows.size(), columns = map.columns.size();
  size_t letters = 8;
  for (const std::string& name : map.rows)
    letters = std::max(letters, std::min(count_code_points(name), kNameLength));
  const double left = 12 + 7.2 * static_cast<double>(letters);
  const double width =
      std::min((kWidth - left) / static_cast<double>(std::max<size_t>(columns, 1)), kMostWidth);
  const double height = std::clamp(width, 14.0, 22.0);
  // Cells stand apart where they are wide enough to spare the room.
  const double gap_x = width >= 5 ? kGap : 0;
  const double bottom = kTop + height * static_cast<double>(rows);
  std::string out = fmt::format(R"(<svg role="img" aria-label="{}" viewBox="0 0 {} {}">)", escaped(map.label),
                                coordinate(kWidth), coordinate(bottom + 36));
  append_legend(out, map, range,
                std::max(left + width * static_cast<double>(columns) - gap_x, kLeastLegendRight));
  const auto back = std::back_inserter(out);
  for (size_t r = 0; r < rows; ++r) {
    const double y = kTop + height * static_cast<double>(r);
    fmt::format_to(back, R"(<text class="end" x="{}" y="{}" dy=".32em">{}</text>)", coordinate(left - 8),
                   coordinate(y + height / 2), escaped(map.rows[r], kNameLength));
    for (size_t c = 0; c < columns; ++c) {
      const double x = left + width * static_cast<double>(c);
      fmt::format_to(
          back, R"(<rect class="{}" x="{:.2f}" y="{}" width="{:.2f}" height="{}"><title>{}</title></rect>)",
          colour(map.values[r * columns + c], range, map.alarm), x, coordinate(y), width - gap_x,
          coordinate(height - kGap), escaped(map.tooltip(r, c), 300));
    }
    out += "\n";
  }
  // A number takes about 30 units.
  const size_t step = label_step(columns, static_cast<size_t>(width * static_cast<double>(columns) / 30));
  for (size_t c = 0; c < columns; c += step) {
    fmt::format_to(back, R"(<text class="middle" x="{}" y="{}">{}</text>)",
                   coordinate(left + width * (static_cast<double>(c) + 0.5)), coordinate(bottom + 15),
                   escaped(map.columns[c], 8));
  }
  fmt::format_to(back, R"(<text class="middle" x="{}" y="{}">{}</text></svg>)",
                 coordinate(left + width * static_cast<double>(columns) / 2), coordinate(bottom + 31),
                 escaped(map.column_title));
  return out + "\n";
}

}  // namespace tersor::html
