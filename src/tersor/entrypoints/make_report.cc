#include "tersor/entrypoints/make_report.h"

#include <charconv>
#include <cmath>
#include <map>

#include <fmt/format.h>

#include "tersor/base/version.h"

namespace tersor {
namespace {

double relative(double squared_error, double squared_norm) {
  return squared_norm > 0 ? std::sqrt(squared_error / squared_norm) : LinearReport::kUnknown;
}

// The index behind "experts." in a module's name; -1: it is no routed expert's.
int64_t expert_of(const std::string& module) {
  constexpr std::string_view kExperts = ".experts.";
  const size_t at = module.find(kExperts);
  if (at == std::string::npos) return -1;
  const char* begin = module.data() + at + kExperts.size();
  int64_t expert = -1;
  const auto [end, error] = std::from_chars(begin, module.data() + module.size(), expert);
  return error == std::errc() && end != begin ? expert : -1;
}

// Whether a module of a run that goes on has no figures yet.
bool is_waiting(const std::string& module, const ModuleDecision& decision,
                std::optional<size_t> layers_done) {
  if (!layers_done || !decision.calibrated) return false;
  const int64_t layer = layer_of(module);
  return layer < 0 || layer >= static_cast<int64_t>(*layers_done);
}

// Classes in the order of their first module, then what is stored as it was.
std::vector<SizePart> sizes_by_class(const CompressionPlan& plan) {
  std::vector<SizePart> sizes;
  std::map<std::string, size_t> index;
  SizePart kept{.name = "stored as they are"};
  for (size_t m = 0; m < plan.decisions.size(); ++m) {
    const SourceModule& module = plan.inventory.modules[m];
    if (!module.has_weight) continue;
    const ModuleDecision& decision = plan.decisions[m];
    const uint64_t bytes = *num_bytes(module.shape, module.dtype);
    if (!decision.scheme) {
      kept.source_bytes += bytes;
      kept.output_bytes += bytes;
      continue;
    }
    const std::string name = class_of(module.name.name);
    const auto [at, fresh] = index.try_emplace(name, sizes.size());
    if (fresh) sizes.push_back({.name = name});
    SizePart& part = sizes[at->second];
    part.source_bytes += bytes;
    for (const auto* tensors : {&decision.stored, &decision.activations}) {
      for (const size_t t : *tensors) part.output_bytes += plan.shards[module.place.shard].tensors[t].bytes();
    }
  }
  if (kept.source_bytes > 0) sizes.push_back(std::move(kept));
  return sizes;
}

// Of each layer with routed experts: tokens that its experts' inputs saw.
std::vector<ExpertTokens> expert_tokens(const CompressionPlan& plan,
                                        const std::vector<PieceStatistics>& modules,
                                        std::optional<size_t> layers_done) {
  std::map<int64_t, std::map<int64_t, uint64_t>> layers;
  for (size_t m = 0; m < modules.size(); ++m) {
    const std::string& name = plan.inventory.modules[m].name.name;
    const int64_t expert = expert_of(name);
    if (expert < 0 || !plan.decisions[m].calibrated) continue;
    if (is_waiting(name, plan.decisions[m], layers_done)) continue;
    uint64_t& tokens = layers[layer_of(name)][expert];
    tokens = std::max(tokens, modules[m].tokens);
  }
  std::vector<ExpertTokens> out;
  for (const auto& [layer, experts] : layers) {
    out.push_back({.layer = layer, .tokens = {}});
    for (const auto& [expert, tokens] : experts) {
      out.back().tokens.resize(static_cast<size_t>(expert) + 1);
      out.back().tokens.back() = tokens;
    }
  }
  return out;
}

}  // namespace

std::string class_of(const std::string& module) {
  const std::string group = group_name(module);
  const size_t star = group.rfind("*.");
  const std::string tail = star == std::string::npos ? group : group.substr(star + 2);
  if (group.find("experts.*.") != std::string::npos) return "experts." + tail;
  size_t dot = tail.rfind('.');
  const bool numbered =
      dot != std::string::npos && tail.find_first_not_of("0123456789", dot + 1) == std::string::npos;
  if (numbered && dot > 0) dot = tail.rfind('.', dot - 1);  // "mlp.0"
  return dot == std::string::npos ? tail : tail.substr(dot + 1);
}

int64_t layer_of(const std::string& module) {
  for (size_t dot = module.find('.'); dot != std::string::npos; dot = module.find('.', dot + 1)) {
    int64_t layer = -1;
    const auto [end, error] = std::from_chars(module.data() + dot + 1, module.data() + module.size(), layer);
    if (error == std::errc() && layer >= 0 && *end == '.') return layer;
  }
  return -1;
}

CompressionReport make_report(const Session& session, const CompressionSummary& summary,
                              const std::vector<PieceStatistics>& modules,
                              std::optional<size_t> layers_done) {
  const CompressionPlan& plan = session.plan;
  CompressionReport report;
  report.model = session.checkpoint.folder.string();
  report.output = summary.output;
  report.source_bytes = summary.source_bytes;
  report.output_bytes = summary.output_bytes;
  report.seconds = summary.seconds;
  report.peak_memory = summary.peak_memory;
  report.recipe = session.recipe.yaml;
  report.facts.emplace_back("program", fmt::format("tersor {}", version()));
  for (size_t m = 0; m < modules.size(); ++m) {
    const ModuleDecision& decision = plan.decisions[m];
    if (!decision.scheme) continue;
    if (decision.gptq) report.method = "GPTQ";
    const PieceStatistics& s = modules[m];
    const std::string& name = plan.inventory.modules[m].name.name;
    if (is_waiting(name, decision, layers_done)) continue;
    report.linears.push_back({.module = name,
                              .layer = layer_of(name),
                              .module_class = class_of(name),
                              .scheme = describe(plan.schemes[*decision.scheme]),
                              .output_error = relative(s.output_error, s.output_norm),
                              .rounding_error = relative(s.rounding_output_error, s.output_norm),
                              .weight_error = relative(s.squared_error, s.squared_norm),
                              .tokens = s.tokens});
  }
  report.sizes = sizes_by_class(plan);
  report.experts = expert_tokens(plan, modules, layers_done);
  report.finished = !layers_done;
  report.layers = plan.calibration ? plan.calibration->layers : 0;
  report.layers_done = layers_done.value_or(report.layers);
  if (summary.calibration) {
    const CalibrationReport& c = *summary.calibration;
    report.facts.emplace_back("back end", c.backend);
    report.notes = c.notes;
    report.data = {.description = c.data, .hash = c.data_hash, .sequences = c.samples, .tokens = c.tokens};
    for (const auto& [name, seconds] : c.seconds) report.phases.push_back({name, seconds});
  }
  return report;
}

}  // namespace tersor
