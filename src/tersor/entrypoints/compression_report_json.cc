// The report of a compression for programs: what the page shows, every module of it. What nobody measured is
// null.
#include <cmath>
#include <map>

#include "tersor/entrypoints/html/summary.h"
#include "tersor/entrypoints/report_html.h"
#include "tersor/io/json.h"

namespace tersor {
namespace {

Json number(double value) { return std::isfinite(value) ? Json(value) : Json(); }

Json linears(const CompressionReport& r) {
  Json list = Json::array();
  for (const LinearReport& l : r.linears) {
    list.push_back({{"module", l.module},
                    {"layer", l.layer < 0 ? Json() : Json(l.layer)},
                    {"class", l.module_class},
                    {"scheme", l.scheme},
                    {"output_error", number(l.output_error)},
                    {"rounding_output_error", number(l.rounding_error)},
                    {"weight_error", number(l.weight_error)},
                    {"tokens", l.tokens}});
  }
  return list;
}

// Means of the linears of each layer.
Json errors_by_layer(const CompressionReport& r) {
  struct Means {
    html::Mean output, rounding, weight;
  };
  std::map<int64_t, Means> layers;
  for (const LinearReport& l : r.linears) {
    if (l.layer < 0) continue;
    Means& means = layers[l.layer];
    means.output.add(l.output_error);
    means.rounding.add(l.rounding_error);
    means.weight.add(l.weight_error);
  }
  Json list = Json::array();
  for (const auto& [layer, means] : layers) {
    list.push_back({{"layer", layer},
                    {"output_error", number(means.output.value())},
                    {"rounding_output_error", number(means.rounding.value())},
                    {"weight_error", number(means.weight.value())}});
  }
  return list;
}

}  // namespace

std::string to_json(const CompressionReport& r) {
  Json facts = Json::object(), phases = Json::object(), sizes = Json::array(), experts = Json::array();
  for (const auto& [name, text] : r.facts) facts[name] = text;
  for (const PhaseTime& p : r.phases) phases[p.name] = number(p.seconds);
  for (const SizePart& p : r.sizes)
    sizes.push_back({{"name", p.name}, {"source_bytes", p.source_bytes}, {"output_bytes", p.output_bytes}});
  for (const ExpertTokens& e : r.experts) experts.push_back({{"layer", e.layer}, {"tokens", e.tokens}});
  return dump_json({{"finished", r.finished},
                    {"layers_done", r.layers_done},
                    {"layers", r.layers},
                    {"model", r.model},
                    {"output", r.output},
                    {"method", r.method},
                    {"facts", facts},
                    {"recipe", r.recipe},
                    {"data",
                     {{"description", r.data.description},
                      {"hash", r.data.hash},
                      {"samples", r.data.sequences},
                      {"tokens", r.data.tokens}}},
                    {"source_bytes", r.source_bytes},
                    {"output_bytes", r.output_bytes},
                    {"seconds", number(r.seconds)},
                    {"phases", phases},
                    {"peak_memory", r.peak_memory},
                    {"sizes", sizes},
                    {"experts", experts},
                    {"errors_by_layer", errors_by_layer(r)},
                    {"modules", linears(r)},
                    {"notes", r.notes}});
}

}  // namespace tersor
