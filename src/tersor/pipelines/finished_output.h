// Whether a folder is the finished result of a plan: what a run leaves in it to be known by.
//
// `.tersor` in the output holds one line, "tersor <fingerprint>\n". The fingerprint (CompressionPlan) stands
// for the source files as they were, the recipe and the program's version; shards hold nothing of the kind,
// so that equal weights give equal shards wherever and whenever they are compressed.
#pragma once

#include <filesystem>
#include <string>

#include "tersor/pipelines/compression_plan.h"

namespace tersor {

inline constexpr const char* kRecordName = ".tersor";

// The record of a plan with this fingerprint.
std::string finished_record(const std::string& fingerprint);
// Gives a plan the fingerprint that its run goes by, where more than the plan decides the result (calibration
// data).
void set_fingerprint(CompressionPlan& plan, const std::string& fingerprint);

struct FinishedOutput {
  bool has_record = false;  // a run of this program finished it
  bool same_plan = false;   // a run of this plan
  // same_plan, and a file that is no longer as the run left it: "model.safetensors is missing"; empty: all
  // files have their planned sizes, and headers and texts their planned bytes (weights are not read).
  std::string change;
};

// Looks and touches nothing.
FinishedOutput find_finished(const std::filesystem::path& folder, const CompressionPlan& plan);

}  // namespace tersor
