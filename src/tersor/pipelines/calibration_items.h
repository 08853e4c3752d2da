// Items of a calibrated run in the journal, and which layers an earlier run has finished.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "tersor/modeling/model_config.h"
#include "tersor/pipelines/compression_plan.h"
#include "tersor/pipelines/journal.h"

namespace tersor {

// The modules that wait for statistics, by name, as indices into the plan's.
using CalibratedModules = std::map<std::string, size_t>;
CalibratedModules calibrated_modules(const CompressionPlan& plan);

// Those of the work list, then modules, layers, the layers' cache scales, the head.
class CalibrationItems {
 public:
  CalibrationItems(size_t work_items, const CompressionPlan& plan)
      : work_items_(work_items), modules_(plan.decisions.size()), layers_(plan.calibration->layers) {}

  bool is_work(uint32_t item) const { return item < work_items_; }
  uint32_t module(size_t m) const { return static_cast<uint32_t>(work_items_ + m); }
  uint32_t layer(size_t l) const { return module(modules_) + static_cast<uint32_t>(l); }
  uint32_t kv(size_t l) const { return layer(layers_) + static_cast<uint32_t>(l); }
  uint32_t head() const { return kv(layers_); }
  uint32_t count() const { return head() + 1; }

 private:
  size_t work_items_, modules_, layers_;
};

using RecordsByItem = std::map<uint32_t, const JournalRecord*>;

// Layers from the first on that are finished, with every module of theirs.
size_t finished_layers(const CompressionPlan& plan, const ModelConfig& model,
                       const CalibratedModules& modules, const CalibrationItems& items,
                       const RecordsByItem& records);

}  // namespace tersor
