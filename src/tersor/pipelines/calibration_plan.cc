#include "tersor/pipelines/calibration_plan.h"

#include <algorithm>
#include <map>
#include <set>

#include <fmt/format.h>

#include "tersor/base/error.h"
#include "tersor/compressors/compressor.h"
#include "tersor/modeling/layer_linears.h"
#include "tersor/modeling/read_model_config.h"
#include "tersor/quantization/activation_statistics.h"
#include "tersor/quantization/fused_modules.h"

namespace tersor {
namespace {

Error refused(const std::string& message, const std::string& help) {
  return {ErrorCode::kPlanRefused, message, help};
}

bool needs_data(const ModuleDecision& decision, const QuantizationScheme& scheme) {
  return decision.gptq || scheme.weights->observer == "imatrix_mse" ||
         !activation_tensors(scheme, DType::kBF16).empty();
}

// One scale per tensor is what readers take for activations that are not measured at run time.
void check_activations(const QuantizationScheme& scheme) {
  if (scheme.output_activations && scheme.output_activations->dynamic != Dynamic::kTrue) {
    throw refused(
        fmt::format("static scales of the output activations of `{}` cannot be calibrated in this version",
                    scheme.targets.empty() ? "Linear" : scheme.targets[0]),
        "take output_activations away: no engine quantizes the outputs of a linear; cached keys and values "
        "have "
        "scales by kv_cache_scheme");
  }
  const auto& input = scheme.input_activations;
  if (!input || input->dynamic == Dynamic::kTrue) return;
  if (input->dynamic == Dynamic::kFalse && input->strategy != Strategy::kTensor) {
    throw refused(
        fmt::format("static activations of strategy `{}` cannot be calibrated", to_string(input->strategy)),
        "one scale per tensor is what engines take: strategy: tensor");
  }
  validate_activation_observer(*input, fmt::format("the input activations of `{}`",
                                                   scheme.targets.empty() ? "Linear" : scheme.targets[0]));
}

// GPTQ needs the inputs of a product; rows that are looked up have none.
void round_embeddings(CompressionPlan& plan) {
  for (size_t m = 0; m < plan.decisions.size(); ++m) {
    if (plan.inventory.modules[m].name.module_class == ModuleClass::kEmbedding)
      plan.decisions[m].gptq.reset();
  }
}

// Members of a set that has one range are calibrated when one of them is.
void calibrate_whole_sets(CompressionPlan& plan) {
  std::map<std::string, bool> sets;
  const auto key_of = [&](size_t m) -> std::optional<std::string> {
    if (!plan.decisions[m].scheme || !shares_range_across_fused_set(plan.schemes[*plan.decisions[m].scheme]))
      return std::nullopt;
    return fused_key(plan.inventory.modules[m].name.name);
  };
  for (size_t m = 0; m < plan.decisions.size(); ++m) {
    if (const auto key = key_of(m)) sets[*key] |= plan.decisions[m].calibrated;
  }
  for (size_t m = 0; m < plan.decisions.size(); ++m) {
    if (const auto key = key_of(m)) plan.decisions[m].calibrated |= sets[*key];
  }
}

// Where each linear of the decoder stands: its layer, or the number of layers for the head.
std::map<std::string, size_t> places_of_linears(const ModelConfig& model) {
  std::map<std::string, size_t> places;
  for (size_t l = 0; l < model.layers.size(); ++l) {
    for (const LayerLinear& linear : layer_linears(model, l)) places[linear.name] = l;
  }
  places[model.head_name] = model.layers.size();
  return places;
}

ModelConfig runnable_model(const Checkpoint& checkpoint, const CalibrationPlan& calibration) {
  try {
    return read_model_config(checkpoint.config, (checkpoint.folder / "config.json").string());
  } catch (const Error& e) {
    throw refused(
        fmt::format("this recipe needs to run the model on calibration data, which is not possible:\n  {}\n"
                    "it is needed because {}",
                    e.what(), calibration.reasons.empty() ? "of its schemes" : calibration.reasons[0]),
        "FP8_DYNAMIC, FP8_BLOCK, W8A8, W4A16, NVFP4A16, MXFP4 and MXFP8 need none with "
        "QuantizationModifier (`--method rtn`)");
  }
}

}  // namespace

void plan_calibration(const Checkpoint& checkpoint, std::vector<std::string> reasons,
                      const std::optional<QuantizationArgs>& kv_cache_scheme, CompressionPlan& plan) {
  round_embeddings(plan);
  if (kv_cache_scheme) validate_activation_observer(*kv_cache_scheme, "kv_cache_scheme");
  bool any = kv_cache_scheme.has_value();
  for (ModuleDecision& decision : plan.decisions) {
    if (!decision.scheme) continue;
    check_activations(plan.schemes[*decision.scheme]);
    decision.calibrated = needs_data(decision, plan.schemes[*decision.scheme]);
    any |= decision.calibrated;
  }
  if (!any) return;
  calibrate_whole_sets(plan);

  CalibrationPlan calibration;
  calibration.reasons = std::move(reasons);
  calibration.kv_cache_scheme = kv_cache_scheme;
  const ModelConfig model = runnable_model(checkpoint, calibration);
  const std::map<std::string, size_t> places = places_of_linears(model);
  for (size_t m = 0; m < plan.decisions.size(); ++m) {
    if (!plan.decisions[m].calibrated) continue;
    const std::string& name = plan.inventory.modules[m].name.name;
    const auto place = places.find(name);
    if (place == places.end()) {
      throw refused(
          fmt::format("`{}` cannot be calibrated: it is no linear of the decoder layers, which are what runs "
                      "on calibration data",
                      name),
          fmt::format("leave it as it is: {}", flags_to_ignore(plan.inventory, name)));
    }
    const auto& gptq = plan.decisions[m].gptq;
    calibration.source_stream |= gptq && gptq->asymmetric_calibration;
    calibration.head |= place->second == model.layers.size();
    calibration.layers = std::max(calibration.layers, std::min(place->second + 1, model.layers.size()));
  }
  if (calibration.head || kv_cache_scheme) calibration.layers = model.layers.size();
  plan.calibration = std::move(calibration);
}

}  // namespace tersor
