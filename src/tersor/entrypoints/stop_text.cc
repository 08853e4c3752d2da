#include "tersor/entrypoints/stop_text.h"

#include <algorithm>

namespace tersor {

std::string StopText::push(std::string_view piece) {
  if (found_) return "";
  held_ += piece;
  // The one that is complete first, whatever the pieces are; of two at once the longer.
  size_t stop_at = std::string::npos, stop_end = std::string::npos;
  for (const std::string& stop : stops_) {
    const size_t at = held_.find(stop);
    if (at == std::string::npos || at + stop.size() > stop_end) continue;
    stop_at = at + stop.size() < stop_end ? at : std::min(at, stop_at);
    stop_end = at + stop.size();
  }
  if (stop_at != std::string::npos) {
    found_ = true;
    std::string text = held_.substr(0, stop_at);
    held_.clear();
    return text;
  }
  // The longest end of the text that begins a stop string waits.
  size_t waiting = 0;
  for (const std::string& stop : stops_) {
    for (size_t n = std::min(stop.size() - 1, held_.size()); n > waiting; --n) {
      if (held_.ends_with(std::string_view(stop).substr(0, n))) waiting = n;
    }
  }
  std::string text = held_.substr(0, held_.size() - waiting);
  held_.erase(0, text.size());
  return text;
}

std::string StopText::finish() {
  std::string text = std::move(held_);
  held_.clear();
  return text;
}

}  // namespace tersor
