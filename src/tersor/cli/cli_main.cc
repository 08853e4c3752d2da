#include <csignal>
#include <cstdlib>

#include <fcntl.h>
#include <unistd.h>

#include "tersor/cli/run.h"

namespace {

// Whoever closed a standard descriptor gets it back as /dev/null: the next file that is opened would
// otherwise take its number, and messages would be written into it.
void fill_standard_descriptors() {
  for (int fd = 0; fd <= 2; ++fd) {
    if (::fcntl(fd, F_GETFD) == -1) (void)::open("/dev/null", O_RDWR);
  }
}

// Threads of OpenMP that wait spin for milliseconds before they sleep. Where anything else runs on the same
// cores, a spinning thread holds the core that the one it waits for needs: three busy processes beside two
// threads make a calibration four times as slow. A few microseconds are enough, and as fast on an idle
// machine. libgomp reads the setting when it is loaded, before main(): so the program starts itself again,
// once, in a few milliseconds. Where that fails it goes on as it is.
void start_with_short_spinning(char** argv) {
  if (std::getenv("GOMP_SPINCOUNT") != nullptr || std::getenv("OMP_WAIT_POLICY") != nullptr) return;
  if (::setenv("GOMP_SPINCOUNT", "1000", 1) == 0) ::execv("/proc/self/exe", argv);
}

}  // namespace

int main(int argc, char** argv) {
  start_with_short_spinning(argv);
  fill_standard_descriptors();
  // A file size limit (ulimit -f) is then a failed write with its reason, not a silent death.
  std::signal(SIGXFSZ, SIG_IGN);
  return tersor::run(argc, argv);
}
