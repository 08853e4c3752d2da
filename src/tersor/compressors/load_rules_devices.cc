// Load rules: the KV cache, and what only some devices, flags or optional packages do.
#include <fmt/format.h>

#include "tersor/compressors/load_fix.h"
#include "tersor/compressors/load_rule.h"
#include "tersor/compressors/vllm_schemes.h"

namespace tersor {
namespace {

// Every scheme of linears that vLLM takes and the condition holds for.
template <typename Condition, typename Message>
std::vector<Breach> each_taken(const LoadView& view, Condition applies, Message message,
                               std::string_view fix) {
  std::vector<Breach> breaches;
  for (const SchemeUse& use : view.schemes) {
    if (use.linears.empty() || !use.scheme->weights) continue;
    const auto scheme = vllm_scheme_for(*use.scheme);
    if (!scheme || !applies(*scheme, *use.scheme)) continue;
    breaches.push_back(
        {message(*scheme, *use.scheme, shown_modules(view, use.linears)), use.linears, std::string(fix)});
  }
  return breaches;
}

bool is_packed_int(VllmImplementation i) {
  return i == VllmImplementation::kWNA16 || i == VllmImplementation::kWNA8Int ||
         i == VllmImplementation::kWNA4Int || i == VllmImplementation::kWNA8O8Int;
}

// Groups that Marlin takes; -1: one scale per channel.
bool common_group(int64_t size) { return size == -1 || size == 32 || size == 64 || size == 128; }

}  // namespace

std::vector<Breach> check_kv_cache_scheme(const LoadView& view) {
  const auto& kv = view.context.kv_cache_scheme;
  if (!kv) return {};
  const bool taken = kv->type == QuantizationType::kFloat && kv->num_bits == 8 && kv->symmetric &&
                     (kv->strategy == Strategy::kTensor || kv->strategy == Strategy::kAttnHead);
  if (taken) return {};
  return {{fmt::format("the KV cache can be FP8, symmetric, with one scale per tensor or head; the "
                       "kv_cache_scheme is {} of "
                       "{} bits, {}, strategy {}",
                       to_string(kv->type), kv->num_bits, kv->symmetric ? "symmetric" : "asymmetric",
                       to_string(kv->strategy)),
           {},
           "`--kv-cache-scheme fp8`"}};
}

std::vector<Breach> check_one_capability(const LoadView& view) {
  return each_taken(
      view, [](const VllmScheme& v, const QuantizationScheme&) { return v.only_that_capability; },
      [](const VllmScheme& v, const QuantizationScheme& s, const std::string& modules) {
        return fmt::format("{} ({}) loads on GPUs of compute capability {}.{} only", shown_scheme(s), modules,
                           v.min_capability / 10, v.min_capability % 10);
      },
      "for other GPUs: `--scheme W4A16` or `--scheme FP8_DYNAMIC`");
}

std::vector<Breach> check_fp8_activations(const LoadView& view) {
  return each_taken(
      view,
      [](const VllmScheme& v, const QuantizationScheme&) {
        return v.implementation == VllmImplementation::kW8A8Fp8;
      },
      [](const VllmScheme&, const QuantizationScheme&, const std::string& modules) {
        return fmt::format(
            "activations of {} are FP8 from compute capability 8.9 on; older GPUs use the weights alone",
            modules);
      },
      "");
}

std::vector<Breach> check_humming_only(const LoadView& view) {
  return each_taken(
      view,
      [](const VllmScheme& v, const QuantizationScheme& s) {
        const int bits = s.weights->num_bits;
        const bool odd_bits = is_packed_int(v.implementation) && bits != 4 && bits != 8;
        return odd_bits || v.implementation == VllmImplementation::kWNA8Int ||
               v.implementation == VllmImplementation::kWNA4Int ||
               v.implementation == VllmImplementation::kW4A8Int;
      },
      [](const VllmScheme& v, const QuantizationScheme& s, const std::string& modules) {
        return fmt::format("on NVIDIA GPUs only the optional Humming kernels run {}-bit weights in {} ({})",
                           s.weights->num_bits, v.name, modules);
      },
      "install Humming beside vLLM, or `--scheme W4A16`, `--scheme W8A8`");
}

std::vector<Breach> check_asymmetric_int8(const LoadView& view) {
  return each_taken(
      view,
      [](const VllmScheme& v, const QuantizationScheme& s) {
        return v.implementation == VllmImplementation::kWNA16 && !s.weights->symmetric &&
               s.weights->num_bits == 8;
      },
      [](const VllmScheme&, const QuantizationScheme&, const std::string& modules) {
        return fmt::format(
            "asymmetric 8-bit weights ({}) have kernels in Machete (compute capability 9.0), Conch and "
            "Humming (optional packages) only",
            modules);
      },
      "`--scheme W8A16` (symmetric)");
}

std::vector<Breach> check_rare_group_size(const LoadView& view) {
  return each_taken(
      view,
      [](const VllmScheme& v, const QuantizationScheme& s) {
        return v.implementation == VllmImplementation::kWNA16 &&
               !common_group(s.weights->group_size.value_or(-1));
      },
      [](const VllmScheme&, const QuantizationScheme& s, const std::string& modules) {
        return fmt::format("groups of {} ({}) have a kernel in {} only", *s.weights->group_size, modules,
                           *s.weights->group_size == 256 && s.weights->num_bits == 4
                               ? "Triton and Humming (an optional package)"
                               : "Humming (an optional package)");
      },
      "`--group-size 128`, `--group-size 64` or `--group-size 32`");
}

std::vector<Breach> check_rare_block(const LoadView& view) {
  return each_taken(
      view,
      [](const VllmScheme& v, const QuantizationScheme& s) {
        return v.implementation == VllmImplementation::kW8A8Fp8 && s.weights->block_structure &&
               *s.weights->block_structure != std::array<int64_t, 2>{128, 128};
      },
      [](const VllmScheme&, const QuantizationScheme& s, const std::string& modules) {
        const auto [rows, columns] = *s.weights->block_structure;
        return fmt::format(
            "blocks of {}x{} ({}): on NVIDIA GPUs vLLM picks a Marlin kernel that takes 128x128 only and "
            "stops with an AssertionError; its Triton kernel takes them",
            rows, columns, modules);
      },
      "start vLLM with `--linear-backend triton`, or compress with `--scheme FP8_DYNAMIC`");
}

std::vector<Breach> check_w4afp8_tiles(const LoadView& view) {
  constexpr uint64_t kTile = 128;
  std::vector<Breach> breaches;
  for (const SchemeUse& use : view.schemes) {
    if (use.linears.empty() || !use.scheme->weights) continue;
    const auto scheme = vllm_scheme_for(*use.scheme);
    if (!scheme || scheme->implementation != VllmImplementation::kW4A8Fp8) continue;
    std::vector<int32_t> broken;
    for (const int32_t i : use.linears) {
      const ViewedModule& m = view.modules[static_cast<size_t>(i)];
      uint64_t rows = m.out;
      if (m.fused >= 0) {
        rows = 0;
        for (const int32_t member : view.fused[static_cast<size_t>(m.fused)].members)
          if (member >= 0) rows += view.modules[static_cast<size_t>(member)].out;
      }
      if (rows % kTile != 0 || m.in % kTile != 0) broken.push_back(i);
    }
    if (broken.empty()) continue;
    breaches.push_back(
        {fmt::format("vLLM's CUTLASS kernel for int4 weights with FP8 activations takes rows and columns in "
                     "multiples of {} (rows of all that is stacked); {} need the optional Humming kernels",
                     kTile, shown_modules(view, broken)),
         broken, "`--scheme W4A16` or `--scheme FP8_DYNAMIC`"});
  }
  return breaches;
}

}  // namespace tersor
