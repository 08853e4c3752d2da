// oneDNN's CPU, one for the program. For .cc files of this folder alone.
#pragma once

#include <dnnl.hpp>

namespace tersor {

inline const dnnl::engine& engine() {
  static const dnnl::engine kEngine(dnnl::engine::kind::cpu, 0);
  return kEngine;
}

}  // namespace tersor
