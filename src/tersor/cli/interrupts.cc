#include "tersor/cli/interrupts.h"

#include <csignal>
#include <string_view>

#include <unistd.h>

namespace tersor {
namespace {

constexpr int kSignals[] = {SIGINT, SIGTERM};

// Only what a signal handler may call. The line of progress that stands there keeps its place.
void say_and_end(int signal) {
  constexpr std::string_view kText =
      "\ninterrupted: what is finished is kept, and the same command goes on from there\n";
  (void)!::write(STDERR_FILENO, kText.data(), kText.size());
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

}  // namespace

SayHowToGoOn::SayHowToGoOn() {
  // A signal that the parent process had this one ignore (nohup, `&` in a script) stays ignored.
  for (const int signal : kSignals) {
    if (std::signal(signal, say_and_end) == SIG_IGN) std::signal(signal, SIG_IGN);
  }
}

SayHowToGoOn::~SayHowToGoOn() {
  for (const int signal : kSignals) {
    if (std::signal(signal, SIG_DFL) == SIG_IGN) std::signal(signal, SIG_IGN);
  }
}

}  // namespace tersor
