#include <algorithm>

#include <fmt/format.h>

#include "tersor/pipelines/compression_plan.h"

namespace tersor {
namespace {

std::string describe(const QuantizationArgs& args) {
  std::string text = fmt::format("{}{}",
                                 args.type == QuantizationType::kInt ? "int"
                                 : is_mx(args)                       ? "mxfp"
                                                                     : "fp",
                                 args.num_bits);
  switch (args.strategy) {
    case Strategy::kGroup:
    case Strategy::kTensorGroup:
      text += fmt::format(" group {}", args.group_size.value_or(0));
      break;
    case Strategy::kBlock:
      if (args.block_structure)
        text += fmt::format(" block {}x{}", (*args.block_structure)[0], (*args.block_structure)[1]);
      break;
    default:
      text += fmt::format(" {}", to_string(args.strategy));
      break;
  }
  if (args.strategy == Strategy::kTensorGroup) text += " + global scale";
  if (!args.symmetric) text += " asymmetric";
  if (args.dynamic == Dynamic::kTrue) text += " dynamic";
  return text;
}

}  // namespace

std::string describe(const QuantizationScheme& scheme) {
  if (!scheme.weights) return "weights as they are";
  std::string text = describe(*scheme.weights);
  const auto& observer = scheme.weights->observer;
  if (observer && observer->find("mse") != std::string::npos) text += " (" + *observer + ")";
  if (scheme.input_activations) text += ", input " + describe(*scheme.input_activations);
  if (scheme.output_activations) text += ", output " + describe(*scheme.output_activations);
  return text;
}

std::string group_name(std::string_view name) {
  std::string out;
  size_t begin = 0;
  while (begin <= name.size()) {
    const size_t end = std::min(name.find('.', begin), name.size());
    const std::string_view part = name.substr(begin, end - begin);
    const bool number =
        !part.empty() && std::ranges::all_of(part, [](char c) { return c >= '0' && c <= '9'; });
    if (begin > 0) out += '.';
    out += number && end < name.size() ? "*" : part;
    begin = end + 1;
  }
  return out;
}

}  // namespace tersor
