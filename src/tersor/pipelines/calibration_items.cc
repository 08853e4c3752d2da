#include "tersor/pipelines/calibration_items.h"

#include <algorithm>

#include "tersor/modeling/layer_linears.h"

namespace tersor {

CalibratedModules calibrated_modules(const CompressionPlan& plan) {
  CalibratedModules modules;
  for (size_t m = 0; m < plan.decisions.size(); ++m) {
    if (plan.decisions[m].calibrated) modules[plan.inventory.modules[m].name.name] = m;
  }
  return modules;
}

size_t finished_layers(const CompressionPlan& plan, const ModelConfig& model,
                       const CalibratedModules& modules, const CalibrationItems& items,
                       const RecordsByItem& records) {
  const auto is_finished = [&](size_t l) {
    if (!records.contains(items.layer(l))) return false;
    if (plan.calibration->kv_cache_scheme && !records.contains(items.kv(l))) return false;
    return std::ranges::all_of(layer_linears(model, l), [&](const LayerLinear& linear) {
      const auto m = modules.find(linear.name);
      return m == modules.end() || records.contains(items.module(m->second));
    });
  };
  size_t l = 0;
  while (l < plan.calibration->layers && is_finished(l)) ++l;
  return l;
}

}  // namespace tersor
