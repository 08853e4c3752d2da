#include "tersor/entrypoints/report_html.h"

#include <algorithm>
#include <cmath>
#include <string_view>

#include "tersor/base/text.h"
#include "tersor/base/version.h"
#include "tersor/entrypoints/html/markup.h"
#include "tersor/entrypoints/html/sections.h"
#include "tersor/entrypoints/html/style.h"
#include "tersor/entrypoints/html/summary.h"

// Pages stay well-formed XML: elements without content that HTML does not know as empty are written in full,
// and every text passes through html::escaped. A section is left out when the report has nothing for it.
namespace tersor {
namespace {

using html::add;
using html::escaped;
using html::Summary;

void add_tile(std::string& out, std::string_view name, std::string_view figure, std::string_view below) {
  add(out,
      R"(<div class="tile"><dt>{}</dt><dd class="figure">{}</dd><dd>{}</dd></div>)"
      "\n",
      name, figure, below);
}

void add_header(std::string& out, const CompressionReport& r) {
  add(out, R"(<header><p class="kicker">Compression report</p><h1>{}</h1>)", escaped(r.model));
  std::vector<std::string> schemes;
  for (const LinearReport& l : r.linears) {
    if (schemes.size() < 6 && std::find(schemes.begin(), schemes.end(), l.scheme) == schemes.end())
      schemes.push_back(l.scheme);
  }
  std::string line = escaped(r.method);
  for (const std::string& scheme : schemes) line += (line.empty() ? "" : " · ") + escaped(scheme, 40);
  if (!r.output.empty())
    line += (line.empty() ? "" : " · ") + ("written to <code>" + escaped(r.output) + "</code>");
  add(out, "<p>{}</p>\n", line);
}

void add_tiles(std::string& out, const CompressionReport& r, const Summary& s) {
  out += R"(<dl class="tiles">)"
         "\n";
  if (r.output_bytes > 0) {
    const double ratio = static_cast<double>(r.source_bytes) / static_cast<double>(r.output_bytes);
    add_tile(
        out, "Size", format_bytes(r.output_bytes),
        r.source_bytes == 0 ? "" : fmt::format("from {} ({:.2f}×)", format_bytes(r.source_bytes), ratio));
  }
  if (!std::isnan(s.error.value())) {
    const std::string change = html::change_text(s.comparison.change());
    add_tile(out, s.is_output ? "Output error" : "Weight error", html::percent(s.error.value()),
             change.empty() ? "mean of the linears" : change + " than plain rounding");
  }
  if (!r.linears.empty()) {
    add_tile(out, "Quantized", format_count(r.linears.size()),
             fmt::format("{} in {}", r.linears.size() == 1 ? "linear" : "linears",
                         html::plural(s.layers.size(), "layer")));
  }
  if (r.data.tokens > 0) {
    add_tile(out, "Calibration tokens", format_count(r.data.tokens),
             r.data.sequences > 0 ? html::plural(r.data.sequences, "sequence") : "");
  }
  if (r.seconds > 0) {
    add_tile(out, "Time", html::duration(r.seconds),
             r.peak_memory > 0 ? "peak memory " + format_bytes(r.peak_memory) : "");
  }
  out += "</dl>\n";
}

void add_notes(std::string& out, const CompressionReport& r) {
  if (r.notes.empty()) return;
  out += R"(<ul class="notes">)"
         "\n";
  for (const std::string& note : r.notes) add(out, "<li>{}</li>\n", escaped(note, 2000));
  out += "</ul>\n";
}

}  // namespace

std::string to_html(const CompressionReport& r) {
  const Summary s = html::summarize(r);
  std::string out;
  add(out,
      "<!DOCTYPE html>\n<html xmlns=\"http://www.w3.org/1999/xhtml\" lang=\"en\">\n<head><meta "
      "charset=\"utf-8\"/>\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
      "'unsafe-inline'\"/>\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n"
      "<title>{} · Tersor</title>\n<style>{}</style></head>\n<body>\n",
      escaped(r.model), html::kStyleSheet);
  add_header(out, r);
  add_tiles(out, r, s);
  add_notes(out, r);
  out += "</header>\n<main>\n";
  html::add_error_by_layer(out, s);
  html::add_comparison(out, r, s);
  html::add_error_map(out, s);
  html::add_experts(out, r);
  html::add_modules(out, r, s);
  out += "<div class=\"columns\">\n";
  html::add_sizes(out, r, s);
  html::add_phases(out, r);
  out += "</div>\n";
  html::add_facts(out, r);
  add(out, "</main>\n<footer>Tersor {}</footer>\n</body></html>\n", version());
  return out;
}

}  // namespace tersor
