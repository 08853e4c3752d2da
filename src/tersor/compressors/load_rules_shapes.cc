// Load rules: what must divide what. Sizes are those of one rank unless said otherwise.
#include <map>
#include <numeric>
#include <set>

#include <fmt/format.h>

#include "tersor/base/text.h"
#include "tersor/compressors/load_fix.h"
#include "tersor/compressors/load_rule.h"

namespace tersor {
namespace {

bool is_fp8_block(const QuantizationScheme& s) {
  return s.weights && s.weights->type == QuantizationType::kFloat &&
         s.weights->strategy == Strategy::kBlock && s.weights->block_structure;
}

bool has_groups(const QuantizationArgs& args) {
  return (args.strategy == Strategy::kGroup || args.strategy == Strategy::kTensorGroup) &&
         args.group_size.value_or(0) > 0;
}

bool divides(int64_t divisor, uint64_t n) { return n % static_cast<uint64_t>(divisor) == 0; }

// Words of 32 bits that hold n codes, without a rest?
bool whole_words(uint64_t n, int bits) { return n * static_cast<uint64_t>(bits) % 32 == 0; }
// The smallest count of codes that fills whole words: 8 for 4 bits, 32 for 3.
uint64_t codes_per_word(int bits) { return 32 / std::gcd(32u, static_cast<unsigned>(bits)); }

// Modules by a size of theirs, and how the sizes are told: "the 576 columns of 180 modules (…)".
using BySize = std::map<uint64_t, std::vector<int32_t>>;

std::string shown_sides(const LoadView& view, const BySize& sides, std::string_view side) {
  std::string text;
  size_t told = 0;
  constexpr size_t kMostSizes = 3;
  for (const auto& [size, modules] : sides) {
    if (++told > kMostSizes) return text + fmt::format(", … ({} sizes)", sides.size());
    text += fmt::format("{}the {} {} of {}", text.empty() ? "" : " and ", size, side,
                        shown_modules(view, modules));
  }
  return text;
}

std::vector<int32_t> all_of(const BySize& sides) {
  std::vector<int32_t> all;
  for (const auto& [size, modules] : sides) all.insert(all.end(), modules.begin(), modules.end());
  return all;
}

// Modules of one scheme, experts with the others, by a size, where the condition holds.
template <typename Size, typename Condition>
BySize by_size(const LoadView& view, const SchemeUse& use, Size size, Condition breaks) {
  BySize result;
  for (const std::vector<int32_t>* part : {&use.linears, &use.experts, &use.embeddings}) {
    for (const int32_t i : *part) {
      const ViewedModule& m = view.modules[static_cast<size_t>(i)];
      if (breaks(m)) result[size(m)].push_back(i);
    }
  }
  return result;
}

uint64_t columns(const ViewedModule& m) { return m.module->in; }
uint64_t rank_columns(const ViewedModule& m) { return m.in; }

// "; 64 or 32 would"; of the sizes that few kernels take only when there are no others.
std::string would_do(std::vector<int64_t> sizes, int64_t now) {
  std::erase(sizes, now);
  std::vector<int64_t> common;
  for (const int64_t size : sizes)
    if (size >= 32 && size <= 128) common.push_back(size);
  if (!common.empty()) sizes = common;
  return sizes.empty() ? "" : fmt::format("; {} would", shown_sizes(sizes));
}

bool split_by_columns(const LoadView& view, const ViewedModule& m) {
  return view.ranks() > 1 && m.split == Split::kColumns &&
         divides(static_cast<int64_t>(view.ranks()), m.module->in);
}

// Whether the module's rows are followed by others in the stacked matrix, or cut into ranks: then they must
// end where a block or a word ends.
bool rows_are_followed(const LoadView& view, int32_t index, const ViewedModule& m, bool last_counts) {
  if (view.ranks() > 1 && m.split == Split::kRows) return true;
  if (m.fused < 0) return false;
  if (last_counts) return true;
  const auto& members = view.fused[static_cast<size_t>(m.fused)].members;
  bool after = false;
  for (const int32_t member : members) {
    if (after && member >= 0) return true;
    after = after || member == index;
  }
  return false;
}

}  // namespace

std::vector<Breach> check_group_divides_columns(const LoadView& view) {
  std::vector<Breach> breaches;
  for (const SchemeUse& use : view.schemes) {
    if (!use.scheme->weights || !has_groups(*use.scheme->weights)) continue;
    if (use.scheme->weights->type != QuantizationType::kInt) continue;
    const int64_t size = *use.scheme->weights->group_size;
    const BySize broken =
        by_size(view, use, columns, [&](const ViewedModule& m) { return !divides(size, m.module->in); });
    if (broken.empty()) continue;
    const std::vector<int32_t> modules = all_of(broken);
    breaches.push_back(
        {fmt::format("group_size {} does not divide {}{}", size, shown_sides(view, broken, "columns"),
                     has_free_group_size(*use.scheme) ? would_do(group_sizes_that_fit(view), size)
                                                      : ", and this scheme has no other"),
         modules, group_size_fix(view, *use.scheme, modules)});
  }
  return breaches;
}

std::vector<Breach> check_float_group_divides_columns(const LoadView& view) {
  std::vector<Breach> breaches;
  for (const SchemeUse& use : view.schemes) {
    if (!use.scheme->weights || !has_groups(*use.scheme->weights)) continue;
    if (use.scheme->weights->type != QuantizationType::kFloat) continue;
    const int64_t size = *use.scheme->weights->group_size;
    // Per rank: none of these formats can cut a group.
    const BySize broken =
        by_size(view, use, rank_columns, [&](const ViewedModule& m) { return !divides(size, m.in); });
    if (broken.empty()) continue;
    const std::vector<int32_t> modules = all_of(broken);
    const bool whole = std::ranges::all_of(
        modules, [&](int32_t i) { return divides(size, view.modules[static_cast<size_t>(i)].module->in); });
    const std::string fix = ignore_flags(view, modules);
    breaches.push_back(
        {fmt::format("{} has groups of {}, which do not divide {}{}", format_name(format_of(*use.scheme)),
                     size, shown_sides(view, broken, "columns"),
                     whole ? fmt::format(" on each of {} ranks", view.ranks()) : ""),
         modules, whole ? fmt::format("fewer ranks (`--tp`), or {}", fix) : fix});
  }
  return breaches;
}

std::vector<Breach> check_group_divides_rank(const LoadView& view) {
  std::vector<Breach> breaches;
  if (view.ranks() < 2) return breaches;
  for (const SchemeUse& use : view.schemes) {
    if (!use.scheme->weights || !has_groups(*use.scheme->weights)) continue;
    if (use.scheme->weights->type != QuantizationType::kInt) continue;
    const int64_t size = *use.scheme->weights->group_size;
    const BySize broken = by_size(view, use, rank_columns, [&](const ViewedModule& m) {
      return split_by_columns(view, m) && divides(size, m.module->in) && !divides(size, m.in);
    });
    if (broken.empty()) continue;
    const std::vector<int32_t> modules = all_of(broken);
    breaches.push_back({fmt::format("group_size {} does not divide {} that each of {} ranks holds{}", size,
                                    shown_sides(view, broken, "columns"), view.ranks(),
                                    would_do(group_sizes_that_fit(view), size)),
                        modules, group_size_fix(view, *use.scheme, modules)});
  }
  return breaches;
}

std::vector<Breach> check_rank_divides_heads(const LoadView& view) {
  if (view.ranks() < 2 || view.heads == 0 || view.heads % view.ranks() == 0) return {};
  return {{fmt::format("{} attention heads do not divide into {} ranks", view.heads, view.ranks()),
           {},
           rank_fix(view)}};
}

std::vector<Breach> check_rank_divides_kv_heads(const LoadView& view) {
  if (view.ranks() < 2 || view.kv_heads == 0) return {};
  const bool fits =
      view.kv_heads >= view.ranks() ? view.kv_heads % view.ranks() == 0 : view.ranks() % view.kv_heads == 0;
  // Told by the rule of attention heads where there are no fewer of these.
  if (fits || view.kv_heads == view.heads) return {};
  return {{fmt::format("{} key/value heads neither divide into {} ranks nor can each rank have a copy of one",
                       view.kv_heads, view.ranks()),
           {},
           rank_fix(view)}};
}

std::vector<Breach> check_rank_divides_sides(const LoadView& view) {
  if (view.ranks() < 2) return {};
  BySize broken;
  for (size_t i = 0; i < view.modules.size(); ++i) {
    const ViewedModule& m = view.modules[i];
    const bool copied = (m.leaf == "k_proj" || m.leaf == "v_proj") && view.kv_heads < view.ranks();
    if (m.split == Split::kWhole || (m.split == Split::kRows && copied)) continue;
    const uint64_t side = m.split == Split::kRows ? m.module->out : m.module->in;
    if (side % view.ranks() != 0) broken[side].push_back(static_cast<int32_t>(i));
  }
  if (broken.empty()) return {};
  return {
      {fmt::format("{} ranks do not divide {}", view.ranks(), shown_sides(view, broken, "rows or columns")),
       all_of(broken), rank_fix(view)}};
}

std::vector<Breach> check_packed_words_per_rank(const LoadView& view) {
  std::vector<Breach> breaches;
  for (const SchemeUse& use : view.schemes) {
    if (!use.scheme->weights || format_of(*use.scheme) != Format::kPack) continue;
    const int bits = use.scheme->weights->num_bits;
    const BySize broken = by_size(view, use, rank_columns, [&](const ViewedModule& m) {
      return split_by_columns(view, m) && !whole_words(m.in, bits);
    });
    if (broken.empty()) continue;
    breaches.push_back({fmt::format("{} that each of {} ranks holds end within a packed word of {} codes",
                                    shown_sides(view, broken, "columns"), view.ranks(), codes_per_word(bits)),
                        all_of(broken), "fewer ranks: `--tp 1`"});
  }
  return breaches;
}

std::vector<Breach> check_zero_point_words(const LoadView& view) {
  std::vector<Breach> breaches;
  for (const SchemeUse& use : view.schemes) {
    if (!use.scheme->weights || use.scheme->weights->symmetric || format_of(*use.scheme) != Format::kPack)
      continue;
    const int bits = use.scheme->weights->num_bits;
    BySize broken;
    for (const int32_t i : use.linears) {
      const ViewedModule& m = view.modules[static_cast<size_t>(i)];
      if (rows_are_followed(view, i, m, true) && !whole_words(m.out, bits)) broken[m.out].push_back(i);
    }
    if (broken.empty()) continue;
    const std::vector<int32_t> modules = all_of(broken);
    breaches.push_back(
        {fmt::format("zero points are packed {} rows to a word: {} end within one, and the next matrix "
                     "stacked there gets wrong ones",
                     codes_per_word(bits), shown_sides(view, broken, "rows")),
         modules,
         fmt::format("symmetric weights (`--scheme W{}A16`), or {}", bits == 8 ? 8 : 4,
                     ignore_flags(view, modules))});
  }
  return breaches;
}

std::vector<Breach> check_fp8_block_fused_rows(const LoadView& view) {
  std::vector<Breach> breaches;
  for (const SchemeUse& use : view.schemes) {
    if (!is_fp8_block(*use.scheme)) continue;
    const int64_t height = (*use.scheme->weights->block_structure)[0];
    BySize broken;
    for (const int32_t i : use.linears) {
      const ViewedModule& m = view.modules[static_cast<size_t>(i)];
      if (view.ranks() > 1 && m.split == Split::kRows) continue;  // the rule of ranks
      if (rows_are_followed(view, i, m, false) && !divides(height, m.out)) broken[m.out].push_back(i);
    }
    if (broken.empty()) continue;
    const std::vector<int32_t> modules = all_of(broken);
    breaches.push_back(
        {fmt::format("blocks of {} rows do not divide {}, below which another matrix is stacked{}", height,
                     shown_sides(view, broken, "rows"), would_do(block_sizes_that_fit(view), height)),
         modules, block_fix(view, modules)});
  }
  return breaches;
}

std::vector<Breach> check_fp8_block_per_rank(const LoadView& view) {
  std::vector<Breach> breaches;
  if (view.ranks() < 2) return breaches;
  for (const SchemeUse& use : view.schemes) {
    if (!is_fp8_block(*use.scheme)) continue;
    const auto [height, width] = *use.scheme->weights->block_structure;
    BySize broken;
    for (const int32_t i : use.linears) {
      const ViewedModule& m = view.modules[static_cast<size_t>(i)];
      if (m.split == Split::kRows && !divides(height, m.out)) broken[m.out].push_back(i);
      if (split_by_columns(view, m) && !divides(width, m.in)) broken[m.in].push_back(i);
    }
    if (broken.empty()) continue;
    const std::vector<int32_t> modules = all_of(broken);
    breaches.push_back({fmt::format("blocks of {}x{} do not divide {} that each of {} ranks holds{}", height,
                                    width, shown_sides(view, broken, "rows or columns"), view.ranks(),
                                    would_do(block_sizes_that_fit(view), height)),
                        modules, block_fix(view, modules)});
  }
  return breaches;
}

std::vector<Breach> check_fp8_block_columns(const LoadView& view) {
  std::vector<Breach> breaches;
  for (const SchemeUse& use : view.schemes) {
    if (!is_fp8_block(*use.scheme) || !use.scheme->input_activations) continue;
    const int64_t group = (*use.scheme->weights->block_structure)[0];
    const BySize broken = by_size(view, use, rank_columns, [&](const ViewedModule& m) {
      return !split_by_columns(view, m) && !divides(group, m.in);
    });
    if (broken.empty()) continue;
    const std::vector<int32_t> modules = all_of(broken);
    breaches.push_back(
        {fmt::format("activations are quantized in groups of {} (the block's rows), which do not divide "
                     "{}: the first forward pass stops{}",
                     group, shown_sides(view, broken, "columns"),
                     would_do(block_sizes_that_fit(view), group)),
         modules, block_fix(view, modules)});
  }
  return breaches;
}

std::vector<Breach> check_activation_groups(const LoadView& view) {
  std::vector<Breach> breaches;
  for (const SchemeUse& use : view.schemes) {
    const auto& x = use.scheme->input_activations;
    if (!x || !has_groups(*x)) continue;
    const auto& w = use.scheme->weights;
    if (w && has_groups(*w) && w->group_size == x->group_size) continue;  // the weights' own rule
    const int64_t group = *x->group_size;
    BySize broken;
    for (const int32_t i : use.linears) {
      const ViewedModule& m = view.modules[static_cast<size_t>(i)];
      if (!divides(group, m.module->in)) broken[m.module->in].push_back(i);
    }
    if (broken.empty()) continue;
    const std::vector<int32_t> modules = all_of(broken);
    const bool block = is_fp8_block(*use.scheme);
    breaches.push_back(
        {fmt::format("activation groups of {} do not divide {}: the first forward pass stops{}", group,
                     shown_sides(view, broken, "columns"),
                     block ? would_do(block_sizes_that_fit(view), group) : ""),
         modules, block ? block_fix(view, modules) : ignore_flags(view, modules)});
  }
  return breaches;
}

}  // namespace tersor
