// Sizes, time, data, recipe: what the run was.
#include <algorithm>
#include <unordered_map>

#include "tersor/base/text.h"
#include "tersor/entrypoints/html/bar_chart.h"
#include "tersor/entrypoints/html/markup.h"
#include "tersor/entrypoints/html/sections.h"
#include "tersor/entrypoints/html/style.h"

namespace tersor::html {
namespace {

// A part of the time, with what is left of the whole as the last one.
std::string part_style(size_t i, bool is_rest) { return is_rest ? "rest" : series_style(i); }

// A class of modules has the colour that its line has; others follow.
class PartColours {
 public:
  explicit PartColours(const Summary& s) : next_(s.classes.size()) {
    for (size_t i = 0; i < s.classes.size(); ++i) index_.emplace(s.classes[i].name, i);
  }
  std::string of(const std::string& part) {
    const auto found = index_.find(part);
    return series_style(found != index_.end() ? found->second : next_++);
  }

 private:
  std::unordered_map<std::string, size_t> index_;
  size_t next_;
};

bool is_time(double seconds) { return seconds >= 0 && seconds < 1e15; }

}  // namespace

void add_sizes(std::string& out, const CompressionReport& r, const Summary& s) {
  if (r.output_bytes == 0) return;
  std::vector<SizePart> parts = r.sizes;
  uint64_t source = 0, output = 0;
  for (const SizePart& p : parts) source += p.source_bytes, output += p.output_bytes;
  const bool has_rest = source < r.source_bytes || output < r.output_bytes;
  if (has_rest) {
    parts.push_back({parts.empty() ? "checkpoint" : "other",
                     r.source_bytes - std::min(source, r.source_bytes),
                     r.output_bytes - std::min(output, r.output_bytes)});
  }
  BarChart chart{"Bytes of the source and of the output", {}};
  Bar before{"source", format_bytes(r.source_bytes), {}}, after{"output", format_bytes(r.output_bytes), {}};
  std::string rows;
  PartColours colours(s);
  for (size_t i = 0; i < parts.size(); ++i) {
    const SizePart& p = parts[i];
    const std::string style = has_rest && i + 1 == parts.size() ? "rest" : colours.of(p.name);
    before.parts.push_back(
        {static_cast<double>(p.source_bytes), "part " + style, p.name + ": " + format_bytes(p.source_bytes)});
    after.parts.push_back(
        {static_cast<double>(p.output_bytes), "part " + style, p.name + ": " + format_bytes(p.output_bytes)});
    add(rows,
        R"(<tr><td class="long"><span class="box {}"></span>{}</td><td class="n">{}</td><td class="n">{}</td></tr>)"
        "\n",
        style, escaped(p.name, 60), format_bytes(p.source_bytes), format_bytes(p.output_bytes));
  }
  chart.bars = {before, after};
  add(out,
      "<section>\n<h2>Size</h2>\n<figure>{}</figure>\n<table><thead><tr><th>part</th><th "
      "class=\"n\">source</th>"
      "<th class=\"n\">output</th></tr></thead><tbody>\n{}</tbody></table></section>\n",
      to_svg(chart), rows);
}

void add_phases(std::string& out, const CompressionReport& r) {
  if (r.phases.empty()) return;
  std::vector<PhaseTime> phases = r.phases;
  double sum = 0;
  for (PhaseTime& p : phases) {
    if (!is_time(p.seconds)) p.seconds = 0;
    sum += p.seconds;
  }
  const bool has_rest = is_time(r.seconds) && r.seconds > 1.001 * sum;
  if (has_rest) phases.push_back({"other", r.seconds - sum});
  const double total = has_rest ? r.seconds : sum;
  Bar bar{"", duration(total), {}};
  std::string rows;
  for (size_t i = 0; i < phases.size(); ++i) {
    const PhaseTime& p = phases[i];
    const std::string style = part_style(i, has_rest && i + 1 == phases.size());
    bar.parts.push_back({p.seconds, "part " + style, p.name + ": " + duration(p.seconds)});
    add(rows,
        R"(<tr><td class="long"><span class="box {}"></span>{}</td><td class="n">{}</td><td class="n">{}</td></tr>)"
        "\n",
        style, escaped(p.name, 60), duration(p.seconds),
        total > 0 ? fmt::format("{:.0f} %", 100 * p.seconds / total) : "–");
  }
  add(out,
      "<section>\n<h2>Time</h2>\n<figure>{}</figure>\n<table><thead><tr><th>phase</th><th "
      "class=\"n\">time</th>"
      "<th class=\"n\">share</th></tr></thead><tbody>\n{}</tbody></table></section>\n",
      to_svg(BarChart{"Seconds of each phase", {bar}}), rows);
}

void add_facts(std::string& out, const CompressionReport& r) {
  std::string rows;
  const auto fact = [&](std::string_view name, const std::string& text) {
    if (!text.empty()) add(rows, "<dt>{}</dt><dd>{}</dd>\n", name, text);
  };
  fact("calibration data", escaped(r.data.description, 2000));
  if (!r.data.hash.empty()) fact("token hash", "<code>" + escaped(r.data.hash) + "</code>");
  if (r.data.tokens > 0) {
    fact("amount", plural(r.data.tokens, "token") +
                       (r.data.sequences > 0 ? " in " + plural(r.data.sequences, "sequence") : ""));
  }
  for (const auto& [name, text] : r.facts) fact(escaped(name, 60), escaped(text, 2000));
  if (!rows.empty()) add(out, "<section>\n<h2>The run</h2>\n<dl class=\"facts\">\n{}</dl></section>\n", rows);
  if (!r.recipe.empty()) {
    add(out, "<section>\n<h2>Recipe</h2>\n<pre>{}</pre></section>\n", escaped_lines(r.recipe));
  }
}

}  // namespace tersor::html
