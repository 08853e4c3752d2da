// Text that grows piece by piece and ends before the stop string that is complete first. Internal.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace tersor {

// What may still become a stop string is held back until it is decided.
class StopText {
 public:
  explicit StopText(std::vector<std::string> stops) : stops_(std::move(stops)) {}

  // The text that is certain by now; nothing more comes once found().
  std::string push(std::string_view piece);
  // What was held back, when the text ends here.
  std::string finish();
  bool found() const { return found_; }

 private:
  std::vector<std::string> stops_;
  std::string held_;
  bool found_ = false;
};

}  // namespace tersor
