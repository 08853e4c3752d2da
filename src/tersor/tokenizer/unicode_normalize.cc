#include "tersor/tokenizer/unicode_normalize.h"

#include <algorithm>
#include <array>
#include <bitset>
#include <cstring>
#include <iterator>
#include <memory>
#include <new>
#include <vector>

#include <utf8proc.h>

#include "tersor/base/utf8.h"
#include "tersor/tokenizer/unicode.h"

namespace tersor::tokenizer {
namespace {

constexpr uint32_t kEnd = 0x110000;

struct Range {
  uint32_t first, last;
};

// Characters whose decomposition is newer than the reference's tables.
constexpr Range kLaterCompatibility[] = {{0x32FF, 0x32FF},   {0xA7F2, 0xA7F4},   {0xAB69, 0xAB69},
                                         {0x10781, 0x10785}, {0x10787, 0x107B0}, {0x107B2, 0x107BA},
                                         {0x1E030, 0x1E06D}, {0x1F16C, 0x1F16C}, {0x1FBF0, 0x1FBF9}};

bool is_compatible(NormalForm form) { return form == NormalForm::kNfkc || form == NormalForm::kNfkd; }
bool is_composed(NormalForm form) { return form == NormalForm::kNfc || form == NormalForm::kNfkc; }

int options_of(NormalForm form) {
  return UTF8PROC_STABLE | (is_composed(form) ? UTF8PROC_COMPOSE : UTF8PROC_DECOMPOSE) |
         (is_compatible(form) ? UTF8PROC_COMPAT : 0);
}

// Left alone by the reference, and a wall to what is on either side.
bool unknown_to_reference(uint32_t c, NormalForm form) {
  if ((char_class(c) & kMark) && !is_combining_mark(c)) return true;
  return is_compatible(form) && std::any_of(std::begin(kLaterCompatibility), std::end(kLaterCompatibility),
                                            [&](const Range& r) { return c >= r.first && c <= r.last; });
}

// Normalizes a few characters through utf8proc, into `out`.
void normalize_segment(std::string_view text, NormalForm form, std::string& out) {
  thread_local std::vector<utf8proc_int32_t> buffer(64);
  const auto option = static_cast<utf8proc_option_t>(options_of(form));
  const auto* bytes = reinterpret_cast<const utf8proc_uint8_t*>(text.data());
  const auto size = static_cast<utf8proc_ssize_t>(text.size());
  utf8proc_ssize_t count = 0;
  while ((count = utf8proc_decompose(bytes, size, buffer.data(), static_cast<utf8proc_ssize_t>(buffer.size()),
                                     option)) > static_cast<utf8proc_ssize_t>(buffer.size())) {
    buffer.resize(static_cast<size_t>(count));
  }
  if (count >= 0) count = utf8proc_normalize_utf32(buffer.data(), count, option);
  if (count < 0) throw std::bad_alloc();  // valid UTF-8 leaves no other reason
  for (utf8proc_ssize_t i = 0; i < count; ++i)
    append_utf8(out, static_cast<uint32_t>(buffer[static_cast<size_t>(i)]));
}

// Characters that a form may change, reorder, or join with the one before; all others are inert.
class Suspects {
 public:
  explicit Suspects(NormalForm form) {
    std::string normal;
    for (uint32_t c = 0x80; c < kEnd; ++c) {
      bool suspect = (char_class(c) & kMark) != 0;
      if (utf8proc_get_property(static_cast<utf8proc_int32_t>(c))->decomp_seqindex != UINT16_MAX) {
        const std::string self = to_utf8(c);
        normal.clear();
        normalize_segment(self, form, normal);
        suspect |= normal != self;
      }
      const bool vowel_or_tail = (c >= 0x1161 && c <= 0x1175) || (c >= 0x11A8 && c <= 0x11C2);  // Hangul jamo
      const bool syllable = c >= 0xAC00 && c <= 0xD7A3;
      suspect |= is_composed(form) ? vowel_or_tail : syllable;
      if (suspect) set_.set(c);
    }
  }
  bool operator[](uint32_t c) const { return set_[c]; }

