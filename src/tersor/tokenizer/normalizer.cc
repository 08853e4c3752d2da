#include "tersor/tokenizer/normalizer.h"

#include <utility>

#include <fmt/format.h>

#include "tersor/base/error.h"
#include "tersor/base/utf8.h"
#include "tersor/tokenizer/byte_level.h"
#include "tersor/tokenizer/json_fields.h"
#include "tersor/tokenizer/unicode.h"

namespace tersor::tokenizer {
namespace {

constexpr const char* kWhat = "normalizer";

void parse_into(const Json& json, const std::string& origin, std::vector<NormalizerStep>& out) {
  const std::string type = component_type(json, kWhat, origin);
  if (type == "Sequence") {
    for (const Json& inner : require_field(json, "normalizers", origin)) parse_into(inner, origin, out);
  } else if (type == "NFC") {
    out.emplace_back(UnicodeFormStep{NormalForm::kNfc});
  } else if (type == "NFD") {
    out.emplace_back(UnicodeFormStep{NormalForm::kNfd});
  } else if (type == "NFKC") {
    out.emplace_back(UnicodeFormStep{NormalForm::kNfkc});
  } else if (type == "NFKD") {
    out.emplace_back(UnicodeFormStep{NormalForm::kNfkd});
  } else if (type == "Lowercase") {
    out.emplace_back(LowercaseStep{});
  } else if (type == "Strip") {
    out.emplace_back(StripStep{bool_field(json, "strip_left", true, origin),
                               bool_field(json, "strip_right", true, origin)});
  } else if (type == "StripAccents") {
    out.emplace_back(StripAccentsStep{});
  } else if (type == "Replace") {
    out.emplace_back(
        ReplaceStep{pattern_field(json, "pattern", origin), string_field(json, "content", origin)});
  } else if (type == "Prepend") {
    out.emplace_back(PrependStep{string_field(json, "prepend", origin)});
  } else if (type == "Nmt") {
    out.emplace_back(NmtStep{});
  } else if (type == "Precompiled") {
    const auto blob = decode_base64(optional_string_field(json, "precompiled_charsmap", origin).value_or(""));
    if (!blob) throw input_error(fmt::format("{}: the precompiled_charsmap is not base64", origin));
    out.emplace_back(CharsmapStep{std::make_shared<const Charsmap>(*blob, origin)});
  } else if (type == "BertNormalizer") {
    BertStep step;
    step.clean_text = bool_field(json, "clean_text", true, origin);
    step.handle_chinese_chars = bool_field(json, "handle_chinese_chars", true, origin);
    step.lowercase = bool_field(json, "lowercase", true, origin);
    step.strip_accents = bool_field(json, "strip_accents", step.lowercase, origin);
    out.emplace_back(step);
  } else if (type == "ByteLevel") {
    out.emplace_back(ByteLevelStep{});
  } else {
    unsupported_component(kWhat, type, origin);
  }
}

// No form, case or script grows text by more than eleven times in one step; a hostile file can ask for any
// factor, and for its power in several steps.
size_t growth_limit(size_t input_bytes) { return 64 * input_bytes + (size_t{1} << 16); }

[[noreturn]] void throw_growth() {
  throw input_error("the text grows beyond all use when normalized",
                    "the tokenizer.json replaces characters by long texts, again and again");
}

// Calls `append(code_point, out)` for every character.
template <class Append>
void map_characters(std::string_view in, std::string& out, Append append) {
  for (const char *p = in.data(), *end = p + in.size(); p != end;) append(decode_utf8(p), out);
}

size_t leading_space(std::string_view text) {
  const char* p = text.data();
  const char* const end = p + text.size();
  while (p != end) {
    const char* after = p;
    if (!is_whitespace(decode_utf8(after))) break;
    p = after;
  }
  return static_cast<size_t>(p - text.data());
}

std::string_view without_trailing_space(std::string_view text) {
  while (!text.empty()) {
    const char* last = previous_utf8(text.data() + text.size());
    const char* p = last;
    if (!is_whitespace(decode_utf8(p))) break;
    text = text.substr(0, static_cast<size_t>(last - text.data()));
  }
  return text;
}

bool nmt_removes(uint32_t c) {
  return (c >= 0x01 && c <= 0x08) || c == 0x0B || (c >= 0x0E && c <= 0x1F) || c == 0x7F || c == 0x8F ||
         c == 0x9F;
}
bool nmt_makes_space(uint32_t c) {
  return c == 0x09 || c == 0x0A || c == 0x0C || c == 0x0D || c == 0x1680 || (c >= 0x200B && c <= 0x200F) ||
         c == 0x2028 || c == 0x2029 || c == 0x2581 || c == 0xFEFF || c == 0xFFFD;
}

bool is_cjk_ideograph(uint32_t c) {
  return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) || (c >= 0x20000 && c <= 0x2A6DF) ||
         (c >= 0x2A700 && c <= 0x2B73F) || (c >= 0x2B740 && c <= 0x2B81F) || (c >= 0x2B920 && c <= 0x2CEAF) ||
         (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x2F800 && c <= 0x2FA1F);
}

// The reference takes controls out before it makes white space plain, so a form feed or U+0085 goes and a tab
// stays.
void bert_clean(std::string_view in, std::string& out) {
  map_characters(in, out, [](uint32_t c, std::string& o) {
    if (c == '\t' || c == '\n' || c == '\r') {
      o += ' ';
    } else if (c != 0 && c != 0xFFFD && !is_bert_control(c)) {
      if (is_whitespace(c))
        o += ' ';
      else
        append_utf8(o, c);
    }
  });
}

// Each `apply` appends the rewritten `in` to `out`.

void apply(const UnicodeFormStep& step, std::string_view in, NormalizerBuffers&, std::string& out) {
  append_normalized(in, step.form, out);
}

void apply(const LowercaseStep&, std::string_view in, NormalizerBuffers&, std::string& out) {
  map_characters(in, out, append_lower_case);
}

void apply(const StripAccentsStep&, std::string_view in, NormalizerBuffers&, std::string& out) {
  map_characters(in, out, [](uint32_t c, std::string& o) {
    if (!is_combining_mark(c)) append_utf8(o, c);
  });
}

void apply(const ReplaceStep& step, std::string_view in, NormalizerBuffers& buffers, std::string& out) {
  buffers.spans.clear();
  step.pattern.find(in, 0, buffers.spans);
  const size_t limit = growth_limit(in.size());
  for (const Span& span : buffers.spans) {
    out += span.matched ? std::string_view(step.content) : span.in(in);
    if (out.size() > limit) throw_growth();
  }
}

void apply(const PrependStep& step, std::string_view in, NormalizerBuffers&, std::string& out) {
  if (!in.empty()) out += step.text;
  out += in;
}

void apply(const NmtStep&, std::string_view in, NormalizerBuffers&, std::string& out) {
  map_characters(in, out, [](uint32_t c, std::string& o) {
    if (nmt_removes(c)) return;
    if (nmt_makes_space(c))
      o += ' ';
    else
      append_utf8(o, c);
  });
}

void apply(const CharsmapStep& step, std::string_view in, NormalizerBuffers&, std::string& out) {
  step.map->append_rewritten(in, out, growth_limit(in.size()));
}

void apply(const BertStep& step, std::string_view in, NormalizerBuffers&, std::string& out) {
  std::string text(in), next;
  const auto stage = [&](bool wanted, auto rewrite) {
    if (!wanted) return;
    next.clear();
    rewrite();
    std::swap(text, next);
  };
  stage(step.clean_text, [&] { bert_clean(text, next); });
  stage(step.handle_chinese_chars, [&] {
    map_characters(text, next, [](uint32_t c, std::string& o) {
      const bool ideograph = is_cjk_ideograph(c);
      if (ideograph) o += ' ';
      append_utf8(o, c);
      if (ideograph) o += ' ';
    });
  });
  stage(step.strip_accents, [&] {
    std::string decomposed;
    append_normalized(text, NormalForm::kNfd, decomposed);
    map_characters(decomposed, next, [](uint32_t c, std::string& o) {
      if (!is_bert_accent(c)) append_utf8(o, c);
    });
  });
  stage(step.lowercase, [&] { map_characters(text, next, append_lower_case); });
  out += text;
}

void apply(const ByteLevelStep&, std::string_view in, NormalizerBuffers&, std::string& out) {
  append_byte_level(in, out);
}

void apply(const StripStep&, std::string_view, NormalizerBuffers&, std::string&) {
}  // done on the view, below

// Whether a step may remove the first character of the input.
bool removes_start(const NormalizerStep& step, std::string_view in) {
  if (in.empty()) return false;
  const char* p = in.data();
  const uint32_t first = decode_utf8(p);
  if (std::holds_alternative<StripAccentsStep>(step)) return is_combining_mark(first);
  if (std::holds_alternative<NmtStep>(step)) return nmt_removes(first);
  return false;
}

}  // namespace

