// Progress on a terminal: one line that is drawn over; plain lines now and then where there is no terminal.
#pragma once

#include <string>

#include "tersor/entrypoints/oneshot.h"

namespace tersor {

// "compressing  42 %  1.3 of 3.1 GB  812 MB/s  2.2s left  memory 41 MB"
std::string progress_text(const RunProgress& progress, uint64_t resident_bytes);

// The same for programs; what is not known yet is null.
std::string to_json(const RunProgress& progress, uint64_t resident_bytes);

// "evaluating  42 %  3m 20s left  memory 41 MB"
std::string progress_text(const char* phase, double share, double seconds, uint64_t resident_bytes);

class ProgressLine {
 public:
  ProgressLine();   // looks whether stderr is a terminal
  ~ProgressLine();  // ends the line

  // Not safe to call from two threads at once.
  void show(const RunProgress& progress);
  void show(const char* phase, double share, double seconds);
  // Wipes the line, so that something else can be printed.
  void clear();

 private:
  void draw(const std::string& phase, double seconds, const std::string& text);

  bool terminal_ = false;
  bool drawn_ = false;
  double last_ = -1e9;  // seconds of the last plain line
  std::string last_phase_;
};

// Bytes of memory that the process holds now.
uint64_t resident_bytes();

}  // namespace tersor
