// What the plots and tables of a report show: its linears gathered by class and by layer. Internal.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "tersor/entrypoints/report_html.h"

namespace tersor::html {

// A mean over finite values; others are not counted.
class Mean {
 public:
  void add(double v);
  double value() const;  // NaN over nothing

 private:
  double sum_ = 0;
  uint64_t count_ = 0;
};

// Mean errors of what was written and of plain rounding, over the linears for which both are known.
struct Comparison {
  Mean error, rounding;

  void add(const LinearReport& linear);
  // error / rounding − 1: −0.4 is "40 % less than rounding"; NaN when there is nothing to compare.
  double change() const;
};

struct ClassSummary {
  std::string name;
  std::string scheme;  // of its first linear, "…" behind it where others have another
  uint64_t modules = 0;
  Mean error;
  Comparison comparison;
  const LinearReport* worst = nullptr;  // the linear with the largest known error
  uint64_t least_tokens = 0;            // that one of its linears saw
  // Mean errors, one per Summary::layers, NaN where there are none; empty for classes that are not drawn.
  std::vector<double> by_layer, rounding_by_layer;
};

// What is beyond is in tables and means alone. Models have up to twenty classes and 130 layers; a file of
// hostile names must not cost classes × layers.
constexpr size_t kDrawnClasses = 40, kDrawnLayers = 512;

// Refers to the report, which must outlive it.
struct Summary {
  bool is_output = false;       // "error" is output_error; else weight_error, as no output error is known
  std::vector<int64_t> layers;  // that have a linear, ascending; the drawn ones, none below 0
  std::vector<ClassSummary> classes;  // in order of first appearance
  Mean error;
  Comparison comparison;

  double error_of(const LinearReport& linear) const {
    return is_output ? linear.output_error : linear.weight_error;
  }
};

Summary summarize(const CompressionReport& report);

}  // namespace tersor::html
