// Where reports of a compression go: files that the user names, and one that lies in the work folder while
// the run goes. Internal.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "tersor/entrypoints/report_html.h"

namespace tersor {

// Throws Error(kUsage) where a report could not be written when the work is done: a folder that does not
// exist, a name that ends in neither .html nor .json, a place inside of the output.
void check_report_files(const std::vector<std::string>& files, const std::filesystem::path& output);

// Each as its name says.
void write_report_files(const std::vector<std::string>& files, const CompressionReport& report);

// The report so far, as JSON, of the run whose work folder this is; the finished output does not hold it.
std::filesystem::path work_report_path(const std::filesystem::path& staging);

}  // namespace tersor
