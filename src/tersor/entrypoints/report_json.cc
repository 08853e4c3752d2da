// The reports as JSON: keys are the names of the fields.
#include "tersor/entrypoints/evaluate.h"
#include "tersor/entrypoints/generate.h"
#include "tersor/entrypoints/inspect.h"
#include "tersor/entrypoints/oneshot.h"
#include "tersor/entrypoints/plan.h"
#include "tersor/entrypoints/tokenize.h"
#include "tersor/entrypoints/verify.h"
#include "tersor/io/json.h"

namespace tersor {

std::string to_json(const PlanReport& r) {
  Json groups = Json::array(), problems = Json::array();
  for (const ModuleGroup& g : r.groups) {
    Json item = {{"name", g.name},
                 {"count", g.count},
                 {"shape", g.shape},
                 {"source_bytes", g.source_bytes},
                 {"output_bytes", g.output_bytes}};
    if (g.scheme.empty()) {
      item["reason"] = g.reason;
    } else {
      item["scheme"] = g.scheme;
      item["format"] = g.format;
    }
    groups.push_back(std::move(item));
  }
  for (const LoadProblem& p : r.problems) {
    problems.push_back({{"rule", p.rule},
                        {"reader", p.reader},
                        {"fatal", p.fatal},
                        {"message", p.message},
                        {"fix", p.fix},
                        {"modules", p.modules}});
  }
  Json calibration;
  if (r.calibration) {
    const CalibrationPrediction& c = *r.calibration;
    calibration = {{"reasons", c.reasons},
                   {"tokens", c.tokens},
                   {"forward_operations", c.forward_operations},
                   {"statistics_operations", c.statistics_operations},
                   {"solve_operations", c.solve_operations},
                   {"seconds", c.seconds},
                   {"memory", c.memory},
                   {"layer_memory", c.layer_memory},
                   {"hessian_memory", c.hessian_memory},
                   {"solve_memory", c.solve_memory},
                   {"batch_memory", c.batch_memory},
                   {"state_memory", c.state_memory},
                   {"disk", c.disk}};
  }
  return dump_json({{"model", r.model},
                    {"groups", groups},
                    {"problems", problems},
                    {"loadable", r.loadable},
                    {"writable", r.writable},
                    {"loads_in", r.loads_in},
                    {"fails_in", r.fails_in},
                    {"tensors", r.tensors},
                    {"shards", r.shards},
                    {"source_bytes", r.source_bytes},
                    {"output_bytes", r.output_bytes},
                    {"peak_memory", r.peak_memory},
                    {"threads", r.threads},
                    {"seconds", r.seconds},
                    {"disk_bytes_per_second", r.disk_bytes_per_second},
                    {"calibration", calibration},
                    {"notes", r.notes},
                    {"skipped_files", r.skipped_files}});
}

std::string to_json(const std::string& text) {
  return Json(text).dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string to_json(const CompressionSummary& s) {
  Json classes = Json::array();
  for (const ClassErrors& c : s.classes) {
    classes.push_back({{"name", c.name},
                       {"modules", c.modules},
                       {"scheme", c.scheme},
                       {"relative_error", c.relative_error},
                       {"worst_error", c.worst_error},
                       {"worst_module", c.worst_module},
                       {"zero_groups", c.zero_groups}});
    if (c.output_error > 0) {
      classes.back()["output_error"] = c.output_error;
      classes.back()["rounding_output_error"] = c.rounding_output_error;
    }
  }
  Json calibration;
  if (s.calibration) {
    const CalibrationReport& c = *s.calibration;
    Json seconds = Json::object();
    for (const auto& [phase, value] : c.seconds) seconds[phase] = value;
    calibration = {{"data", c.data},     {"data_hash", c.data_hash}, {"samples", c.samples},
                   {"tokens", c.tokens}, {"backend", c.backend},     {"resumed_layers", c.resumed_layers},
                   {"seconds", seconds}, {"notes", c.notes}};
  }
  return dump_json({{"output", s.output},
                    {"already_done", s.already_done},
                    {"classes", classes},
                    {"calibration", calibration},
                    {"relative_error", s.relative_error},
                    {"source_bytes", s.source_bytes},
                    {"output_bytes", s.output_bytes},
                    {"resumed_bytes", s.resumed_bytes},
                    {"seconds", s.seconds},
                    {"peak_memory", s.peak_memory}});
}

std::string to_json(const GenerateReport& r) {
  return dump_json({{"text", r.text},
                    {"prompt_ids", r.prompt_ids},
                    {"ids", r.ids},
                    {"finish_reason", r.finish_reason},
                    {"backend", r.backend},
                    {"load_seconds", r.load_seconds},
                    {"prompt_seconds", r.prompt_seconds},
                    {"tokens_per_second", r.tokens_per_second},
                    {"warnings", r.warnings}});
}

std::string to_json(const EvaluateReport& r) {
  Json json = {{"model", r.model},
               {"perplexity", r.perplexity},
               {"mean_nll", r.mean_nll},
               {"tokens", r.tokens},
               {"predicted_tokens", r.predicted_tokens},
               {"windows", r.windows},
               {"backend", r.backend},
               {"seconds", r.seconds},
               {"peak_memory", r.peak_memory},
               {"warnings", r.warnings}};
  if (r.reference) {
    json["reference"] = {{"perplexity", r.reference->perplexity},
                         {"kl_mean", r.reference->kl_mean},
                         {"kl_p99", r.reference->kl_p99},
                         {"top1_agreement", r.reference->top1_agreement}};
  }
  return dump_json(json);
}

std::string to_json(const TokenizeReport& r) {
  return dump_json({{"text", r.text}, {"ids", r.ids}, {"tokens", r.tokens}});
}

std::string to_json(const InspectReport& r) {
  Json classes = Json::array();
  for (const TensorClass& c : r.classes) {
    classes.push_back({{"name", c.name},
                       {"modules", c.modules},
                       {"scheme", c.scheme},
                       {"format", c.format},
                       {"shape", c.shape},
                       {"bytes", c.bytes},
                       {"dense_bytes", c.dense_bytes}});
  }
  return dump_json({{"folder", r.folder},
                    {"model_type", r.model_type},
                    {"quantization", r.quantization},
                    {"classes", classes},
                    {"tensors", r.tensors},
                    {"shards", r.shards},
                    {"bytes", r.bytes},
                    {"dense_bytes", r.dense_bytes}});
}

std::string to_json(const VerifyReport& r) {
  Json modules = Json::array();
  for (const TensorCheck& c : r.modules)
    modules.push_back({{"module", c.module}, {"scheme", c.scheme}, {"relative_error", c.relative_error}});
  return dump_json({{"modules", modules},
                    {"equal_tensors", r.equal_tensors},
                    {"relative_error", r.relative_error},
                    {"checks", r.checks},
                    {"notes", r.notes},
                    {"failures", r.failures}});
}

}  // namespace tersor
