#include "tersor/cli/progress_line.h"

#include <cstdio>
#include <fstream>

#include <fmt/format.h>
#include <unistd.h>

#include "tersor/base/text.h"

namespace tersor {
namespace {

constexpr double kPlainLineSeconds = 10;

}  // namespace

uint64_t resident_bytes() {
  std::ifstream file("/proc/self/statm");
  uint64_t total = 0, resident = 0;
  file >> total >> resident;
  return resident * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
}

std::string progress_text(const RunProgress& p, uint64_t resident) {
  const double share = p.total == 0 ? 1.0 : static_cast<double>(p.done) / static_cast<double>(p.total);
  const bool calibrates = p.phase == "calibrating";
  std::string text = fmt::format("{:<11} {:3.0f} %  ", p.phase, 100 * share);
  text += calibrates ? p.at : fmt::format("{} of {}", format_bytes(p.done), format_bytes(p.total));
  const double here = static_cast<double>(p.done - p.resumed);
  // A rate of the first tenth of a second would promise anything.
  if (p.phase == "compressing" && p.seconds >= 0.1 && here > 0) {
    const double rate = here / p.seconds;
    text += fmt::format("  {}/s  {} left", format_bytes(static_cast<uint64_t>(rate)),
                        format_seconds(static_cast<double>(p.total - p.done) / rate));
  }
  if (p.tokens_per_second) text += fmt::format("  {:.0f} tokens/s", *p.tokens_per_second);
  if (p.seconds_left) text += fmt::format("  {} left", format_seconds(*p.seconds_left));
  return text + fmt::format("  memory {}", format_bytes(resident));
}

std::string to_json(const RunProgress& p, uint64_t resident) {
  const auto number = [](const std::optional<double>& v) { return v ? fmt::format("{:.3f}", *v) : "null"; };
  return fmt::format(
      R"({{"phase": "{}", "at": {}, "done": {}, "total": {}, "resumed": {}, "seconds": {:.3f}, )"
      R"("seconds_left": {}, "tokens_per_second": {}, "memory": {}}})",
      p.phase, to_json(p.at), p.done, p.total, p.resumed, p.seconds, number(p.seconds_left),
      number(p.tokens_per_second), resident);
}

std::string progress_text(const char* phase, double share, double seconds, uint64_t resident) {
  std::string text = fmt::format("{:<11} {:3.0f} %", phase, 100 * share);
  if (seconds >= 0.1 && share > 0)
    text += fmt::format("  {} left", format_seconds(seconds * (1 - share) / share));
  return text + fmt::format("  memory {}", format_bytes(resident));
}

ProgressLine::ProgressLine() : terminal_(::isatty(STDERR_FILENO) == 1) {}
ProgressLine::~ProgressLine() { clear(); }

void ProgressLine::clear() {
  if (drawn_) std::fputs("\r\033[K", stderr);
  drawn_ = false;
}

void ProgressLine::draw(const std::string& phase, double seconds, const std::string& text) {
  if (terminal_) {
    std::fputs(fmt::format("\r{}\033[K", text).c_str(), stderr);
    std::fflush(stderr);
    drawn_ = true;
    return;
  }
  if (phase == last_phase_ && seconds - last_ < kPlainLineSeconds) return;
  last_phase_ = phase;
  last_ = seconds;
  std::fputs((text + "\n").c_str(), stderr);
}

void ProgressLine::show(const RunProgress& p) {
  draw(p.phase, p.seconds, progress_text(p, resident_bytes()));
}

void ProgressLine::show(const char* phase, double share, double seconds) {
  draw(phase, seconds, progress_text(phase, share, seconds, resident_bytes()));
}

}  // namespace tersor
