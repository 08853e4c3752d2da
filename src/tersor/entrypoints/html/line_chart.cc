#include "tersor/entrypoints/html/line_chart.h"

#include <algorithm>
#include <iterator>
#include <numeric>

#include <fmt/format.h>

#include "tersor/base/utf8.h"
#include "tersor/entrypoints/html/markup.h"

namespace tersor::html {
namespace {

constexpr size_t kNameLength = 26;  // of names at lines; longer ones are cut
constexpr double kNameGap = 15;     // between the names of lines: their font is 12 units high

// Where things stand. Columns are layers, one beside the other, whatever their numbers are.
struct Frame {
  double left, right, top, bottom;
  size_t columns;
  LogScale y;

  double x(size_t column) const {
    return columns < 2
               ? (left + right) / 2
               : left + static_cast<double>(column) * (right - left) / static_cast<double>(columns - 1);
  }
  // Half of what belongs to one column.
  double half() const { return columns < 2 ? (right - left) / 2 : (x(1) - x(0)) / 2; }
};

Frame frame_of(const LineChart& c) {
  size_t letters = 0;
  for (const Line& line : c.lines)
    letters = std::max(letters, std::min(count_code_points(line.name), kNameLength));
  const double names = c.names ? 26 + 7.2 * static_cast<double>(letters) : 12;
  const double left = 58, right = c.width - names, top = 10, bottom = c.height - 34;
  return {left, right, top, bottom, c.layers.size(), LogScale(c.range, bottom, top)};
}

void append_axes(std::string& out, const LineChart& c, const Frame& f) {
  const auto back = std::back_inserter(out);
  for (const double tick : log_ticks(c.range)) {
    const std::string y = coordinate(f.y(tick));
    fmt::format_to(
        back, R"(<path class="grid" d="M{} {}H{}"/><text class="end" x="{}" y="{}" dy=".32em">{}</text>)",
        coordinate(f.left), y, coordinate(f.right), coordinate(f.left - 8), y, percent_tick(tick));
  }
  const size_t step = label_step(c.layers.size(), c.most_numbers);
  for (size_t i = 0; i < c.layers.size(); i += step) {
    fmt::format_to(back, R"(<text class="middle" x="{}" y="{}">{}</text>)", coordinate(f.x(i)),
                   coordinate(f.bottom + 16), c.layers[i]);
  }
  fmt::format_to(back, R"(<path class="axis" d="M{} {}H{}"/><text class="middle" x="{}" y="{}">layer</text>)",
                 coordinate(f.left), coordinate(f.bottom), coordinate(f.right),
                 coordinate((f.left + f.right) / 2), coordinate(f.bottom + 31));
}

// A path through the drawable values, with gaps where others are, and dots for those without neighbours.
void append_line(std::string& out, const Line& line, const Frame& f) {
  const auto back = std::back_inserter(out);
  const auto drawable = [&](size_t i) { return i < line.values.size() && is_drawable(line.values[i]); };
  std::string path, dots;
  for (size_t i = 0; i < f.columns; ++i) {
    if (!drawable(i)) continue;
    const bool joined = i > 0 && drawable(i - 1);
    const std::string x = coordinate(f.x(i)), y = coordinate(f.y(line.values[i]));
    if (joined || drawable(i + 1)) {
      path += (joined ? "L" : "M") + x + " " + y;
    } else {
      dots += fmt::format(R"(<circle r="3" cx="{}" cy="{}"/>)", x, y);
    }
  }
  if (!path.empty()) fmt::format_to(back, R"(<path class="line" d="{}"/>)", path);
  out += dots;
}

void append_shade(std::string& out, const Line& a, const Line& b, const Frame& f) {
  for (size_t begin = 0; begin < f.columns;) {
    const auto both = [&](size_t i) { return is_drawable(a.values[i]) && is_drawable(b.values[i]); };
    size_t end = begin;
    while (end < f.columns && both(end)) ++end;
    if (end - begin >= 2) {
      std::string path;
      for (size_t i = begin; i < end; ++i)
        path += (path.empty() ? "M" : "L") + coordinate(f.x(i)) + " " + coordinate(f.y(a.values[i]));
      for (size_t i = end; i-- > begin;)
        path += "L" + coordinate(f.x(i)) + " " + coordinate(f.y(b.values[i]));
      out += R"(<path class="shade" d=")" + path + R"(Z"/>)";
    }
    begin = end + 1;
  }
}

// Heights of the names, none over another, as near to the ends of their lines as that allows.
std::vector<double> name_heights(const std::vector<double>& wanted, const Frame& f) {
  std::vector<size_t> order(wanted.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return wanted[a] < wanted[b]; });
  std::vector<double> y = wanted;
  double free = f.top;
  for (const size_t i : order) {
    y[i] = std::max(y[i], free);
    free = y[i] + kNameGap;
  }
  double most = f.bottom;
  for (size_t k = order.size(); k-- > 0; most = y[order[k]] - kNameGap)
    y[order[k]] = std::min(y[order[k]], most);
  return y;
}

void append_named_lines(std::string& out, const LineChart& c, const Frame& f) {
  std::vector<double> ends;
  std::vector<size_t> last_columns;
  std::vector<const Line*> drawn;
  for (const Line& line : c.lines) {
    size_t last = line.values.size();
    while (last > 0 && !is_drawable(line.values[last - 1])) --last;
    if (last == 0) continue;
    drawn.push_back(&line);
    last_columns.push_back(last - 1);
    ends.push_back(f.y(line.values[last - 1]));
  }
  const std::vector<double> heights = name_heights(ends, f);
  for (size_t i = 0; i < drawn.size(); ++i) {
    // The line and its name are one group: pointing at the name brings the line out.
    out += R"(<g class=")" + drawn[i]->style + R"(">)";
    append_line(out, *drawn[i], f);
    fmt::format_to(
        std::back_inserter(out),
        R"(<path class="leader" d="M{} {}L{} {}"/><text class="name" x="{}" y="{}" dy=".32em">{}</text></g>)",
        coordinate(f.x(last_columns[i]) + 3), coordinate(ends[i]), coordinate(f.right + 16),
        coordinate(heights[i]), coordinate(f.right + 20), coordinate(heights[i]),
        escaped(drawn[i]->name, kNameLength));
  }
}

// Invisible columns over everything: pointing at one shows the layer's values.
void append_columns(std::string& out, const LineChart& c, const Frame& f) {
  for (size_t i = 0; i < c.layers.size(); ++i) {
    const double from = std::max(f.x(i) - f.half(), f.left), to = std::min(f.x(i) + f.half(), f.right);
    std::string tip = fmt::format("layer {}", c.layers[i]);
    for (const Line& line : c.lines) {
      if (i < line.values.size() && is_drawable(line.values[i]))
        tip += "\n" + escaped(line.name, 60) + "  " + percent(line.values[i]);
    }
    fmt::format_to(std::back_inserter(out),
                   R"(<rect class="column" x="{}" y="{}" width="{}" height="{}"><title>{}</title></rect>)",
                   coordinate(from), coordinate(f.top), coordinate(to - from), coordinate(f.bottom - f.top),
                   tip);
  }
}

}  // namespace

std::string to_svg(const LineChart& c) {
  const Frame f = frame_of(c);
  std::string out = fmt::format(R"(<svg role="img" aria-label="{}" viewBox="0 0 {} {}">)", escaped(c.label),
                                coordinate(c.width), coordinate(c.height));
  append_axes(out, c, f);
  if (c.shaded && c.lines.size() >= 2) append_shade(out, c.lines[0], c.lines[1], f);
  out += R"(<g class="lines">)";
  if (c.names) {
    append_named_lines(out, c, f);
  } else {
    for (const Line& line : c.lines) {
      out += R"(<g class=")" + line.style + R"(">)";
      append_line(out, line, f);
      out += "</g>";
    }
  }
  out += "</g>";
  append_columns(out, c, f);
  return out + "</svg>\n";
}

}  // namespace tersor::html
