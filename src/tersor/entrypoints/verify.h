// tersor::verify: reads a compressed checkpoint back and compares it with its source.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace tersor {

struct TensorCheck {
  std::string module;
  std::string scheme;
  double relative_error = 0;  // ‖W − Ŵ‖_F / ‖W‖_F
};

struct VerifyReport {
  std::vector<TensorCheck> modules;   // quantized ones, by name
  uint64_t equal_tensors = 0;         // untouched tensors, found byte-equal
  double relative_error = 0;          // over all quantized weights
  std::vector<std::string> failures;  // each names the tensor and what was expected; empty: all is well
};

// Reads every tensor of `output`: dequantizes and compares with `reference` (the source), checks that scales
// are finite and not zero, that untouched tensors are byte-equal, and that config.json agrees with the
// tensors. Throws tersor::Error(kInput) when one of the two cannot be read at all.
VerifyReport verify(const std::string& output, const std::string& reference, size_t threads = 0,
                    const std::function<void(uint64_t done, uint64_t total)>& progress = {});

std::string to_json(const VerifyReport& report);

}  // namespace tersor
