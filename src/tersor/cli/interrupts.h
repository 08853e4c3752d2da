// What Ctrl-C says of a run whose finished pieces are kept.
#pragma once

namespace tersor {

// While it lives, SIGINT and SIGTERM end the process as they always do, after a line on stderr that says how
// to go on. One at a time.
class SayHowToGoOn {
 public:
  SayHowToGoOn();
  ~SayHowToGoOn();
  SayHowToGoOn(const SayHowToGoOn&) = delete;
  SayHowToGoOn& operator=(const SayHowToGoOn&) = delete;
};

}  // namespace tersor
