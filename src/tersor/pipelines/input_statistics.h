// What calibration learns of the input that a group of linears shares (docs/how-it-works.md, "Statistics").
#pragma once

#include <utility>
#include <vector>

#include "tersor/backend/backend.h"
#include "tersor/quantization/activation_statistics.h"

namespace tersor {

struct StatisticsNeeds {
  bool hessian = false;         // XᵀX
  bool cross = false;           // (X̃ − X)ᵀX, X̃ what the source model gives; asks for the Hessian too
  bool squares = false;         // Σ x_j², where there is no Hessian, whose diagonal it is
  ActivationNeeds activations;  // of scales that the input gets

  // With what another linear of the same input needs.
  void add(const StatisticsNeeds& other);
};

// The range of each row of x on the host; NaN in both ends where a row holds one.
std::vector<MinMax> ranges_of_rows(Backend& backend, const DeviceTensor& x);

// Whether every element of x is a number.
bool all_finite(Backend& backend, const DeviceTensor& x);

// Sums over tokens; one statistic per input, not per linear. Padding never gets here: samples have their own
// lengths.
class InputStatistics {
 public:
  InputStatistics(Backend& backend, size_t width, StatisticsNeeds needs);

  // Adds rows [rows, width] of one or more sequences; `sequence_rows`: how many rows each has, in order.
  // `source`: the same rows of the source model, where `cross` is needed.
  void add(const DeviceTensor& x, const std::vector<size_t>& sequence_rows, const DeviceTensor& source = {});
  // Ends the sums: H becomes 2/n · XᵀX, the cross product 2/n · (X̃ − X)ᵀX.
  void finish();

  uint64_t tokens() const { return tokens_; }
  // Whether all that was measured is finite; after finish().
  bool finite() const { return finite_; }
  // [width, width] f32, empty where it was not asked for.
  const DeviceTensor& hessian() const { return hessian_; }
  // Takes it away, so that it can be stored elsewhere.
  DeviceTensor take_hessian() { return std::exchange(hessian_, {}); }
  // [width, width] f32, row i of input x̃_i − x_i; empty where it was not asked for.
  const DeviceTensor& cross() const { return cross_; }
  // Mean x_j² of each column; empty where neither it nor the Hessian was asked for.
  const std::vector<float>& mean_squares() const { return mean_squares_; }
  const ActivationStatistics& activations() const { return activations_; }

  // Takes those of others, where no token came.
  void lend(const ActivationStatistics& others) { activations_.add(others); }

  // Bytes that these needs take at most.
  static uint64_t bytes(size_t width, const StatisticsNeeds& needs);

 private:
  Backend& backend_;
  StatisticsNeeds needs_;
  DeviceTensor hessian_, cross_, squares_;
  std::vector<float> mean_squares_;
  ActivationStatistics activations_;
  uint64_t tokens_ = 0;
  bool finite_ = true;
};

}  // namespace tersor
