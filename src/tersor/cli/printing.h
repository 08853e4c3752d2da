// Reports as people read them. Each returns the text; nothing here prints.
#pragma once

#include <string>

#include "tersor/base/error.h"
#include "tersor/entrypoints/about.h"
#include "tersor/entrypoints/evaluate.h"
#include "tersor/entrypoints/generate.h"
#include "tersor/entrypoints/inspect.h"
#include "tersor/entrypoints/oneshot.h"
#include "tersor/entrypoints/plan.h"
#include "tersor/entrypoints/verify.h"

namespace tersor {

std::string to_text(const PlanReport& report);
std::string to_text(const CompressionSummary& summary);
std::string to_text(const InspectReport& report);
std::string to_text(const VerifyReport& report);
// How it went, in one line; the text itself is printed as it comes.
std::string to_text(const GenerateReport& report);
std::string to_text(const EvaluateReport& report);
std::string to_text(const AboutReport& report);
// "error: …" and "help: …", as they go to stderr.
std::string to_text(const Error& error);

}  // namespace tersor
