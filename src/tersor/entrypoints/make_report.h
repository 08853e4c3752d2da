// From a finished compression to the report of it. Internal.
#pragma once

#include "tersor/entrypoints/oneshot.h"
#include "tersor/entrypoints/report_html.h"
#include "tersor/entrypoints/session.h"
#include "tersor/pipelines/journal.h"

namespace tersor {

// `modules`: one per module of the inventory. `layers_done`: of a run that goes on, the layers that are
// calibrated; null: it is finished.
CompressionReport make_report(const Session& session, const CompressionSummary& summary,
                              const std::vector<PieceStatistics>& modules,
                              std::optional<size_t> layers_done = std::nullopt);

// "experts.down_proj", "q_proj": the role of a module in its layer.
std::string class_of(const std::string& module);

// The layer in a module's name, the first number between dots; -1: none.
int64_t layer_of(const std::string& module);

}  // namespace tersor
