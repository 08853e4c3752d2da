// The calibration text inside the program: data/calibration/builtin.txt, whose README tells what it is made
// of.
#pragma once

#include <string_view>

#include "tersor/datasets/document.h"

namespace tersor::datasets {

// The file's bytes.
std::string_view builtin_text();

// Its documents: what stands between lines with a form feed.
Documents builtin_documents();

}  // namespace tersor::datasets
