// Tables of classes and modules; how many tokens each expert saw.
#include <algorithm>
#include <cmath>

#include "tersor/base/text.h"
#include "tersor/entrypoints/html/heat_map.h"
#include "tersor/entrypoints/html/markup.h"
#include "tersor/entrypoints/html/sections.h"
#include "tersor/entrypoints/html/style.h"

namespace tersor::html {
namespace {

constexpr size_t kListedModules = 1000;  // rows of a table
constexpr size_t kDrawnExperts = 1024;   // columns; models have up to 512

void add_class_table(std::string& out, const Summary& s) {
  if (s.classes.empty()) return;
  open_section(out, "Module classes",
               std::string(s.is_output ? "Relative output error" : "Relative weight error") +
                   ": the mean, against that of plain rounding, and the worst.");
  out +=
      R"(<div class="scroll"><table><thead><tr><th>class</th><th class="n">modules</th><th>scheme</th>)"
      R"(<th class="n">mean</th><th class="n">rounding</th><th class="n">change</th><th class="n">worst</th>)"
      R"(<th>in</th><th class="n">fewest tokens</th></tr></thead><tbody>)"
      "\n";
  for (size_t i = 0; i < s.classes.size() && i < kListedModules; ++i) {
    const ClassSummary& c = s.classes[i];
    add(out,
        R"(<tr><td><svg class="swatch {}" viewBox="0 0 22 10"><path d="M0 5H22"/></svg>{}</td>)"
        R"(<td class="n">{}</td><td>{}</td><td class="n">{}</td><td class="n">{}</td><td class="n">{}</td>)"
        R"(<td class="n">{}</td><td class="long soft">{}</td><td class="n">{}</td></tr>)"
        "\n",
        series_style(i), escaped(c.name, 60), format_count(c.modules), escaped(c.scheme, 40),
        percent(c.error.value()), percent(c.comparison.rounding.value()), change_text(c.comparison.change()),
        c.worst == nullptr ? "–" : percent(s.error_of(*c.worst)),
        c.worst == nullptr ? "" : escaped_name(c.worst->module), format_count(c.least_tokens));
  }
  out += "</tbody></table></div>\n";
}

// Belongs to the section of the classes.
void add_module_table(std::string& out, const CompressionReport& r, const Summary& s) {
  if (r.linears.empty()) return;
  std::vector<const LinearReport*> order;
  for (const LinearReport& l : r.linears) order.push_back(&l);
  std::stable_sort(order.begin(), order.end(), [&](const LinearReport* a, const LinearReport* b) {
    const double x = s.error_of(*a), y = s.error_of(*b);
    return std::isnan(y) ? !std::isnan(x) : x > y;
  });
  const bool is_cut = order.size() > kListedModules;
  if (is_cut) order.resize(kListedModules);
  add(out,
      R"(<details><summary>{}</summary><div class="scroll tall"><table><thead><tr><th>module</th><th>scheme</th>)"
      R"(<th class="n">output error</th><th class="n">rounding</th><th class="n">weight error</th>)"
      R"(<th class="n">tokens</th></tr></thead><tbody>)"
      "\n",
      is_cut ? fmt::format("The {} modules with the largest error, of {}", format_count(kListedModules),
                           format_count(r.linears.size()))
             : "All modules, largest error first");
  for (const LinearReport* l : order) {
    add(out,
        R"(<tr><td class="long">{}</td><td>{}</td><td class="n">{}</td><td class="n">{}</td><td class="n">{}</td>)"
        R"(<td class="n">{}</td></tr>)"
        "\n",
        escaped_name(l->module), escaped(l->scheme, 40), percent(l->output_error), percent(l->rounding_error),
        percent(l->weight_error), format_count(l->tokens));
  }
  out += "</tbody></table></div></details>\n";
}

}  // namespace

void add_modules(std::string& out, const CompressionReport& r, const Summary& s) {
  if (r.linears.empty()) return;
  add_class_table(out, s);
  add_module_table(out, r, s);
  out += "</section>\n";
}

void add_experts(std::string& out, const CompressionReport& r) {
  size_t most = 0;
  uint64_t experts = 0, unseen = 0;
  const ExpertTokens* layer_of_least = nullptr;
  size_t least = 0;
  for (const ExpertTokens& layer : r.experts) {
    most = std::max(most, layer.tokens.size());
    experts += layer.tokens.size();
    unseen += static_cast<uint64_t>(std::count(layer.tokens.begin(), layer.tokens.end(), uint64_t{0}));
    for (size_t e = 0; e < layer.tokens.size(); ++e) {
      if (layer_of_least != nullptr && layer.tokens[e] >= layer_of_least->tokens[least]) continue;
      layer_of_least = &layer;
      least = e;
    }
  }
  if (layer_of_least == nullptr) return;

  const size_t rows = std::min(r.experts.size(), kDrawnLayers);
  most = std::min(most, kDrawnExperts);
  HeatMap map;
  map.label = "Calibration tokens by layer and routed expert";
  map.column_title = "expert";
  map.alarm = true;
  for (size_t e = 0; e < most; ++e) map.columns.push_back(std::to_string(e));
  for (size_t row = 0; row < rows; ++row) {
    const ExpertTokens& layer = r.experts[row];
    map.rows.push_back(fmt::format("layer {}", layer.layer));
    for (size_t e = 0; e < most; ++e) {
      map.values.push_back(e < layer.tokens.size() ? static_cast<double>(layer.tokens[e])
                                                   : LinearReport::kUnknown);
    }
  }
  // A count near 2^64 is 2^64 as a double, and no uint64_t.
  map.format = [](double v) {
    return v < 0x1p63 ? format_count(static_cast<uint64_t>(v)) : fmt::format("{:.3g}", v);
  };
  map.tooltip = [&](size_t row, size_t e) {
    const ExpertTokens& layer = r.experts[row];
    return e < layer.tokens.size()
               ? fmt::format("layer {}, expert {}: {}", layer.layer, e, plural(layer.tokens[e], "token"))
               : "no such expert";
  };
  open_section(
      out, "Expert coverage",
      "Tokens that the router sent to each expert during calibration: an expert’s statistics are as good as "
      "the tokens it saw. " +
          (unseen > 0
               ? fmt::format(R"(<span class="bad">{} of {} saw none.</span>)", format_count(unseen),
                             plural(experts, "expert"))
               : fmt::format("The fewest: {}, expert {} of layer {}.",
                             plural(layer_of_least->tokens[least], "token"), least, layer_of_least->layer)));
  add(out,
      R"(<figure class="wide map">{}</figure></section>)"
      "\n",
      to_svg(map));
}

}  // namespace tersor::html