std::vector<NormalizerStep> parse_normalizer(const Json& json, const std::string& origin) {
  std::vector<NormalizerStep> steps;
  if (!json.is_null()) parse_into(json, origin, steps);
  return steps;
}

NormalizedText normalize(const std::vector<NormalizerStep>& steps, std::string_view input,
                         NormalizerBuffers& buffers) {
  NormalizedText result{input, true};
  for (const NormalizerStep& step : steps) {
    if (const auto* strip = std::get_if<StripStep>(&step)) {
      const size_t left = strip->left ? leading_space(result.text) : 0;
      result.keeps_start &= left == 0;
      result.text.remove_prefix(left);
      if (strip->right) result.text = without_trailing_space(result.text);
      continue;
    }
    if (const auto* form = std::get_if<UnicodeFormStep>(&step)) {
      if (normalized_prefix(result.text, form->form) == result.text.size()) continue;  // as most text is
    }
    result.keeps_start &= !removes_start(step, result.text);
    buffers.next.clear();
    buffers.next.reserve(result.text.size() * 2);
    std::visit([&](const auto& s) { apply(s, result.text, buffers, buffers.next); }, step);
    if (buffers.next.size() > growth_limit(input.size())) throw_growth();
    std::swap(buffers.text, buffers.next);
    result.text = buffers.text;
  }
  return result;
}

}  // namespace tersor::tokenizer
