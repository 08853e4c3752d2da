#include "tersor/entrypoints/report_file.h"

#include <fmt/format.h>

#include "tersor/base/error.h"
#include "tersor/io/output_folder.h"
#include "tersor/io/paths.h"

namespace tersor {
namespace {

bool is_json(const std::string& file) { return file.ends_with(".json"); }

}  // namespace

void check_report_files(const std::vector<std::string>& files, const std::filesystem::path& output) {
  for (const std::string& file : files) {
    if (!is_json(file) && !file.ends_with(".html")) {
      throw usage_error(fmt::format("the report `{}` is neither a .html nor a .json file", file),
                        "end its name in .html for a page to look at, in .json for programs");
    }
    const std::filesystem::path folder = std::filesystem::absolute(file).parent_path();
    if (!std::filesystem::is_directory(folder)) {
      throw usage_error(
          fmt::format("the report `{}` cannot be written: there is no folder {}", file, folder.string()),
          fmt::format("make it: mkdir -p '{}'", folder.string()));
    }
    if (std::filesystem::is_directory(file)) {
      throw usage_error(fmt::format("the report `{}` cannot be written: it is a folder", file),
                        "give the name of a file");
    }
    if (lies_in(file, output)) {
      throw usage_error(
          fmt::format("the report `{}` lies in the output folder {}, which holds the checkpoint alone", file,
                      output.string()),
          "give a place beside it");
    }
  }
}

void write_report_files(const std::vector<std::string>& files, const CompressionReport& report) {
  for (const std::string& file : files)
    write_file_atomically(file, is_json(file) ? to_json(report) : to_html(report));
}

std::filesystem::path work_report_path(const std::filesystem::path& staging) {
  return staging / fmt::format("{}report.json", kWorkingFilePrefix);
}

}  // namespace tersor
