// Weights that no scheme can hold are told by name, before their bytes become part of the output.
#pragma once

#include <string>

#include "tersor/compressors/compressor.h"
#include "tersor/pipelines/module_inventory.h"

namespace tersor {

// Throws Error(kInput) when rows of `module` hold a NaN or an infinity (`finite` false). `where` says which
// rows, and of which file.
void require_finite(bool finite, const SourceModule& module, const std::string& where,
                    const ModuleInventory& inventory);

// Besides: when their values are so large that a scale, or a weight made from it again, is infinite in the
// dtype that it is stored in.
void require_storable(const BlockStatistics& rows, const QuantizationScheme& scheme,
                      const SourceModule& module, const std::string& where, const ModuleInventory& inventory);

}  // namespace tersor
