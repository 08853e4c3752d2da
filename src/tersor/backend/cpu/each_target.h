// Every SIMD target that this CPU runs, for tests of tables that are chosen at run time. Included after
// foreach_target.h: Highway decides on its targets once.
#pragma once

#include <vector>

#include "hwy/targets.h"

namespace tersor {

// f() once per target, with HWY_DYNAMIC_DISPATCH choosing it. Not to be called while another thread
// dispatches.
template <typename F>
void each_supported_target(F&& f) {
  for (const int64_t target : hwy::SupportedAndGeneratedTargets()) {
    hwy::SetSupportedTargetsForTest(target);
    f();
  }
  hwy::SetSupportedTargetsForTest(0);
}

// What `chosen` gives for each.
template <typename Table>
std::vector<const Table*> tables_of_targets(const Table& (*chosen)()) {
  std::vector<const Table*> tables;
  each_supported_target([&] { tables.push_back(&chosen()); });
  return tables;
}

}  // namespace tersor
