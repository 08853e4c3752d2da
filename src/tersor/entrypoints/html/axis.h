// Axes of plots: a logarithmic scale with round ticks, and which of many columns get a number. Internal.
#pragma once

#include <cstddef>
#include <vector>

namespace tersor::html {

// Whether a value has a place on a logarithmic axis; 0, NaN and infinity have none.
inline bool is_drawable(double v) { return v >= 1e-300 && v <= 1e300; }

// The least and the greatest drawable value that was added.
struct Range {
  double low = 0, high = 0;  // both 0: nothing was added

  bool empty() const { return high == 0; }
  void add(double v);
  // With a margin on both sides, and never of no width. Empty stays empty.
  Range padded() const;
};

// Maps [low, high] of a range onto [from, to] of a drawing.
class LogScale {
 public:
  LogScale(Range range, double from, double to);
  double operator()(double v) const;

 private:
  double log_low_, log_high_, from_, to_;
};

// Three to eight round values within the range: powers of ten, or 1, 2, 5 between them, or equal steps where
// the range is too narrow for that. Empty for an empty range.
std::vector<double> log_ticks(Range range);

// Every how many of `count` columns a number stands, so that at most `most` do: 1, 2, 5, 10, 20 …
size_t label_step(size_t count, size_t most);

}  // namespace tersor::html
