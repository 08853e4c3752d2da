// The one error type of the project: what went wrong, and what the user can do about it.
//
// A message says what was expected, what came, which tensor and which file; the help says how to mend it.
// The library throws and never prints; `cli/` catches, prints and maps the code to the exit status.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace tersor {

// The values are the program's exit statuses: do not change them.
enum class ErrorCode : int {
  kRuntime = 1,      // the machine failed us: disk full, read-only folder, lost race
  kUsage = 2,        // the command line or the recipe is wrong
  kInput = 3,        // the checkpoint is broken or not one we can read
  kPlanRefused = 4,  // the request is clear, but no reader would load its result
};

class Error : public std::runtime_error {
 public:
  Error(ErrorCode code, const std::string& message, std::string help = "")
      : std::runtime_error(message), code_(code), help_(std::move(help)) {}

  ErrorCode code() const { return code_; }
  const std::string& help() const { return help_; }

 private:
  ErrorCode code_;
  std::string help_;
};

inline Error runtime_error(const std::string& message, std::string help = "") {
  return {ErrorCode::kRuntime, message, std::move(help)};
}
inline Error usage_error(const std::string& message, std::string help = "") {
  return {ErrorCode::kUsage, message, std::move(help)};
}
inline Error input_error(const std::string& message, std::string help = "") {
  return {ErrorCode::kInput, message, std::move(help)};
}

}  // namespace tersor