 private:
  std::bitset<kEnd> set_;
};

template <NormalForm kForm>
const Suspects& suspects_of() {
  static const auto suspects = std::make_unique<const Suspects>(kForm);
  return *suspects;
}

const Suspects& suspects(NormalForm form) {
  switch (form) {
    case NormalForm::kNfc:
      return suspects_of<NormalForm::kNfc>();
    case NormalForm::kNfd:
      return suspects_of<NormalForm::kNfd>();
    case NormalForm::kNfkc:
      return suspects_of<NormalForm::kNfkc>();
    case NormalForm::kNfkd:
      break;
  }
  return suspects_of<NormalForm::kNfkd>();
}

// The first suspect at or after `p`, or `end`.
const char* find_suspect(const char* p, const char* end, const Suspects& suspects) {
  constexpr uint64_t kHighBits = 0x8080808080808080;
  while (p != end) {
    uint64_t word = 0;
    while (end - p >= 8 && (std::memcpy(&word, p, 8), (word & kHighBits) == 0)) p += 8;
    if (p == end) break;
    const char* after = p;
    if (suspects[decode_utf8(after)]) break;
    p = after;
  }
  return p;
}

// The stretch of suspects from `p` on: up to the next inert character.
const char* end_of_suspects(const char* p, const char* end, const Suspects& suspects) {
  while (p != end) {
    const char* after = p;
    if (!suspects[decode_utf8(after)]) break;
    p = after;
  }
  return p;
}

// A segment cut at the characters that the reference does not know.
void normalize_between_unknown(const char* p, const char* end, NormalForm form, std::string& out) {
  const char* known = p;
  while (p != end) {
    const char* after = p;
    if (unknown_to_reference(decode_utf8(after), form)) {
      normalize_segment({known, static_cast<size_t>(p - known)}, form, out);
      out.append(p, after);
      known = after;
    }
    p = after;
  }
  normalize_segment({known, static_cast<size_t>(end - known)}, form, out);
}

}  // namespace

size_t normalized_prefix(std::string_view text, NormalForm form) {
  const char* const begin = text.data();
  const char* const end = begin + text.size();
  const char* suspect = find_suspect(begin, end, suspects(form));
  if (suspect == end) return text.size();
  return static_cast<size_t>((suspect == begin ? suspect : previous_utf8(suspect)) - begin);
}

void append_normalized(std::string_view text, NormalForm form, std::string& out) {
  const Suspects& table = suspects(form);
  const char* const end = text.data() + text.size();
  for (const char* p = text.data(); p != end;) {
    // What precedes a suspect may join it; what precedes that cannot.
    const char* suspect = find_suspect(p, end, table);
    const char* segment = suspect == p || suspect == end ? suspect : previous_utf8(suspect);
    out.append(p, segment);
    p = end_of_suspects(suspect, end, table);
    normalize_between_unknown(segment, p, form, out);
  }
}

void append_lower_case(uint32_t c, std::string& out) {
  if (c < 0x80) {
    out += static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
    return;
  }
  if (c == 0x130) {
    out += "i\xCC\x87";
    return;
  }
  // Capitals of Unicode 16 and 17, which utf8proc may not know yet.
  struct Pair {
    uint32_t upper, lower;
  };
  constexpr std::array<Pair, 8> kLater = {{{0x1C89, 0x1C8A},
                                           {0xA7CB, 0x264},
                                           {0xA7CC, 0xA7CD},
                                           {0xA7CE, 0xA7CF},
                                           {0xA7D2, 0xA7D3},
                                           {0xA7D4, 0xA7D5},
                                           {0xA7DA, 0xA7DB},
                                           {0xA7DC, 0x19B}}};
  for (const Pair& pair : kLater) {
    if (c == pair.upper) return append_utf8(out, pair.lower);
  }
  if (c >= 0x10D50 && c <= 0x10D65) return append_utf8(out, c + 0x20);
  if (c >= 0x16EA0 && c <= 0x16EB8) return append_utf8(out, c + 0x1B);
  append_utf8(out, static_cast<uint32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(c))));
}

void append_upper_case(uint32_t c, std::string& out) {
  if (c < 0x80) {
    out += static_cast<char>(c >= 'a' && c <= 'z' ? c - 32 : c);
    return;
  }
  struct Special {
    uint32_t lower;
    std::string_view upper;
  };
  constexpr std::array<Special, 8> kSpecial = {{{0xDF, "SS"},
                                                {0x149, "\u02BCN"},
                                                {0xFB00, "FF"},
                                                {0xFB01, "FI"},
                                                {0xFB02, "FL"},
                                                {0xFB03, "FFI"},
                                                {0xFB04, "FFL"},
                                                {0xFB06, "ST"}}};
  for (const Special& special : kSpecial) {
    if (c == special.lower) {
      out += special.upper;
      return;
    }
  }
  append_utf8(out, static_cast<uint32_t>(utf8proc_toupper(static_cast<utf8proc_int32_t>(c))));
}

size_t grapheme_length(std::string_view text) {
  const char* const end = text.data() + text.size();
  const char* p = text.data();
  auto before = static_cast<utf8proc_int32_t>(decode_utf8(p));
  utf8proc_int32_t state = 0;
  while (p != end) {
    const char* after = p;
    const auto c = static_cast<utf8proc_int32_t>(decode_utf8(after));
    if (utf8proc_grapheme_break_stateful(before, c, &state)) break;
    before = c;
    p = after;
  }
  return static_cast<size_t>(p - text.data());
}

}  // namespace tersor::tokenizer
