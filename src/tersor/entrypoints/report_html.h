// The report of a calibrated compression as one HTML page, to look at, to keep beside the model, to mail.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

namespace tersor {

// One quantized linear. A figure that nobody measured is NaN: the page says so or leaves it out.
struct LinearReport {
  static constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();

  std::string module;        // full name: "model.layers.3.mlp.experts.17.down_proj"
  int64_t layer = -1;        // of the decoder, from 0; below 0: outside of it (lm_head)
  std::string module_class;  // what a line of a plot stands for: "q_proj", "experts.down_proj"
  std::string scheme;        // "W4A16"
  // √(tr(ΔW H ΔWᵀ) / tr(W H Wᵀ)) of what was written, and of rounding the same weight to nearest.
  double output_error = kUnknown;
  double rounding_error = kUnknown;
  double weight_error = kUnknown;  // ‖W − Ŵ‖_F / ‖W‖_F
  uint64_t tokens = 0;             // rows of its input that the calibration saw
};

struct PhaseTime {
  std::string name;  // "load weights", "Hessians", "solve"
  double seconds = 0;
};

// Bytes before and after of a part of the checkpoint: "q_proj", "embeddings", "stored as they are".
struct SizePart {
  std::string name;
  uint64_t source_bytes = 0;
  uint64_t output_bytes = 0;
};

// How many calibration tokens the router sent to each routed expert of one layer, by the expert's number.
struct ExpertTokens {
  int64_t layer = 0;
  std::vector<uint64_t> tokens;
};

struct ReportedData {
  std::string description;  // "ultrachat_200k, train_sft, 512 conversations through the chat template"
  std::string hash;         // of the token ids
  uint64_t sequences = 0;
  uint64_t tokens = 0;  // padding left out
};

// Everything but `model` may be left empty or zero; the page then has no place for it.
struct CompressionReport {
  std::string model;   // as the user named it
  std::string output;  // folder
  std::string method;  // what stands beside plain rounding in plots: "GPTQ"
  // More to know about the run, as "name: text" in the order given: {"backend", "cpu, AVX512-BF16"}, …
  std::vector<std::pair<std::string, std::string>> facts;
  std::vector<std::string> notes;     // what the user should know: "layer 3: damping raised to 0.1"
  std::vector<LinearReport> linears;  // classes are drawn in the order in which they come first
  std::vector<PhaseTime> phases;      // in order of time; of one run, so that they add up to `seconds`
  std::vector<SizePart> sizes;        // add up to the two totals below, or empty
  uint64_t source_bytes = 0;
  uint64_t output_bytes = 0;
  double seconds = 0;
  uint64_t peak_memory = 0;  // bytes
  std::string recipe;        // its text
  ReportedData data;
  std::vector<ExpertTokens> experts;  // layers with routed experts, by layer
  // Of a run that goes on: the layers that are calibrated, of how many; later ones have no linears here.
  bool finished = true;
  uint64_t layers_done = 0;
  uint64_t layers = 0;
};

// The page: UTF-8, well-formed as XML too, light or dark as the reader's system is. It is one file that loads
// nothing and runs no script; a policy inside says so to the browser. Names and texts may hold anything: they
// are shown, never interpreted, with control characters and what is not UTF-8 made visible. The same report
// gives the same bytes. Size grows with linears and experts (30 layers: 130 kB; 16 layers of 64 experts: 370
// kB; 58 layers of 256: 2 MB) up to a bound: the table of modules ends after the thousand with the largest
// error, and plots after 40 classes, 512 layers, 1024 experts. Throws nothing of its own; may be called from
// any thread.
std::string to_html(const CompressionReport& report);

// The same for programs, with every module; a figure that nobody measured is null.
std::string to_json(const CompressionReport& report);

}  // namespace tersor
