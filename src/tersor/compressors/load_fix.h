// Words and flags for broken load rules: what to call the modules, and what to give `tersor compress`.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "tersor/compressors/load_view.h"

namespace tersor {

// "210 modules (model.layers.0.self_attn.q_proj, …)"; one module by its name alone.
std::string shown_modules(const LoadView& view, std::span<const int32_t> modules);

// "int weights of 4 bits in groups of 128 with int activations of 8 bits per token, stored as
// pack-quantized".
std::string shown_scheme(const QuantizationScheme& scheme);

// "64, 32 or 16".
std::string shown_sizes(std::span<const int64_t> sizes);

// `--ignore …` for these modules and for all that must share their fate: the siblings they are stacked with,
// and the whole mixture of an expert. Exact names for a few, patterns that take in nothing else for many.
std::string ignore_flags(const LoadView& view, std::span<const int32_t> modules);

// Whether `--group-size` can be another: NVFP4 and the MX formats have a size of their own, and so have int
// weights with FP8 activations.
bool has_free_group_size(const QuantizationScheme& scheme);

// The group sizes that would do for every module in groups of a free size, on one rank; empty: none.
std::vector<int64_t> group_sizes_that_fit(const LoadView& view);
// `--group-size N` where the scheme leaves it free, else the flags to ignore `modules`.
std::string group_size_fix(const LoadView& view, const QuantizationScheme& scheme,
                           std::span<const int32_t> modules);

// The same for square FP8 blocks: every rule of blocks, for every module with blocks.
std::vector<int64_t> block_sizes_that_fit(const LoadView& view);
std::string block_fix(const LoadView& view, std::span<const int32_t> modules);

// The most ranks below the present ones that divide the heads and every side that is split: "`--tp 2`".
std::string rank_fix(const LoadView& view);

}  // namespace tersor
