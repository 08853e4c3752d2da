// Load rules: which schemes and formats readers know.
#include <fmt/format.h>

#include "tersor/compressors/load_fix.h"
#include "tersor/compressors/load_rule.h"
#include "tersor/compressors/vllm_schemes.h"

namespace tersor {
namespace {

// Every scheme with weights that some module has and the condition holds for; the message and the fix are
// made from the scheme and its modules.
template <typename Condition, typename Message, typename Fix>
std::vector<Breach> each_scheme(const LoadView& view, std::vector<int32_t> SchemeUse::* part,
                                Condition breaks, Message message, Fix fix) {
  std::vector<Breach> breaches;
  for (const SchemeUse& use : view.schemes) {
    const std::vector<int32_t>& modules = use.*part;
    if (modules.empty() || !use.scheme->weights || !breaks(*use.scheme)) continue;
    breaches.push_back(
        {message(*use.scheme, shown_modules(view, modules)), modules, fix(*use.scheme, modules)});
  }
  return breaches;
}

bool int_weight_only_as_bytes(const QuantizationScheme& s) {
  const Format format = format_of(s);
  return s.weights->type == QuantizationType::kInt && !s.input_activations &&
         (format == Format::kInt || format == Format::kNaive || format == Format::kFloat);
}

// Another format of the same scheme that vLLM would take.
std::string format_fix(const QuantizationScheme& scheme) {
  QuantizationScheme other = scheme;
  for (const Format format : {loadable_format(scheme), Format::kPack, Format::kInt}) {
    other.format = format;
    const auto found = vllm_scheme_for(other);
    if (format == format_of(scheme) || !found || !reads_format(found->implementation, other)) continue;
    return format == loadable_format(scheme)
               ? fmt::format("leave `format` out of the recipe: it is then {}", format_name(format))
               : fmt::format("`format: {}` in the recipe", format_name(format));
  }
  return "";
}

std::string scheme_fix(const QuantizationScheme& scheme) {
  if (std::string format = format_fix(scheme); !format.empty()) return format;
  if (scheme.input_activations && !scheme.input_activations->symmetric)
    return "`symmetric: true` for the input_activations in the recipe";
  if (scheme.weights->type == QuantizationType::kInt)
    return scheme.input_activations ? "`--scheme W8A8` or `--scheme W4A16`"
                                    : "`--scheme W4A16` or `--scheme W8A16`";
  return "`--scheme FP8_DYNAMIC`";
}

}  // namespace

std::vector<Breach> check_group_actorder(const LoadView& view) {
  std::vector<Breach> breaches;
  for (const SchemeUse& use : view.schemes) {
    if (use.scheme->weights && use.scheme->weights->actorder == ActOrder::kGroup) {
      breaches.push_back({"activation ordering by group (actorder: group) is no longer read", use.all(),
                          "`actorder: static` in the recipe"});
    }
  }
  return breaches;
}

std::vector<Breach> check_group_without_weights(const LoadView& view) {
  std::vector<Breach> breaches;
  for (const QuantizationScheme* group : view.groups) {
    const bool attention = group->targets.size() == 1 && group->targets[0].ends_with("Attention");
    if (group->weights || attention) continue;
    breaches.push_back({fmt::format("the group with the targets {} has no weights: its config is refused",
                                    group->targets.empty() ? "[]" : group->targets[0]),
                        {},
                        "name the modules in `ignore` instead of in a group"});
  }
  return breaches;
}

std::vector<Breach> check_int_weight_only_format(const LoadView& view) {
  return each_scheme(
      view, &SchemeUse::linears, int_weight_only_as_bytes,
      [](const QuantizationScheme& s, const std::string& modules) {
        return fmt::format(
            "int weights without input_activations are read from pack-quantized only, and {} have {}",
            modules, format_name(format_of(s)));
      },
      [](const QuantizationScheme&, const std::vector<int32_t>&) -> std::string {
        return "leave `format` out of the recipe: it is then pack-quantized";
      });
}

std::vector<Breach> check_linear_scheme(const LoadView& view) {
  return each_scheme(
      view, &SchemeUse::linears,
      [](const QuantizationScheme& s) { return !int_weight_only_as_bytes(s) && !vllm_scheme_for(s); },
      [](const QuantizationScheme& s, const std::string& modules) {
        return fmt::format("no compressed-tensors scheme takes {}, which {} have", shown_scheme(s), modules);
      },
      [](const QuantizationScheme& s, const std::vector<int32_t>&) { return scheme_fix(s); });
}

std::vector<Breach> check_format_tensors(const LoadView& view) {
  return each_scheme(
      view, &SchemeUse::linears,
      [](const QuantizationScheme& s) {
        const auto scheme = vllm_scheme_for(s);
        return scheme && !reads_format(scheme->implementation, s);
      },
      [](const QuantizationScheme& s, const std::string& modules) {
        return fmt::format("{} would serve {} and does not read the tensors of {}", vllm_scheme_for(s)->name,
                           modules, format_name(format_of(s)));
      },
      [](const QuantizationScheme& s, const std::vector<int32_t>&) { return scheme_fix(s); });
}

std::vector<Breach> check_int_bits(const LoadView& view) {
  return each_scheme(
      view, &SchemeUse::linears,
      [](const QuantizationScheme& s) {
        const auto scheme = vllm_scheme_for(s);
        if (!scheme) return false;
        const int bits = s.weights->num_bits;
        switch (scheme->implementation) {
          case VllmImplementation::kWNA16:
          case VllmImplementation::kWNA8Int:
          case VllmImplementation::kWNA4Int:
            return bits < 2 || bits > 8;
          case VllmImplementation::kWNA8O8Int:
            return bits != 2 && bits != 4 && bits != 8;
          default:
            return false;
        }
      },
      [](const QuantizationScheme& s, const std::string& modules) {
        return fmt::format("{} takes no weights of {} bits, which {} have", vllm_scheme_for(s)->name,
                           s.weights->num_bits, modules);
      },
      [](const QuantizationScheme&, const std::vector<int32_t>&) -> std::string {
        return "`num_bits: 4` or `num_bits: 8` in the recipe";
      });
}

std::vector<Breach> check_w4afp8_group(const LoadView& view) {
  return each_scheme(
      view, &SchemeUse::linears,
      [](const QuantizationScheme& s) {
        const auto scheme = vllm_scheme_for(s);
        return scheme && scheme->implementation == VllmImplementation::kW4A8Fp8 &&
               s.weights->group_size != 128;
      },
      [](const QuantizationScheme& s, const std::string& modules) {
        return fmt::format(
            "int4 weights with FP8 activations are read in groups of 128 only, and {} have groups of {}",
            modules, s.weights->group_size.value_or(0));
      },
      [](const QuantizationScheme&, const std::vector<int32_t>&) -> std::string {
        return "`--group-size 128`, or another scheme: `--scheme W4A16`, `--scheme FP8_DYNAMIC`";
      });
}

std::vector<Breach> check_fp8_block_input(const LoadView& view) {
  auto breaks = [](const QuantizationScheme& s) {
    return s.weights->type == QuantizationType::kFloat && s.weights->strategy == Strategy::kBlock &&
           s.input_activations && s.input_activations->dynamic == Dynamic::kFalse;
  };
  auto message = [](const QuantizationScheme&, const std::string& modules) {
    return fmt::format("FP8 weights in blocks need dynamic activations, and {} have static ones", modules);
  };
  auto fix = [](const QuantizationScheme&, const std::vector<int32_t>&) -> std::string {
    return "`dynamic: true` for the input_activations in the recipe, or `--scheme FP8_BLOCK`";
  };
  return each_scheme(view, &SchemeUse::linears, breaks, message, fix);
}

std::vector<Breach> check_fp8_block_square(const LoadView& view) {
  auto breaks = [](const QuantizationScheme& s) {
    if (s.weights->type != QuantizationType::kFloat || !s.weights->block_structure || !s.input_activations)
      return false;
    const auto [rows, columns] = *s.weights->block_structure;
    return rows != columns;
  };
  auto message = [](const QuantizationScheme& s, const std::string& modules) {
    const auto [rows, columns] = *s.weights->block_structure;
    return fmt::format(
        "activations are quantized in groups of the block's rows ({}) and multiplied in groups of its "
        "columns ({}): "
        "the blocks of {} are not square",
        rows, columns, modules);
  };
  auto fix = [&view](const QuantizationScheme&, const std::vector<int32_t>& modules) {
    return block_fix(view, modules);
  };
  return each_scheme(view, &SchemeUse::linears, breaks, message, fix);
}

}  // namespace tersor
