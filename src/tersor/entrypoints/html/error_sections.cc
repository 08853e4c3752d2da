// Errors in pictures: by layer, beside plain rounding, layers by classes.
#include <algorithm>
#include <cmath>

#include "tersor/entrypoints/html/axis.h"
#include "tersor/entrypoints/html/heat_map.h"
#include "tersor/entrypoints/html/line_chart.h"
#include "tersor/entrypoints/html/markup.h"
#include "tersor/entrypoints/html/sections.h"
#include "tersor/entrypoints/html/style.h"

namespace tersor::html {
namespace {

// The classes that have a value on a logarithmic axis in some layer.
std::vector<const ClassSummary*> drawn_classes(const Summary& s, size_t most) {
  std::vector<const ClassSummary*> drawn;
  for (const ClassSummary& c : s.classes) {
    if (drawn.size() < most && std::any_of(c.by_layer.begin(), c.by_layer.end(), is_drawable))
      drawn.push_back(&c);
  }
  return drawn;
}

std::string error_words(const Summary& s) {
  return s.is_output ? "The error of a linear’s output on the calibration data, relative to the output: ‖X(W "
                       "− Ŵ)ᵀ‖ / ‖XWᵀ‖."
                     : "The error of a linear’s weight, relative to the weight: <span class=\"formula\">‖W − "
                       "Ŵ‖ / ‖W‖</span>.";
}

std::string method_of(const CompressionReport& r) { return r.method.empty() ? "written" : r.method; }

}  // namespace

std::string change_text(double change) {
  if (std::isnan(change)) return "";
  const double size = std::abs(100 * change);
  if (size < 0.05) return "equal";
  return fmt::format(R"(<span class="{}">{:.{}f} % {}</span>)", change < 0 ? "good" : "bad", size,
                     size < 9.95 ? 1 : 0, change < 0 ? "less" : "more");
}

void add_error_by_layer(std::string& out, const Summary& s) {
  const auto drawn = drawn_classes(s, kSeriesStyles);
  if (drawn.empty()) return;
  LineChart chart;
  chart.label = "Relative error by layer, a line for each module class";
  chart.layers = s.layers;
  for (const ClassSummary* c : drawn) {
    chart.lines.push_back({c->name, c->by_layer, series_style(static_cast<size_t>(c - s.classes.data()))});
    for (const double v : c->by_layer) chart.range.add(v);
  }
  chart.range = chart.range.padded();
  chart.height = std::max(380.0, 15.0 * static_cast<double>(drawn.size()) + 120);
  const size_t undrawn = s.classes.size() - drawn.size();
  open_section(
      out, "Error by layer",
      error_words(s) + " Modules of one class in one layer are averaged." +
          (undrawn > 0 ? " Not drawn, but in the table below: " + plural(undrawn, "class", "classes") + "."
                       : ""));
  add(out,
      R"(<figure class="wide">{}</figure></section>)"
      "\n",
      to_svg(chart));
}

void add_comparison(std::string& out, const CompressionReport& r, const Summary& s) {
  Range range;
  std::vector<const ClassSummary*> compared;
  for (const ClassSummary* c : drawn_classes(s, kSeriesStyles)) {
    if (!s.is_output || std::isnan(c->comparison.change())) continue;
    compared.push_back(c);
    for (const double v : c->by_layer) range.add(v);
    for (const double v : c->rounding_by_layer) range.add(v);
  }
  if (compared.empty()) return;
  range = range.padded();
  open_section(
      out, escaped(method_of(r), 40) + " beside plain rounding",
      "The same weights, scales and data. Dashed: every weight rounded to its nearest code. All panels have "
      "one scale.");
  out += R"(<div class="panels">)"
         "\n";
  for (const ClassSummary* c : compared) {
    LineChart chart;
    chart.label = "Relative output error of " + c->name + " by layer, beside plain rounding";
    chart.layers = s.layers;
    chart.lines = {{"rounding", c->rounding_by_layer, "rounding"}, {method_of(r), c->by_layer, "s0"}};
    chart.range = range;
    chart.width = 250, chart.height = 180;
    chart.names = false, chart.shaded = true;
    chart.most_numbers = 6;
    add(out,
        R"(<figure><h3>{} <span>{}</span></h3>{}</figure>)"
        "\n",
        escaped(c->name, 60), change_text(c->comparison.change()), to_svg(chart));
  }
  out += "</div></section>\n";
}

void add_error_map(std::string& out, const Summary& s) {
  const auto drawn = drawn_classes(s, kDrawnClasses);
  if (drawn.empty() || s.layers.size() < 2) return;
  HeatMap map;
  map.label = "Relative error by layer and module class";
  for (const int64_t layer : s.layers) map.columns.push_back(std::to_string(layer));
  map.column_title = "layer";
  for (const ClassSummary* c : drawn) {
    map.rows.push_back(c->name);
    map.values.insert(map.values.end(), c->by_layer.begin(), c->by_layer.end());
  }
  map.format = percent;
  map.tooltip = [&](size_t row, size_t column) {
    const double v = map.values[row * map.columns.size() + column];
    return fmt::format("layer {}, {}: {}", map.columns[column], map.rows[row],
                       std::isnan(v) ? "not quantized or not measured" : percent(v));
  };
  open_section(out, "Where the error is", "The same figures, layers by module classes.");
  add(out,
      R"(<figure class="wide map">{}</figure></section>)"
      "\n",
      to_svg(map));
}

}  // namespace tersor::html
