#include <csignal>

#include <fcntl.h>

#include "tersor/cli/run.h"

namespace {

// Whoever closed a standard descriptor gets it back as /dev/null: the next file that is opened would
// otherwise take its number, and messages would be written into it.
void fill_standard_descriptors() {
  for (int fd = 0; fd <= 2; ++fd) {
    if (::fcntl(fd, F_GETFD) == -1) (void)::open("/dev/null", O_RDWR);
  }
}

}  // namespace

int main(int argc, char** argv) {
  fill_standard_descriptors();
  // A file size limit (ulimit -f) is then a failed write with its reason, not a silent death.
  std::signal(SIGXFSZ, SIG_IGN);
  return tersor::run(argc, argv);
}
