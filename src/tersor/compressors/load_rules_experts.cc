// Load rules: mixtures of experts. vLLM holds the experts of a layer as one module; Transformers 5 stacks
// them for most model types while it loads.
#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "tersor/base/text.h"
#include "tersor/compressors/load_fix.h"
#include "tersor/compressors/load_rule.h"
#include "tersor/compressors/vllm_schemes.h"

namespace tersor {
namespace {

// Model types whose experts Transformers 5.17 stacks from tensors of single experts, and dequantizes on the
// way (conversion_mapping.py: converters with "experts" and ".weight" in their patterns).
constexpr std::string_view kStacksExperts[] = {"afmoe",          "axk1",
                                               "axk2",           "cohere2_moe",
                                               "deepseek_ocr2",  "deepseek_v2",
                                               "deepseek_v3",    "deepseek_v32",
                                               "deepseek_v4",    "dots1",
                                               "ernie4_5_moe",   "ernie4_5_vl_moe",
                                               "exaone_moe",     "flex_olmo",
                                               "glm4_moe",       "glm4_moe_lite",
                                               "glm4v_moe",      "glm5_next",
                                               "glm_moe_dsa",    "hunyuan_v1_moe",
                                               "hy_v3",          "jamba",
                                               "kimi_k25",       "kimi_linear",
                                               "laguna",         "lfm2_moe",
                                               "longcat_flash",  "mellum",
                                               "mimo_v2_flash",  "minimax",
                                               "minimax_m2",     "minimax_m3_vl",
                                               "mixtral",        "nemotron_h",
                                               "olmoe",          "phimoe",
                                               "qwen2_moe",      "qwen3_5_moe_text",
                                               "qwen3_moe",      "qwen3_next",
                                               "qwen3_omni_moe", "qwen3_omni_moe_thinker",
                                               "qwen4_exp_text", "solar_open"};
// Model types whose experts it reads from stacked tensors only.
constexpr std::string_view kOnlyStackedExperts[] = {
    "dbrx",   "gemma4_text", "gpt_oss",  "granitemoe",       "granitemoehybrid", "granitemoeshared",
    "jetmoe", "llama4_text", "mistral4", "qwen3_vl_moe_text"};

template <size_t N>
bool among(const std::string_view (&names)[N], std::string_view name) {
  return std::ranges::find(names, name) != std::end(names);
}

const ViewedModule& at(const LoadView& view, int32_t index) {
  return view.modules[static_cast<size_t>(index)];
}

int32_t kind_of(const LoadView& view, int32_t module) {
  const int32_t scheme = at(view, module).scheme;
  return scheme < 0 ? -1 : view.schemes[static_cast<size_t>(scheme)].kind;
}

bool first_expert_is_of_one_kind(const LoadView& view, const Mixture& mixture) {
  return std::ranges::all_of(mixture.first,
                             [&](int32_t i) { return kind_of(view, i) == kind_of(view, mixture.first[0]); });
}

bool whole_words(uint64_t n, int bits) { return n * static_cast<uint64_t>(bits) % 32 == 0; }

// Gate and up write the intermediate size, down reads it.
bool is_down(const ViewedModule& m) {
  return m.split == Split::kColumns || m.leaf == "down_proj" || m.leaf == "w2";
}

std::string expert_fix(const QuantizationScheme& scheme) {
  if (scheme.weights->type == QuantizationType::kFloat) return "`--scheme FP8_DYNAMIC`";
  return scheme.input_activations && scheme.weights->num_bits == 8 ? "`--scheme W8A8`" : "`--scheme W4A16`";
}

// Schemes of experts that a condition holds for, with the experts that break it.
template <typename Condition, typename Message>
std::vector<Breach> each_expert_scheme(const LoadView& view, VllmImplementation implementation,
                                       Condition breaks, Message message) {
  std::vector<Breach> breaches;
  for (const SchemeUse& use : view.schemes) {
    if (use.experts.empty() || !use.scheme->weights) continue;
    const auto scheme = vllm_moe_scheme_for(*use.scheme);
    if (!scheme || scheme->implementation != implementation) continue;
    std::vector<int32_t> broken;
    for (const int32_t i : use.experts)
      if (breaks(*use.scheme, at(view, i))) broken.push_back(i);
    if (broken.empty()) continue;
    breaches.push_back({message(*use.scheme, broken), broken, ignore_flags(view, broken)});
  }
  return breaches;
}

// The group whose scheme Transformers gives to all experts (get_experts_scheme): the first with a pattern
// that names experts, else the first with a class or an exact name, else the first.
const QuantizationScheme* experts_group(const LoadView& view) {
  for (const QuantizationScheme* group : view.groups) {
    for (const std::string& target : group->targets)
      if (target.starts_with("re:") && target.find("experts") != std::string::npos) return group;
  }
  for (const QuantizationScheme* group : view.groups) {
    for (const std::string& target : group->targets)
      if (!target.starts_with("re:")) return group;
  }
  return view.groups.empty() ? nullptr : view.groups[0];
}

bool is_fp8(const QuantizationScheme& s) {
  return s.weights && s.weights->type == QuantizationType::kFloat && s.weights->num_bits == 8;
}

// What DecompressExperts can take apart: weights times one scale per tensor or row, symmetric packed words,
// and MXFP4.
bool transformers_dequantizes(const QuantizationScheme& s) {
  const Format format = format_of(s);
  if (is_fp8(s))
    return format != Format::kMxfp8 &&
           (s.weights->strategy == Strategy::kTensor || s.weights->strategy == Strategy::kChannel);
  return format == Format::kMxfp4Pack || (format == Format::kPack && s.weights->symmetric);
}

}  // namespace

std::vector<Breach> check_expert_scheme(const LoadView& view) {
  std::vector<Breach> breaches;
  for (const SchemeUse& use : view.schemes) {
    if (use.experts.empty() || !use.scheme->weights) continue;
    const auto scheme = vllm_moe_scheme_for(*use.scheme);
    if (scheme && reads_format(scheme->implementation, *use.scheme)) continue;
    breaches.push_back({fmt::format("no implementation of experts takes {}, which {} have",
                                    shown_scheme(*use.scheme), shown_modules(view, use.experts)),
                        use.experts,
                        fmt::format("{}, or {}", expert_fix(*use.scheme), ignore_flags(view, use.experts))});
  }
  return breaches;
}

std::vector<Breach> check_expert_projections(const LoadView& view) {
  std::vector<int32_t> broken;
  for (const Mixture& mixture : view.mixtures) {
    if (mixture.first.empty() || first_expert_is_of_one_kind(view, mixture)) continue;
    broken.insert(broken.end(), mixture.first.begin(), mixture.first.end());
  }
  if (broken.empty()) return {};
  return {{fmt::format("the projections of an expert must have one scheme, and {} have several",
                       shown_modules(view, broken)),
           broken,
           fmt::format("one group for all of them (target 're:.*experts.*'), or {}",
                       ignore_flags(view, broken))}};
}

std::vector<Breach> check_first_expert(const LoadView& view) {
  std::vector<int32_t> broken;
  for (const Mixture& mixture : view.mixtures) {
    if (mixture.first.empty() || !first_expert_is_of_one_kind(view, mixture)) continue;
    const int32_t first = kind_of(view, mixture.first[0]);
    for (const int32_t i : mixture.modules)
      if (kind_of(view, i) != first) broken.push_back(i);
  }
  if (broken.empty()) return {};
  return {{fmt::format("only expert 0 of a layer is looked at; {} have another scheme than it, or none",
                       shown_modules(view, broken)),
           broken,
           fmt::format("one group for all experts (target 're:.*experts.*'), or {}",
                       ignore_flags(view, broken))}};
}

std::vector<Breach> check_expert_words(const LoadView& view) {
  return each_expert_scheme(
      view, VllmImplementation::kWNA16,
      [](const QuantizationScheme& s, const ViewedModule& m) {
        const int bits = s.weights->num_bits;
        return !whole_words(m.in, bits) || (!s.weights->symmetric && !whole_words(m.out, bits));
      },
      [&](const QuantizationScheme& s, const std::vector<int32_t>& broken) {
        return fmt::format("rows of {}-bit codes{} must fill whole words of 32 bits, and those of {} do not",
                           s.weights->num_bits, s.weights->symmetric ? "" : ", and columns of zero points,",
                           shown_modules(view, broken));
      });
}

std::vector<Breach> check_expert_blocks(const LoadView& view) {
  auto breaks = [&](const QuantizationScheme& s, const ViewedModule& m) {
    if (!s.weights->block_structure) return false;
    const auto [height, width] = *s.weights->block_structure;
    const uint64_t side = is_down(m) ? m.in : m.out;
    const int64_t block = is_down(m) ? width : height;
    return (!is_down(m) || view.ranks() > 1) && side % static_cast<uint64_t>(block) != 0;
  };
  auto message = [&](const QuantizationScheme& s, const std::vector<int32_t>& broken) {
    const auto [height, width] = *s.weights->block_structure;
    return fmt::format("blocks of {}x{} do not divide the intermediate size of {}", height, width,
                       shown_modules(view, broken));
  };
  std::vector<Breach> breaches = each_expert_scheme(view, VllmImplementation::kW8A8Fp8, breaks, message);
  for (Breach& breach : breaches) breach.fix = block_fix(view, breach.modules);
  return breaches;
}

std::vector<Breach> check_expert_w4afp8(const LoadView& view) {
  constexpr uint64_t kTile = 256;
  return each_expert_scheme(
      view, VllmImplementation::kW4A8Fp8,
      [](const QuantizationScheme& s, const ViewedModule& m) {
        return s.weights->group_size != 128 || m.in % kTile != 0 || (!is_down(m) && m.out % kTile != 0);
      },
      [&](const QuantizationScheme&, const std::vector<int32_t>& broken) {
        return fmt::format(
            "int4 experts with FP8 activations need groups of 128, and hidden and intermediate sizes that "
            "{} divides; those of {} are not so",
            kTile, shown_modules(view, broken));
      });
}

std::vector<Breach> check_expert_marlin(const LoadView& view) {
  std::vector<Breach> breaches = each_expert_scheme(
      view, VllmImplementation::kWNA16,
      [](const QuantizationScheme& s, const ViewedModule& m) {
        const int64_t group = s.weights->group_size.value_or(-1);
        const bool sizes = group == -1 || group == 32 || group == 64 || group == 128;
        const bool bits = s.weights->num_bits == 4 || (s.weights->num_bits == 8 && s.weights->symmetric);
        return !sizes || !bits || (!is_down(m) && m.in % 128 != 0);
      },
      [&](const QuantizationScheme&, const std::vector<int32_t>& broken) {
        return fmt::format(
            "Marlin, the fast kernel, does not take {}: vLLM looks for another, some of which are optional "
            "packages and none of which takes channel scales",
            shown_modules(view, broken));
      });
  for (Breach& breach : breaches)
    breach.fix = "4 bits or symmetric 8 bits, groups of 32, 64 or 128, a hidden size that 128 divides";
  return breaches;
}

std::vector<Breach> check_transformers_expert_scheme(const LoadView& view) {
  std::vector<Breach> breaches;
  for (const SchemeUse& use : view.schemes) {
    if (use.experts.empty() || !use.scheme->weights) continue;
    const bool stacked_only = among(kOnlyStackedExperts, view.model_type);
    if (!stacked_only && (!among(kStacksExperts, view.model_type) || transformers_dequantizes(*use.scheme)))
      continue;
    breaches.push_back(
        {stacked_only
             ? fmt::format("the experts of {} are read from stacked tensors, and {} are stored one by one",
                           view.model_type, shown_modules(view, use.experts))
             : fmt::format(
                   "the experts of {} are dequantized while they are stacked, which is not done for {} ({})",
                   view.model_type, shown_scheme(*use.scheme), shown_modules(view, use.experts)),
         use.experts,
         stacked_only ? ignore_flags(view, use.experts)
                      : fmt::format("`--scheme W4A16` or `--scheme FP8_DYNAMIC`, or {}",
                                    ignore_flags(view, use.experts))});
  }
  return breaches;
}

std::vector<Breach> check_transformers_unquantized_experts(const LoadView& view) {
  if (!among(kStacksExperts, view.model_type)) return {};
  const QuantizationScheme* group = experts_group(view);
  if (group == nullptr || is_fp8(*group)) return {};
  std::vector<int32_t> broken;
  for (const Mixture& mixture : view.mixtures)
    for (const int32_t i : mixture.modules)
      if (at(view, i).scheme < 0) broken.push_back(i);
  if (broken.empty()) return {};
  return {
      {fmt::format(
           "every expert is looked for in the format of a group ({}): {}, stored as they were, are not found "
           "and stay random",
           format_name(format_of(*group)), shown_modules(view, broken)),
       broken, "quantize the experts as well, or use `--scheme FP8_DYNAMIC`, which has no packed weights"}};
}

std::vector<Breach> check_transformers_expert_group(const LoadView& view) {
  if (!among(kStacksExperts, view.model_type)) return {};
  const QuantizationScheme* group = experts_group(view);
  std::vector<int32_t> broken;
  for (const SchemeUse& use : view.schemes) {
    if (!use.experts.empty() && !same_numbers(*use.scheme, *group))
      broken.insert(broken.end(), use.experts.begin(), use.experts.end());
  }
  if (broken.empty()) return {};
  return {{fmt::format("all experts get the scheme of one group, here that of {}; {} have another",
                       group->targets.empty() ? "no target" : group->targets[0], shown_modules(view, broken)),
           broken,
           "give the experts one group of their own with a target like 're:.*experts.*', before all others "
           "that name experts"}};
}

}  // namespace tersor
