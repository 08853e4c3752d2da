#include "tersor/compressors/load_fix.h"

#include <algorithm>
#include <map>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "tersor/base/text.h"

namespace tersor {
namespace {

// "asymmetric 4-bit int".
std::string shown_args(const QuantizationArgs& args) {
  return fmt::format("{}{}-bit {}", args.symmetric ? "" : "asymmetric ", args.num_bits, to_string(args.type));
}

std::string shown_strategy(const QuantizationArgs& args) {
  switch (args.strategy) {
    case Strategy::kTensor:
      return "per tensor";
    case Strategy::kChannel:
      return "per channel";
    case Strategy::kToken:
      return "per token";
    case Strategy::kAttnHead:
      return "per head";
    case Strategy::kGroup:
    case Strategy::kTensorGroup:
      return fmt::format("in groups of {}", args.group_size.value_or(0));
    case Strategy::kBlock:
      return args.block_structure
                 ? fmt::format("in blocks of {}x{}", (*args.block_structure)[0], (*args.block_structure)[1])
                 : "in blocks";
  }
  return "";
}

std::string escaped(std::string_view name) {
  std::string text;
  for (const char c : name) {
    if (std::string_view(".^$|()[]{}*+?\\").find(c) != std::string_view::npos) text += '\\';
    text += c;
  }
  return text;
}

// The last part of the parent: "self_attn" of "model.layers.0.self_attn"; empty when it is a number.
std::string_view parent_leaf(std::string_view parent) {
  const size_t dot = parent.rfind('.');
  const std::string_view leaf = dot == std::string_view::npos ? parent : parent.substr(dot + 1);
  return leaf.find_first_not_of("0123456789") == std::string_view::npos ? std::string_view() : leaf;
}

// What a pattern for this module says beside the layer's number: {"self_attn", "q_proj"}; experts of all
// numbers and projections go together.
struct Kind {
  std::string_view parent, leaf;
  auto operator<=>(const Kind&) const = default;
};
Kind kind_of(const LoadView& view, const ViewedModule& m) {
  if (m.mixture < 0) return {parent_leaf(m.parent), m.leaf};
  const std::string_view name = view.mixtures[static_cast<size_t>(m.mixture)].name;  // ….mlp.experts
  const size_t dot = name.rfind('.');
  return {dot == std::string_view::npos ? std::string_view() : parent_leaf(name.substr(0, dot)), "experts"};
}

// The modules and all that engines treat as one with them, marked by index.
std::vector<bool> with_companions(const LoadView& view, std::span<const int32_t> modules) {
  std::vector<bool> all(view.modules.size());
  std::vector<bool> mixtures(view.mixtures.size());
  auto mark = [&](std::span<const int32_t> indices) {
    for (const int32_t i : indices)
      if (i >= 0) all[static_cast<size_t>(i)] = true;
  };
  mark(modules);
  for (const int32_t i : modules) {
    const ViewedModule& m = view.modules[static_cast<size_t>(i)];
    if (m.fused >= 0) mark(view.fused[static_cast<size_t>(m.fused)].members);
    if (m.mixture < 0 || mixtures[static_cast<size_t>(m.mixture)]) continue;
    mixtures[static_cast<size_t>(m.mixture)] = true;
    mark(view.mixtures[static_cast<size_t>(m.mixture)].modules);
  }
  return all;
}

std::string pattern_of(std::string_view parent, const std::vector<std::string_view>& leaves) {
  const std::string where = parent.empty() ? "" : escaped(parent) + "\\.";
  if (leaves.size() == 1 && leaves[0] == "experts") return fmt::format("'re:.*{}experts\\..*'", where);
  if (leaves.size() == 1) return fmt::format("'re:.*{}{}$'", where, escaped(leaves[0]));
  return fmt::format("'re:.*{}({})$'", where, fmt::join(leaves, "|"));
}

}  // namespace

bool has_free_group_size(const QuantizationScheme& scheme) {
  const auto& x = scheme.input_activations;
  return scheme.weights && scheme.weights->strategy == Strategy::kGroup &&
         scheme.weights->type == QuantizationType::kInt && !(x && x->type == QuantizationType::kFloat);
}

std::string shown_modules(const LoadView& view, std::span<const int32_t> modules) {
  if (modules.empty()) return "no module";
  const std::string& first = view.modules[static_cast<size_t>(modules[0])].module->name;
  if (modules.size() == 1) return first;
  return fmt::format("{} modules ({}, …)", format_count(modules.size()), first);
}

std::string shown_scheme(const QuantizationScheme& scheme) {
  if (!scheme.weights) return "no weights";
  std::string text =
      fmt::format("{} weights {}", shown_args(*scheme.weights), shown_strategy(*scheme.weights));
  if (scheme.input_activations) {
    const QuantizationArgs& x = *scheme.input_activations;
    text += fmt::format(" with {}{} activations {}", x.dynamic == Dynamic::kFalse ? "static " : "",
                        shown_args(x), shown_strategy(x));
  }
  return text + fmt::format(", stored as {}", format_name(format_of(scheme)));
}

std::string shown_sizes(std::span<const int64_t> sizes) {
  if (sizes.size() < 2) return fmt::format("{}", fmt::join(sizes, ""));
  return fmt::format("{} or {}", fmt::join(sizes.first(sizes.size() - 1), ", "), sizes.back());
}

std::string ignore_flags(const LoadView& view, std::span<const int32_t> modules) {
  const std::vector<bool> all = with_companions(view, modules);
  std::map<Kind, std::vector<size_t>> wanted;
  std::set<Kind> shared;  // kinds of which others are to stay quantized
  for (size_t i = 0; i < all.size(); ++i)
    if (all[i]) wanted[kind_of(view, view.modules[i])].push_back(i);
  for (size_t i = 0; i < all.size(); ++i) {
    if (all[i] || view.modules[i].scheme < 0) continue;
    const Kind kind = kind_of(view, view.modules[i]);
    if (wanted.contains(kind)) shared.insert(kind);
  }
  std::string flags;
  auto add = [&](const std::string& value) {
    flags += fmt::format("{}--ignore {}", flags.empty() ? "" : " ", value);
  };
  constexpr size_t kFewNames = 4;
  std::map<std::string_view, std::vector<std::string_view>> patterns;  // parent → leaves
  for (const auto& [kind, indices] : wanted) {
    if (indices.size() > 1 && !shared.contains(kind)) {
      if (kind.leaf == "experts") {
        add(pattern_of(kind.parent, {kind.leaf}));
      } else {
        patterns[kind.parent].push_back(kind.leaf);
      }
      continue;
    }
    for (const size_t i : std::span(indices).first(std::min(indices.size(), kFewNames)))
      add(view.modules[i].module->name);
    if (indices.size() > kFewNames)
      flags += fmt::format(" … ({} more of the kind)", indices.size() - kFewNames);
  }
  for (const auto& [parent, leaves] : patterns) add(pattern_of(parent, leaves));
  return fmt::format("`{}`", flags);
}

std::vector<int64_t> group_sizes_that_fit(const LoadView& view) {
  std::set<uint64_t> ins;
  for (const SchemeUse& use : view.schemes) {
    if (!has_free_group_size(*use.scheme)) continue;
    for (const std::vector<int32_t>* part : {&use.linears, &use.experts, &use.embeddings})
      for (const int32_t i : *part) ins.insert(view.modules[static_cast<size_t>(i)].in);
  }
  return dividing_group_sizes(std::vector<uint64_t>(ins.begin(), ins.end()));
}

std::string group_size_fix(const LoadView& view, const QuantizationScheme& scheme,
                           std::span<const int32_t> modules) {
  std::string ignore = ignore_flags(view, modules);
  if (!has_free_group_size(scheme)) return ignore;
  for (const int64_t size : group_sizes_that_fit(view))
    if (size != scheme.weights->group_size) return fmt::format("`--group-size {}`", size);
  return fmt::format("`--group-size -1` (one scale per row), or {}", ignore);
}

std::vector<int64_t> block_sizes_that_fit(const LoadView& view) {
  std::set<uint64_t> sides;
  for (const SchemeUse& use : view.schemes) {
    if (!use.scheme->weights || use.scheme->weights->strategy != Strategy::kBlock) continue;
    for (const int32_t i : use.all()) {
      const ViewedModule& m = view.modules[static_cast<size_t>(i)];
      sides.insert(m.in);
      const bool last = m.fused >= 0 && [&] {
        const auto& members = view.fused[static_cast<size_t>(m.fused)].members;
        return std::find_if(members.rbegin(), members.rend(), [](int32_t x) { return x >= 0; })[0] == i;
      }();
      const bool stacked = (m.fused >= 0 && !last) || (m.mixture >= 0 && m.split != Split::kColumns);
      if (stacked || (view.ranks() > 1 && m.split == Split::kRows)) sides.insert(m.out);
    }
  }
  return dividing_block_sizes(std::vector<uint64_t>(sides.begin(), sides.end()));
}

std::string block_fix(const LoadView& view, std::span<const int32_t> modules) {
  const std::vector<int64_t> sizes = block_sizes_that_fit(view);
  if (sizes.empty())
    return fmt::format("`--scheme FP8_DYNAMIC`, which has no blocks, or {}", ignore_flags(view, modules));
  if (sizes[0] == 128) return "`--block-structure 128,128`";
  return fmt::format(
      "`--block-structure {0},{0}` and start vLLM with --linear-backend triton, or `--scheme FP8_DYNAMIC`, "
      "which "
      "has no blocks",
      sizes[0]);
}

std::string rank_fix(const LoadView& view) {
  std::set<uint64_t> counts,
      copied;  // those of keys and values count only where each rank has heads of its own
  if (view.heads > 0) counts.insert(view.heads);
  for (const ViewedModule& m : view.modules) {
    if (m.split == Split::kWhole) continue;
    const bool key_or_value = view.kv_heads > 0 && (m.leaf == "k_proj" || m.leaf == "v_proj");
    (key_or_value ? copied : counts).insert(m.split == Split::kRows ? m.module->out : m.module->in);
  }
  const auto fits = [](uint64_t ranks, const std::set<uint64_t>& all) {
    return std::ranges::all_of(all, [&](uint64_t n) { return n % ranks == 0; });
  };
  constexpr uint64_t kMostRanks = 1 << 16;
  for (uint64_t ranks = std::min(view.ranks() - 1, kMostRanks); ranks > 1; --ranks) {
    if (!fits(ranks, counts)) continue;
    if (view.kv_heads > 0) {
      const bool own = view.kv_heads % ranks == 0 && fits(ranks, copied);
      if (!own && ranks % view.kv_heads != 0) continue;
    }
    return fmt::format("`--tp {}`", ranks);
  }
  return "`--tp 1`";
}

}  // namespace tersor
