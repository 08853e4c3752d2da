#include "tersor/recipe/quantization_yaml.h"

#include <algorithm>
#include <charconv>
#include <vector>

#include <fmt/format.h>

#include "tersor/base/text.h"
#include "tersor/recipe/observers.h"

namespace tersor {
namespace {

const std::vector<std::string> kArgsKeys = {"num_bits",    "type",     "symmetric",       "strategy",
                                            "group_size",  "dynamic",  "block_structure", "actorder",
                                            "scale_dtype", "zp_dtype", "observer",        "observer_kwargs"};
const std::vector<std::string> kSchemeKeys = {"targets", "weights", "input_activations", "output_activations",
                                              "format"};
const std::vector<std::string> kTypes = {"int", "float"};
const std::vector<std::string> kStrategies = {"tensor", "channel",      "group",    "block",
                                              "token",  "tensor_group", "attn_head"};

QuantizationType read_type(const RecipeSource& source, const YamlNode& node) {
  const std::string name = read_text(source, "type", node);
  if (const auto type = quantization_type_from(name)) return *type;
  throw usage_error(fmt::format("{}: unknown type `{}`", source.place(node), excerpt(name)),
                    suggest(name, kTypes, "types are"));
}

Strategy read_strategy(const RecipeSource& source, const YamlNode& node) {
  const std::string name = read_text(source, "strategy", node);
  if (const auto strategy = strategy_from(name)) return *strategy;
  throw usage_error(fmt::format("{}: unknown strategy `{}`", source.place(node), excerpt(name)),
                    suggest(name, kStrategies, "strategies are"));
}

Dynamic read_dynamic(const RecipeSource& source, const YamlNode& node) {
  if (const std::optional<bool> value = node.as_bool()) return *value ? Dynamic::kTrue : Dynamic::kFalse;
  const std::string name = lower_case(node.scalar);
  if (node.kind == YamlNode::Kind::kScalar && name == "local") return Dynamic::kLocal;
  throw usage_error(fmt::format("{}: `dynamic` must be true, false or local, but is {}", source.place(node),
                                describe(node)),
                    node.quoted ? "quotes make it text: take them away" : "");
}

}  // namespace

// "weight" and "static" are one; the other order, by groups, is gone from compressed-tensors.
std::optional<ActOrder> read_actorder(const RecipeSource& source, const YamlNode& node) {
  constexpr const char* kHelp = "use `static` (also spelt `weight`) or null";
  if (const std::optional<bool> value = node.as_bool()) {
    if (!*value) return std::nullopt;
    throw usage_error(
        fmt::format("{}: `actorder: true` means `group`, which compressed-tensors no longer has",
                    source.place(node)),
        kHelp);
  }
  const std::string name = read_text(source, "actorder", node);
  if (name == "static" || name == "weight") return ActOrder::kStatic;
  if (name == "group" || name == "dynamic") {
    throw usage_error(
        fmt::format("{}: actorder `{}` is no longer part of compressed-tensors", source.place(node), name),
        kHelp);
  }
  throw usage_error(fmt::format("{}: unknown actorder `{}`", source.place(node), excerpt(name)), kHelp);
}

namespace {

DType read_dtype(const RecipeSource& source, std::string_view key, const YamlNode& node) {
  const std::string name = read_text(source, key, node);
  if (const auto dtype = dtype_from_torch_name(name)) return *dtype;
  throw usage_error(fmt::format("{}: unknown {} `{}`", source.place(node), key, excerpt(name)),
                    "types are spelt as torch does: torch.bfloat16, torch.float8_e4m3fn, torch.uint8");
}

// [rows, columns], or "rowsxcolumns".
std::array<int64_t, 2> read_block_structure(const RecipeSource& source, const YamlNode& node) {
  std::vector<int64_t> sizes;
  if (node.kind == YamlNode::Kind::kSequence) {
    for (const YamlNode& item : node.items) sizes.push_back(read_int(source, "block_structure", item));
  } else if (node.kind == YamlNode::Kind::kScalar) {
    const char* at = node.scalar.data();
    const char* const end = at + node.scalar.size();
    while (at != end) {
      int64_t size = 0;
      const auto [next, error] = std::from_chars(at, end, size);
      if (error != std::errc() || (next != end && *next != 'x') || next + 1 == end) break;
      sizes.push_back(size);
      at = next == end ? end : next + 1;
    }
    if (at != end) sizes.clear();
  }
  const bool bounded = std::ranges::all_of(sizes, [](int64_t size) { return size <= kMaxBlockSide; });
  if (sizes.size() == 2 && sizes[0] > 0 && sizes[1] > 0 && bounded) return {sizes[0], sizes[1]};
  throw usage_error(
      fmt::format("{}: `block_structure` must be two positive sizes, rows and columns", source.place(node)),
      "write block_structure: [128, 128]");
}

std::map<std::string, double> read_observer_kwargs(const RecipeSource& source, const YamlNode& node) {
  if (node.kind != YamlNode::Kind::kMapping) {
    throw usage_error(fmt::format("{}: `observer_kwargs` must be a mapping, but is {}", source.place(node),
                                  describe(node)));
  }
  std::map<std::string, double> kwargs;
  for (const auto& entry : node.entries) {
    const std::optional<bool> flag = entry.value.as_bool();
    kwargs[entry.key] = flag ? static_cast<double>(*flag) : read_number(source, entry.key, entry.value);
  }
  return kwargs;
}

// As compressed-tensors infers it: nothing given is one scale per tensor, a positive group size is groups,
// -1 is one scale per row.
void infer_strategy(const RecipeSource& source, const YamlNode& node, std::optional<Strategy> strategy,
                    std::optional<int64_t> group_size, QuantizationArgs& args) {
  if (group_size && *group_size < -1) {
    throw usage_error(fmt::format("{}: group_size is {}, but must be positive, or -1 for one scale per row",
                                  source.place(node), *group_size));
  }
  const bool per_row = group_size == -1;
  if (!strategy) strategy = per_row ? Strategy::kChannel : group_size ? Strategy::kGroup : Strategy::kTensor;
  args.strategy = *strategy;
  const bool has_groups = *strategy == Strategy::kGroup || *strategy == Strategy::kTensorGroup;
  if (!per_row || has_groups) args.group_size = group_size;  // validate() refuses what contradicts
}

}  // namespace

QuantizationArgs read_args(const RecipeSource& source, const std::string& what, const YamlNode& node) {
  expect_mapping(source, node, what, kArgsKeys);
  QuantizationArgs args;
  if (const YamlNode* v = node.find("num_bits")) {
    const int64_t bits = read_int(source, "num_bits", *v);
    args.num_bits =
        static_cast<int>(std::clamp<int64_t>(bits, -1, 1000));  // validate() knows what is possible
  }
  if (const YamlNode* v = node.find("type")) args.type = read_type(source, *v);
  if (const YamlNode* v = node.find("symmetric")) args.symmetric = read_bool(source, "symmetric", *v);
  if (const YamlNode* v = node.find("dynamic")) args.dynamic = read_dynamic(source, *v);
  std::optional<Strategy> strategy;
  std::optional<int64_t> group_size;
  if (const YamlNode* v = find_set(node, "strategy")) strategy = read_strategy(source, *v);
  if (const YamlNode* v = find_set(node, "group_size")) group_size = read_int(source, "group_size", *v);
  if (const YamlNode* v = find_set(node, "block_structure"))
    args.block_structure = read_block_structure(source, *v);
  if (const YamlNode* v = find_set(node, "actorder")) args.actorder = read_actorder(source, *v);
  if (const YamlNode* v = find_set(node, "scale_dtype"))
    args.scale_dtype = read_dtype(source, "scale_dtype", *v);
  if (const YamlNode* v = find_set(node, "zp_dtype")) args.zp_dtype = read_dtype(source, "zp_dtype", *v);
  if (args.symmetric) {
    args.zp_dtype = std::nullopt;
  } else if (!args.zp_dtype) {
    args.zp_dtype = DType::kI8;
  }
  if (const YamlNode* v = find_set(node, "observer")) {
    args.observer = observer_name(source.place(*v) + ": ", read_text(source, "observer", *v));
  }
  if (const YamlNode* v = node.find("observer_kwargs"))
    args.observer_kwargs = read_observer_kwargs(source, *v);
  infer_strategy(source, node, strategy, group_size, args);
  validate(args, fmt::format("{}: {}", source.place(node), what));
  return args;
}

QuantizationScheme read_scheme(RecipeSource& source, const std::string& name, const YamlNode& node) {
  expect_mapping(source, node, fmt::format("the group `{}`", name), kSchemeKeys);
  QuantizationScheme scheme;
  const YamlNode* targets = node.find("targets");
  if (targets == nullptr) {
    throw usage_error(fmt::format("{}: the group `{}` has no targets", source.place(node), name),
                      "add the modules that it is for, e.g. targets: [Linear]");
  }
  if (targets->kind != YamlNode::Kind::kSequence) source.portable = false;
  scheme.targets = read_names(source, "targets", *targets);
  auto read_part = [&](const char* key, std::optional<QuantizationArgs>& part) {
    if (const YamlNode* v = find_set(node, key)) part = read_args(source, name + "." + key, *v);
  };
  read_part("weights", scheme.weights);
  read_part("input_activations", scheme.input_activations);
  read_part("output_activations", scheme.output_activations);
  if (const YamlNode* v = find_set(node, "format")) {
    const std::string format = read_text(source, "format", *v);
    scheme.format = format_from_name(format);
    if (!scheme.format) {
      throw usage_error(
          fmt::format("{}: unknown format `{}` of the group `{}`", source.place(*v), excerpt(format), name),
          "leave format out: the one that readers load is then chosen");
    }
  }
  validate(scheme, fmt::format("{}: {}", source.place(node), name));
  return scheme;
}

std::string preset_name(std::string_view prefix, std::string_view name) {
  std::string upper(name);
  std::ranges::transform(upper, upper.begin(), [](unsigned char c) { return std::toupper(c); });
  const std::vector<std::string> names = preset_scheme_names();
  if (std::ranges::find(names, upper) != names.end()) return upper;
  throw usage_error(fmt::format("{}unknown scheme `{}`", prefix, excerpt(name)),
                    suggest(name, names, "schemes are"));
}

}  // namespace tersor
