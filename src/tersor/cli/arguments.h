// What the user asked for on the command line.
#pragma once

#include <optional>
#include <string>

#include "tersor/entrypoints/evaluate.h"
#include "tersor/entrypoints/generate.h"
#include "tersor/entrypoints/request.h"
#include "tersor/entrypoints/tokenize.h"

namespace tersor {

enum class Command { kNone, kCompress, kPlan, kInspect, kVerify, kGenerate, kEval, kTokenize, kVersion };

struct Arguments {
  Command command = Command::kNone;
  CompressionRequest request;  // compress, plan
  GenerateRequest generate;
  EvaluateRequest eval;
  TokenizeRequest tokenize;
  bool text_from_stdin = false;  // tokenize: neither --prompt nor --text
  std::string output;            // compress: the folder to make
  std::string folder;            // inspect, verify
  std::string reference;         // verify
  bool overwrite = false;
  bool quiet = false;
  bool json = false;
  bool verbose = false;               // version
  std::optional<std::string> sample;  // compress: a prompt to run the result on
  std::vector<std::string> reports;   // compress: files for the report, .html or .json
  std::string log_json;               // compress: a file for one JSON object per event
};

// Parses argv. Throws Error(kUsage) with the nearest valid flag for one that does not exist. When help was
// asked for, `help` is set and nothing else counts.
Arguments parse_arguments(int argc, const char* const* argv, std::string& help);

}  // namespace tersor
