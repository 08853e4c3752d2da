#include <csignal>

#include "tersor/cli/run.h"

int main(int argc, char** argv) {
  // A file size limit (ulimit -f) is then a failed write with its reason, not a silent death.
  std::signal(SIGXFSZ, SIG_IGN);
  return tersor::run(argc, argv);
}
