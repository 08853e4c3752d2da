#include "tersor/pipelines/finished_output.h"

#include <fmt/format.h>

#include "tersor/base/error.h"
#include "tersor/io/file.h"

namespace tersor {
namespace {

namespace fs = std::filesystem;

// The size of a regular file; what is wrong with it otherwise, in `change`.
bool has_size(const fs::path& folder, const std::string& name, uint64_t bytes, std::string& change) {
  std::error_code error;
  if (!fs::is_regular_file(fs::status(folder / name, error))) {
    change = fmt::format("{} is missing", name);
  } else if (const uint64_t found = fs::file_size(folder / name, error); found != bytes) {
    change = fmt::format("{} has {} bytes, not {}", name, found, bytes);
  }
  return change.empty();
}

bool begins_with(const fs::path& folder, const std::string& name, std::string_view text,
                 std::string& change) {
  std::string found(text.size(), '\0');
  File(folder / name, File::Open::kRead).read_at(0, std::as_writable_bytes(std::span(found)));
  if (found != text) change = fmt::format("{} was edited", name);
  return change.empty();
}

std::string find_change(const fs::path& folder, const CompressionPlan& plan) {
  std::string change;
  for (const auto& [name, text] : plan.texts) {
    if (!has_size(folder, name, text.size(), change) || !begins_with(folder, name, text, change))
      return change;
  }
  for (const PlannedShard& shard : plan.shards) {
    if (!has_size(folder, shard.file_name, shard.bytes, change) ||
        !begins_with(folder, shard.file_name, shard.header, change))
      return change;
  }
  for (const OtherFile& file : plan.carried) {
    if (!has_size(folder, file.relative_path, file.bytes, change)) return change;
  }
  return change;
}

}  // namespace

std::string finished_record(const std::string& fingerprint) { return "tersor " + fingerprint + "\n"; }

void set_fingerprint(CompressionPlan& plan, const std::string& fingerprint) {
  plan.fingerprint = fingerprint;
  for (auto& [name, text] : plan.texts) {
    if (name == kRecordName) text = finished_record(fingerprint);
  }
}

FinishedOutput find_finished(const fs::path& folder, const CompressionPlan& plan) {
  constexpr uint64_t kMaxRecord = 4096;
  FinishedOutput output;
  std::error_code error;
  if (!fs::is_regular_file(fs::status(folder / kRecordName, error))) return output;
  output.has_record = true;
  if (fs::file_size(folder / kRecordName, error) > kMaxRecord) return output;
  output.same_plan = read_file(folder / kRecordName, kMaxRecord) == finished_record(plan.fingerprint);
  if (output.same_plan) output.change = find_change(folder, plan);
  return output;
}

}  // namespace tersor
