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
  std::string checks;                 // how the weights were checked, in words
  std::vector<std::string> notes;     // what is worth knowing and no failure
  std::vector<std::string> failures;  // each names the tensor and what was expected; empty: all is well
};

// Reads every tensor of `output` and compares it with `reference`, the source it was made from.
//
// What Tersor wrote (`writer` in its shards says so) is made anew from the reference and the recipe.yaml that
// lies with it: config.json and the index are held against the plan, every code, scale and zero point against
// what compression gives, byte for byte. Of what others wrote, or where recipe.yaml cannot be used (of
// Tersor's output that is a failure in itself), the error that the codes make is measured and bounded, and
// config.json held against the tensors; `checks` says which it was. Always: scales are finite and above zero,
// untouched tensors byte-equal, no tensor and no file of tensors is there that nothing names. A reference of
// which most tensors do not fit is told in one failure with a few examples.
//
// Memory is a few row blocks per thread. Throws tersor::Error(kInput) when one of the two cannot be read at
// all or `output` is not quantized.
VerifyReport verify(const std::string& output, const std::string& reference, size_t threads = 0,
                    const std::function<void(uint64_t done, uint64_t total)>& progress = {});

std::string to_json(const VerifyReport& report);

}  // namespace tersor
