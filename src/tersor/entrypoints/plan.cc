#include "tersor/entrypoints/plan.h"

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

#include <fmt/format.h>

#include "tersor/base/text.h"
#include "tersor/entrypoints/predict_calibration.h"
#include "tersor/entrypoints/session.h"

namespace tersor {
namespace {

// What a program that copies files gets from a common solid-state disk; only the prediction uses it.
constexpr double kDiskBytesPerSecond = 1e9;

// Collects modules of one name pattern, shape and fate.
class Groups {
 public:
  ModuleGroup& at(const std::string& name, const Shape& shape, const std::string& scheme,
                  const std::string& reason) {
    const auto [it, fresh] = index_.try_emplace({name, shape, scheme, reason}, groups_.size());
    if (fresh) {
      groups_.emplace_back();
      groups_.back().name = name;
      groups_.back().shape = shape;
      groups_.back().scheme = scheme;
      groups_.back().reason = reason;
    }
    return groups_[it->second];
  }

  std::vector<ModuleGroup> take() {
    std::ranges::stable_sort(groups_, {}, [](const ModuleGroup& g) { return g.scheme.empty(); });
    return std::move(groups_);
  }

 private:
  std::map<std::tuple<std::string, Shape, std::string, std::string>, size_t> index_;
  std::vector<ModuleGroup> groups_;
};

std::vector<ModuleGroup> module_groups(const CompressionPlan& plan) {
  Groups groups;
  std::vector<std::string> schemes;
  for (const QuantizationScheme& scheme : plan.schemes) schemes.push_back(describe(scheme));
  for (size_t m = 0; m < plan.decisions.size(); ++m) {
    const SourceModule& module = plan.inventory.modules[m];
    const ModuleDecision& decision = plan.decisions[m];
    const uint64_t bytes = module.has_weight ? *num_bytes(module.shape, module.dtype) : 0;
    const std::string name = group_name(module.name.name);
    if (!decision.scheme) {
      ModuleGroup& g = groups.at(name, module.shape, "", decision.reason);
      ++g.count;
      g.source_bytes += bytes;
      g.output_bytes += bytes;
      continue;
    }
    ModuleGroup& g = groups.at(name, module.shape, schemes[*decision.scheme], "");
    g.format = format_name(*plan.schemes[*decision.scheme].format);
    ++g.count;
    g.source_bytes += bytes;
    for (const size_t t : decision.stored)
      g.output_bytes += plan.shards[module.place.shard].tensors[t].bytes();
  }
  return groups.take();
}

double predict_seconds(const Session& session) {
  double compute = 0;
  std::vector<uint64_t> bytes(session.plan.schemes.size());
  DType dtype = DType::kBF16;
  for (size_t m = 0; m < session.plan.decisions.size(); ++m) {
    const SourceModule& module = session.plan.inventory.modules[m];
    if (!session.plan.decisions[m].scheme) continue;
    bytes[*session.plan.decisions[m].scheme] += *num_bytes(module.shape, module.dtype);
    dtype = module.dtype;
  }
  for (size_t s = 0; s < bytes.size(); ++s)
    compute += static_cast<double>(bytes[s]) * seconds_per_byte(session.plan.schemes[s], dtype);
  const double disk =
      static_cast<double>(session.plan.source_bytes + session.plan.output_bytes) / kDiskBytesPerSecond;
  return std::max(compute / static_cast<double>(session.threads), disk);
}

// Flags about calibration data that were given; max_memory, which holds without data too, is left out.
std::vector<std::string> data_flags(const CalibrationSettings& given) {
  const CalibrationSettings none;
  const std::pair<const char*, bool> flags[] = {
      {"--dataset", given.dataset != none.dataset},
      {"--text-column", given.text_column != none.text_column},
      {"--split", given.split != none.split},
      {"--samples", given.samples != none.samples},
      {"--max-seq-length", given.max_seq_length != none.max_seq_length},
      {"--seed", given.seed != none.seed},
      {"--shuffle", given.shuffle},
      {"--packing", given.packing.has_value()},
      {"--sequential-scope", given.sequential_scope != none.sequential_scope},
      {"--no-propagate-error", !given.propagate_error},
      {"--state-dtype", given.state_dtype != none.state_dtype},
      {"--least-expert-tokens", given.least_expert_tokens != none.least_expert_tokens},
  };
  std::vector<std::string> names;
  for (const auto& [flag, was_given] : flags) {
    if (was_given) names.push_back(flag);
  }
  return names;
}

}  // namespace

PlanReport report_of(const Session& session) {
  const CompressionPlan& plan = session.plan;
  PlanReport report;
  report.model = session.checkpoint.folder.string();
  report.groups = module_groups(plan);
  for (const LoadIssue& issue : plan.issues) {
    report.problems.push_back(
        {issue.rule, issue.reader, issue.fatal, issue.message, issue.fix, issue.modules});
  }
  const std::vector<Reader> loading = readers_that_load(plan.issues);
  for (const Reader& reader : known_readers()) {
    auto& list = std::ranges::find(loading, reader) != loading.end() ? report.loads_in : report.fails_in;
    list.push_back(std::string(reader.name) + " " + std::string(reader.version));
  }
  report.loadable = loads_in(plan, session.reader);
  report.writable = plan.writable;
  report.source_bytes = plan.source_bytes;
  for (const SkippedFile& file : session.checkpoint.skipped_files)
    report.skipped_files.push_back(file.relative_path + ": " + file.reason);
  const std::vector<std::string> unused = data_flags(session.calibration);
  if (!plan.calibration && !unused.empty()) {
    report.notes.push_back(fmt::format(
        "{} without effect: nothing of the recipe looks at calibration data (`--method gptq` would)",
        quoted_list(unused, "and")));
  }
  report.threads = session.threads;
  if (!plan.writable) return report;
  for (const PlannedShard& shard : plan.shards) report.tensors += shard.tensors.size();
  report.shards = plan.shards.size();
  report.output_bytes = plan.output_bytes;
  report.peak_memory = predict_peak_memory(plan, session.threads);
  report.seconds = predict_seconds(session);
  report.disk_bytes_per_second = kDiskBytesPerSecond;
  if (plan.calibration) {
    report.calibration = predict_calibration(session);
    report.peak_memory = std::max(report.peak_memory, report.calibration->memory);
    report.seconds += report.calibration->seconds;
  }
  return report;
}

PlanReport plan(const CompressionRequest& request) { return report_of(open_session(request)); }

}  // namespace tersor
