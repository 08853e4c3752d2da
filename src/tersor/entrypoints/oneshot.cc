#include "tersor/entrypoints/oneshot.h"

#include <cmath>
#include <map>
#include <memory>

#include <fmt/format.h>

#include "tersor/base/error.h"
#include "tersor/entrypoints/calibrated_run.h"
#include "tersor/entrypoints/make_report.h"
#include "tersor/entrypoints/process_memory.h"
#include "tersor/entrypoints/report_file.h"
#include "tersor/entrypoints/session.h"
#include "tersor/io/paths.h"
#include "tersor/pipelines/data_free.h"
#include "tersor/pipelines/finished_output.h"

namespace tersor {
namespace {

double relative(double squared_error, double squared_norm) {
  return squared_norm > 0 ? std::sqrt(squared_error / squared_norm) : 0;
}

std::vector<ClassErrors> errors_by_class(const CompressionPlan& plan,
                                         const std::vector<PieceStatistics>& modules, double& overall) {
  std::map<std::pair<std::string, std::string>, size_t> index;
  std::vector<ClassErrors> classes;
  std::vector<PieceStatistics> sums;
  PieceStatistics total;
  for (size_t m = 0; m < modules.size(); ++m) {
    if (!plan.decisions[m].scheme) continue;
    const std::string& name = plan.inventory.modules[m].name.name;
    const std::string scheme = describe(plan.schemes[*plan.decisions[m].scheme]);
    const auto [it, fresh] = index.try_emplace({class_of(name), scheme}, classes.size());
    if (fresh) {
      classes.emplace_back();
      classes.back().name = class_of(name);
      classes.back().scheme = scheme;
      sums.emplace_back();
    }
    ClassErrors& c = classes[it->second];
    const PieceStatistics& s = modules[m];
    sums[it->second].squared_error += s.squared_error;
    sums[it->second].squared_norm += s.squared_norm;
    sums[it->second].output_error += s.output_error;
    sums[it->second].rounding_output_error += s.rounding_output_error;
    sums[it->second].output_norm += s.output_norm;
    total.squared_error += s.squared_error;
    total.squared_norm += s.squared_norm;
    ++c.modules;
    c.zero_groups += s.zero_groups;
    if (const double e = relative(s.squared_error, s.squared_norm); e >= c.worst_error) {
      c.worst_error = e;
      c.worst_module = name;
    }
  }
  for (size_t i = 0; i < classes.size(); ++i) {
    classes[i].relative_error = relative(sums[i].squared_error, sums[i].squared_norm);
    classes[i].output_error = relative(sums[i].output_error, sums[i].output_norm);
    classes[i].rounding_output_error = relative(sums[i].rounding_output_error, sums[i].output_norm);
  }
  overall = relative(total.squared_error, total.squared_norm);
  return classes;
}

RunProgress to_public(const Progress& p) {
  constexpr const char* kPhases[] = {"checking", "compressing", "calibrating", "finishing"};
  return {kPhases[static_cast<int>(p.phase)],
          p.done,
          p.total,
          p.resumed,
          p.seconds,
          p.at,
          p.seconds_left,
          p.tokens_per_second};
}

// Whether the output is this plan's finished result. Throws Error(kUsage) for one of another plan, and for
// one that was changed since.
bool is_finished(const std::string& output, const CompressionPlan& plan) {
  const FinishedOutput found = find_finished(output, plan);
  if (!found.has_record) return false;
  constexpr const char* kHelp = "give another output folder, or allow this one to be replaced (--overwrite)";
  if (!found.same_plan) {
    throw usage_error(
        fmt::format("{} is a finished result of another source, recipe or version of tersor", output), kHelp);
  }
  if (!found.change.empty()) {
    throw usage_error(
        fmt::format("{} was finished by this command and changed since: {}", output, found.change), kHelp);
  }
  finish_for_the_dead(output);
  return true;
}

}  // namespace

CompressionSummary oneshot(const CompressionRequest& request, const OneshotOptions& options) {
  if (options.output.empty()) throw usage_error("no output folder is named", "give one with `-o FOLDER`");
  Session session = open_session(request);
  if (lies_in(options.output, session.checkpoint.folder)) {
    throw usage_error(fmt::format("the output folder {} lies in the checkpoint's own folder {}",
                                  options.output, session.checkpoint.folder.string()),
                      "give a folder outside of it: the source is never written to");
  }
  if (lies_in(session.checkpoint.folder, options.output)) {
    throw usage_error(fmt::format("the output folder {} holds the checkpoint {}", options.output,
                                  session.checkpoint.folder.string()),
                      "give a folder that does not hold the source");
  }
  check_report_files(options.reports, options.output);
  if (options.planned) options.planned(report_of(session));
  if (!request.allow_unloadable || !session.plan.writable) refuse_unloadable(session.plan, session.reader);

  std::unique_ptr<CalibratedRun> calibrated;
  if (session.plan.calibration) {
    calibrated = std::make_unique<CalibratedRun>(session, request);
    for (const std::string& note : calibrated->notes()) {
      if (options.notice) options.notice(note);
    }
  }

  CompressionSummary summary;
  summary.output = options.output;
  summary.source_bytes = session.plan.source_bytes;
  summary.output_bytes = session.plan.output_bytes;
  summary.already_done = !options.overwrite && is_finished(options.output, session.plan);
  if (summary.already_done) return summary;

  OutputFolder output(options.output, options.overwrite);
  RunOptions run{.threads = session.threads,
                 .overwrite = options.overwrite,
                 .progress = {},
                 .progress_interval = options.progress_interval};
  if (options.progress) run.progress = [&](const Progress& p) { options.progress(to_public(p)); };
  const auto take = [&](const RunSummary& done) {
    if (calibrated) summary.calibration = calibrated->report();
    summary.resumed_bytes = done.resumed_bytes;
    summary.seconds = done.seconds;
    summary.peak_memory = peak_resident_bytes();
  };
  const auto layer_done = [&](const RunSummary& so_far, size_t layers) {
    take(so_far);
    write_file_atomically(work_report_path(output.staging()),
                          to_json(make_report(session, summary, so_far.modules, layers)));
  };
  const RunSummary done = calibrated ? calibrated->run(output, run, layer_done)
                                     : run_data_free(session.checkpoint, session.plan, output, run);
  take(done);
  summary.classes = errors_by_class(session.plan, done.modules, summary.relative_error);
  write_report_files(options.reports, make_report(session, summary, done.modules));
  return summary;
}

}  // namespace tersor
