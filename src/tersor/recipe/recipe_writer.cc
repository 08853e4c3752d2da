#include "tersor/recipe/recipe_writer.h"

#include <algorithm>
#include <cctype>
#include <iterator>
#include <optional>
#include <vector>

#include <fmt/format.h>

#include "tersor/base/text.h"

namespace tersor {
namespace {

// Lists longer than this get a line per item.
constexpr size_t kMaxLine = 100;

// Next code point of UTF-8 text; a broken byte is U+FFFD.
char32_t next_code_point(std::string_view text, size_t& at) {
  const auto lead = static_cast<unsigned char>(text[at++]);
  const int more = lead < 0x80   ? 0
                   : lead < 0xC2 ? -1
                   : lead < 0xE0 ? 1
                   : lead < 0xF0 ? 2
                   : lead < 0xF5 ? 3
                                 : -1;
  if (more < 0) return 0xFFFD;
  char32_t code = more == 0 ? lead : lead & (0x3F >> more);
  for (int i = 0; i < more; ++i) {
    if (at == text.size() || (static_cast<unsigned char>(text[at]) & 0xC0) != 0x80) return 0xFFFD;
    code = code << 6 | (static_cast<unsigned char>(text[at++]) & 0x3F);
  }
  return code;
}

std::string double_quoted(std::string_view text) {
  std::string out = "\"";
  for (size_t at = 0; at < text.size();) {
    const char32_t c = next_code_point(text, at);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += static_cast<char>(c);
    } else if (c >= 0x20 && c < 0x7F) {
      out += static_cast<char>(c);
    } else if (c < 0x10000) {
      fmt::format_to(std::back_inserter(out), "\\u{:04X}", static_cast<uint32_t>(c));
    } else {
      fmt::format_to(std::back_inserter(out), "\\U{:08X}", static_cast<uint32_t>(c));
    }
  }
  return out + '"';
}

// Text as a YAML scalar that stays text.
std::string quoted(std::string_view text) {
  constexpr std::string_view kWords[] = {"true", "false", "yes", "no", "on", "off", "y", "n", "null"};
  const std::string lower = lower_case(text);
  const bool is_word =
      !text.empty() && (std::isalpha(static_cast<unsigned char>(text[0])) || text[0] == '_') &&
      std::ranges::all_of(
          text, [](unsigned char c) { return std::isalnum(c) || c == '_' || c == '.' || c == '-'; });
  if (is_word && std::ranges::find(kWords, lower) == std::end(kWords)) return std::string(text);
  const bool is_ascii = std::ranges::all_of(text, [](unsigned char c) { return c >= 0x20 && c < 0x7F; });
  if (!is_ascii) return double_quoted(text);
  std::string out = "'";
  for (char c : text) out += c == '\'' ? std::string("''") : std::string(1, c);
  return out + "'";
}

// "key: [a, b]", or a line per item.
std::string list_field(const std::string& indent, const char* key, std::span<const std::string> items) {
  std::string flow = fmt::format("{}{}: [", indent, key);
  std::string block = fmt::format("{}{}:\n", indent, key);
  for (const std::string& item : items) {
    flow += (&item == items.data() ? "" : ", ") + quoted(item);
    block += fmt::format("{}- {}\n", indent, quoted(item));
  }
  return flow.size() < kMaxLine || items.empty() ? flow + "]\n" : block;
}

std::string args_text(const QuantizationArgs& args) {
  std::string out = fmt::format("{{num_bits: {}, type: {}, symmetric: {}, strategy: {}", args.num_bits,
                                to_string(args.type), args.symmetric, to_string(args.strategy));
  auto add = [&](std::string_view key, const std::string& value) {
    fmt::format_to(std::back_inserter(out), ", {}: {}", key, value);
  };
  if (args.group_size) add("group_size", std::to_string(*args.group_size));
  if (args.block_structure) {
    add("block_structure", fmt::format("[{}, {}]", (*args.block_structure)[0], (*args.block_structure)[1]));
  }
  if (args.dynamic != Dynamic::kFalse) add("dynamic", args.dynamic == Dynamic::kTrue ? "true" : "local");
  if (args.actorder) add("actorder", "static");
  if (args.scale_dtype) add("scale_dtype", std::string(torch_dtype_name(*args.scale_dtype)));
  if (args.zp_dtype) add("zp_dtype", std::string(torch_dtype_name(*args.zp_dtype)));
  if (args.observer) add("observer", *args.observer);
  if (!args.observer_kwargs.empty()) {
    std::string kwargs;
    for (const auto& [key, value] : args.observer_kwargs) {
      kwargs += fmt::format("{}{}: {}", kwargs.empty() ? "" : ", ", quoted(key), value);
    }
    add("observer_kwargs", "{" + kwargs + "}");
  }
  return out + "}";
}

std::string group_text(const QuantizationScheme& scheme, const std::string& indent) {
  std::string out = list_field(indent, "targets", scheme.targets);
  auto add = [&](const char* key, const std::optional<QuantizationArgs>& args) {
    if (args) out += fmt::format("{}{}: {}\n", indent, key, args_text(*args));
  };
  add("weights", scheme.weights);
  add("input_activations", scheme.input_activations);
  add("output_activations", scheme.output_activations);
  if (scheme.format) out += fmt::format("{}format: {}\n", indent, format_name(*scheme.format));
  return out;
}

// A scheme as a preset, with another observer of weights where they differ in that only.
struct PresetForm {
  std::string name;
  std::optional<std::string> weight_observer;
};
std::optional<PresetForm> preset_form(const QuantizationScheme& scheme, bool gptq) {
  for (const std::string& name : preset_scheme_names()) {
    QuantizationScheme preset = *preset_scheme(name);
    preset.targets = scheme.targets;
    if (preset == scheme) return PresetForm{name, std::nullopt};
    if (!preset.weights || !scheme.weights) continue;
    if (gptq) preset.weights->actorder = scheme.weights->actorder;  // the modifier's own key says it
    preset.weights->observer = scheme.weights->observer;
    if (preset == scheme) return PresetForm{name, scheme.weights->observer};
  }
  return std::nullopt;
}

std::string modifier_text(const QuantizationModifier& modifier, bool gptq, const std::string& indent) {
  std::string out;
  const std::optional<PresetForm> preset =
      modifier.groups.size() == 1 ? preset_form(modifier.groups[0], gptq) : std::nullopt;
  if (preset) {
    out += fmt::format("{}scheme: {}\n", indent, preset->name);
    out += list_field(indent, "targets", modifier.groups[0].targets);
    if (preset->weight_observer)
      out += fmt::format("{}weight_observer: {}\n", indent, *preset->weight_observer);
  } else if (!modifier.groups.empty()) {
    out += fmt::format("{}config_groups:\n", indent);
    for (size_t i = 0; i < modifier.groups.size(); ++i) {
      out += fmt::format("{}  group_{}:\n{}", indent, i, group_text(modifier.groups[i], indent + "    "));
    }
  }
  if (!modifier.ignore.empty()) out += list_field(indent, "ignore", modifier.ignore);
  if (modifier.kv_cache_scheme) {
    out += fmt::format("{}kv_cache_scheme: {}\n", indent, args_text(*modifier.kv_cache_scheme));
  }
  if (modifier.bypass_divisibility_checks) out += fmt::format("{}bypass_divisibility_checks: true\n", indent);
  return out;
}

// What differs from the defaults.
std::string gptq_text(const Modifier& modifier, const std::string& indent) {
  const GptqParameters defaults;
  std::string out;
  if (modifier.gptq->block_size != defaults.block_size)
    out += fmt::format("{}block_size: {}\n", indent, modifier.gptq->block_size);
  if (modifier.gptq->dampening_frac != defaults.dampening_frac)
    out += fmt::format("{}dampening_frac: {}\n", indent, modifier.gptq->dampening_frac);
  if (modifier.gptq->shrinkage != defaults.shrinkage)
    out += fmt::format("{}shrinkage: {}\n", indent, modifier.gptq->shrinkage);
  if (modifier.gptq->asymmetric_calibration) out += fmt::format("{}asymmetric_calibration: true\n", indent);
  if (!modifier.gptq->signed_scales) out += fmt::format("{}signed_scales: false\n", indent);
  const bool natural = std::ranges::any_of(modifier.quantization.groups, [](const QuantizationScheme& group) {
    return group.weights && !group.weights->actorder;
  });
  if (natural) out += fmt::format("{}actorder: null\n", indent);
  return out;
}

}  // namespace

std::string write_recipe(std::span<const Modifier> modifiers) {
  std::string out;
  const Modifier* before = nullptr;
  for (const Modifier& modifier : modifiers) {
    const bool new_stage = before == nullptr || modifier.stage != before->stage;
    if (new_stage) out += fmt::format("{}:\n", quoted(modifier.stage + "_stage"));
    if (new_stage || modifier.group != before->group) {
      out += fmt::format("  {}:\n", quoted(modifier.group + "_modifiers"));
    }
    out += fmt::format("    {}:\n{}", modifier.type,
                       modifier_text(modifier.quantization, modifier.gptq.has_value(), "      "));
    if (modifier.gptq) out += gptq_text(modifier, "      ");
    before = &modifier;
  }
  return out;
}

}  // namespace tersor
