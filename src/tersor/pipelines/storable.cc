#include "tersor/pipelines/storable.h"

#include <cmath>

#include <fmt/format.h>

#include "tersor/base/error.h"
#include "tersor/pipelines/compression_plan.h"

namespace tersor {
namespace {

Error damaged(const SourceModule& module, const std::string& what, const ModuleInventory& inventory) {
  return input_error(
      fmt::format("`{}.weight` {}", module.name.name, what),
      fmt::format("the checkpoint is damaged or was trained to overflow: download it again, or leave the "
                  "module as it is: {}",
                  flags_to_ignore(inventory, module.name.name)));
}

}  // namespace

void require_finite(bool finite, const SourceModule& module, const std::string& where,
                    const ModuleInventory& inventory) {
  if (!finite) throw damaged(module, fmt::format("in {} holds a NaN or an infinity", where), inventory);
}

void require_storable(const BlockStatistics& rows, const QuantizationScheme& scheme,
                      const SourceModule& module, const std::string& where,
                      const ModuleInventory& inventory) {
  require_finite(rows.finite, module, where, inventory);
  // Neither an infinite scale nor an infinite weight has an error.
  if (std::isfinite(rows.squared_error)) return;
  throw damaged(module,
                fmt::format("in {} holds values too large for {}: scales or dequantized weights would be "
                            "infinite in {}",
                            where, describe(scheme), dtype_name(module.dtype)),
                inventory);
}

}  // namespace tersor
