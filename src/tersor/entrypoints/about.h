// tersor::about: what this program computes with on this machine.
#pragma once

#include <string>

namespace tersor {

struct AboutReport {
  std::string version;
  std::string cpu;      // instructions that matrix products use: "AVX512-BF16", and how many CPUs may be used
  std::string kernels;  // the vector instructions that quantize weights: "AVX3"
  std::string matmul;   // dtype of matrix products that `auto` takes, and why
  std::string backend;  // of generate and eval, in full
};

AboutReport about();

}  // namespace tersor
