#include "tersor/tokenizer/unicode.h"

#include <algorithm>
#include <cstring>
#include <iterator>
#include <utility>
#include <vector>

namespace tersor::tokenizer {
namespace {

using enum GeneralCategory;
constexpr uint8_t kEvenUpper = 30, kOddUpper = 31;

constexpr CharClass class_of(GeneralCategory category) {
  switch (category) {
    case kLu:
    case kLt:
      return kUpper | kWord;
    case kLl:
      return kLower | kWord;
    case kLm:
    case kLo:
      return kOtherLetter | kWord;
    case kMn:
      return kMark | kNonspacing | kWord;
    case kMc:
    case kMe:
      return kMark | kWord;
    case kNd:
    case kNl:
      return kNumber | kWord;
    case kNo:
      return kNumber;
    case kPc:
      return kPunctuation | kWord;
    case kPd:
    case kPe:
    case kPf:
    case kPi:
    case kPo:
    case kPs:
      return kPunctuation;
    case kSc:
    case kSk:
    case kSm:
    case kSo:
      return kSymbol;
    case kZl:
    case kZp:
    case kZs:
      return kSpace;
    case kCc:
    case kCf:
    case kCo:
      return kControl;
    case kCn:
    case kCs:
      return kUnassigned;
  }
  return 0;
}

struct Range {
  uint32_t first, last;
};

bool contains(const Range* begin, const Range* end, uint32_t c) {
  const Range* after =
      std::upper_bound(begin, end, c, [](uint32_t x, const Range& r) { return x < r.first; });
  return after != begin && c <= (after - 1)->last;
}

// \w beyond the categories: superscripts and fractions that Oniguruma counts, and the circled letters
// (Other_Alphabetic).
constexpr Range kMoreWord[] = {{0xB2, 0xB3},       {0xB9, 0xB9},       {0xBC, 0xBE},      {0x24B6, 0x24E9},
                               {0x1F130, 0x1F149}, {0x1F150, 0x1F169}, {0x1F170, 0x1F189}};

// Digits that Unicode 17 added: Rust's standard library is newer than the regular expressions.
constexpr Range kNewNumbers[] = {{0x11DE0, 0x11DE9}, {0x16FF4, 0x16FF6}};

// Punctuation that the crate unicode_categories (Unicode 8) does not know, and two that it has in excess.
constexpr Range kLaterPunctuation[] = {
    {0x61D, 0x61D},     {0x9FD, 0x9FD},     {0xA76, 0xA76},     {0xC77, 0xC77},     {0xC84, 0xC84},
    {0x1B4E, 0x1B4F},   {0x1B7D, 0x1B7F},   {0x2E43, 0x2E4F},   {0x2E52, 0x2E5D},   {0x10D6E, 0x10D6E},
    {0x10EAD, 0x10EAD}, {0x10F55, 0x10F59}, {0x10F86, 0x10F89}, {0x113D4, 0x113D5}, {0x113D7, 0x113D8},
    {0x1144B, 0x1144F}, {0x1145A, 0x1145B}, {0x1145D, 0x1145D}, {0x11660, 0x1166C}, {0x116B9, 0x116B9},
    {0x1183B, 0x1183B}, {0x11944, 0x11946}, {0x119E2, 0x119E2}, {0x11A3F, 0x11A46}, {0x11A9A, 0x11A9C},
    {0x11A9E, 0x11AA2}, {0x11B00, 0x11B09}, {0x11BE1, 0x11BE1}, {0x11C41, 0x11C45}, {0x11C70, 0x11C71},
    {0x11EF7, 0x11EF8}, {0x11F43, 0x11F4F}, {0x11FFF, 0x11FFF}, {0x12FF1, 0x12FF2}, {0x16D6D, 0x16D6F},
    {0x16E97, 0x16E9A}, {0x16FE2, 0x16FE2}, {0x1E5FF, 0x1E5FF}, {0x1E95E, 0x1E95F}};

// Marks that the crate unicode-normalization-alignments (Unicode 9) does not know, and two that were marks
// then.
constexpr Range kLaterMarks[] = {
    {0x7FD, 0x7FD},     {0x897, 0x89F},     {0x8CA, 0x8D3},     {0x9FE, 0x9FE},     {0xAFA, 0xAFF},
    {0xB55, 0xB55},     {0xC04, 0xC04},     {0xC3C, 0xC3C},     {0xCF3, 0xCF3},     {0xD00, 0xD00},
    {0xD3B, 0xD3C},     {0xD81, 0xD81},     {0xEBA, 0xEBA},     {0xECE, 0xECE},     {0x1715, 0x1715},
    {0x180F, 0x180F},   {0x1ABF, 0x1ACE},   {0x1CF7, 0x1CF7},   {0x1DF6, 0x1DFA},   {0xA82C, 0xA82C},
    {0xA8FF, 0xA8FF},   {0x10D24, 0x10D27}, {0x10D69, 0x10D6D}, {0x10EAB, 0x10EAC}, {0x10EFC, 0x10EFF},
    {0x10F46, 0x10F50}, {0x10F82, 0x10F85}, {0x11070, 0x11070}, {0x11073, 0x11074}, {0x110C2, 0x110C2},
    {0x11145, 0x11146}, {0x111C9, 0x111C9}, {0x111CE, 0x111CF}, {0x11241, 0x11241}, {0x1133B, 0x1133B},
    {0x113B8, 0x113C0}, {0x113C2, 0x113C2}, {0x113C5, 0x113C5}, {0x113C7, 0x113CA}, {0x113CC, 0x113D0},
    {0x113D2, 0x113D2}, {0x113E1, 0x113E2}, {0x1145E, 0x1145E}, {0x1182C, 0x1183A}, {0x11930, 0x11935},
    {0x11937, 0x11938}, {0x1193B, 0x1193E}, {0x11940, 0x11940}, {0x11942, 0x11943}, {0x119D1, 0x119D7},
    {0x119DA, 0x119E0}, {0x119E4, 0x119E4}, {0x11A01, 0x11A0A}, {0x11A33, 0x11A39}, {0x11A3B, 0x11A3E},
    {0x11A47, 0x11A47}, {0x11A51, 0x11A5B}, {0x11A8A, 0x11A99}, {0x11D31, 0x11D36}, {0x11D3A, 0x11D3A},
    {0x11D3C, 0x11D3D}, {0x11D3F, 0x11D45}, {0x11D47, 0x11D47}, {0x11D8A, 0x11D8E}, {0x11D90, 0x11D91},
    {0x11D93, 0x11D97}, {0x11EF3, 0x11EF6}, {0x11F00, 0x11F01}, {0x11F03, 0x11F03}, {0x11F34, 0x11F3A},
    {0x11F3E, 0x11F42}, {0x11F5A, 0x11F5A}, {0x13440, 0x13440}, {0x13447, 0x13455}, {0x1611E, 0x1612F},
    {0x16F4F, 0x16F4F}, {0x16F7F, 0x16F87}, {0x16FE4, 0x16FE4}, {0x16FF0, 0x16FF1}, {0x1CF00, 0x1CF2D},
    {0x1CF30, 0x1CF46}, {0x1E08F, 0x1E08F}, {0x1E130, 0x1E136}, {0x1E2AE, 0x1E2AE}, {0x1E2EC, 0x1E2EF},
    {0x1E4EC, 0x1E4EF}, {0x1E5EE, 0x1E5EF}};

// Nonspacing marks of Unicode 9, and format characters since Unicode 8, that unicode_categories does not know
// either.
constexpr Range kMarksOfUnicode9[] = {
    {0x8D4, 0x8E1},     {0x1885, 0x1886},   {0x1DFB, 0x1DFB},   {0xA8C5, 0xA8C5},   {0xA9BD, 0xA9BD},
    {0x1123E, 0x1123E}, {0x11438, 0x1143F}, {0x11442, 0x11444}, {0x11446, 0x11446}, {0x11C30, 0x11C36},
    {0x11C38, 0x11C3D}, {0x11C3F, 0x11C3F}, {0x11C92, 0x11CA7}, {0x11CAA, 0x11CB0}, {0x11CB2, 0x11CB3},
    {0x11CB5, 0x11CB6}, {0x1E000, 0x1E006}, {0x1E008, 0x1E018}, {0x1E01B, 0x1E021}, {0x1E023, 0x1E024},
    {0x1E026, 0x1E02A}, {0x1E944, 0x1E94A}};
constexpr Range kLaterFormat[] = {{0x890, 0x891}, {0x8E2, 0x8E2}, {0x110CD, 0x110CD}, {0x13430, 0x1343F}};

}  // namespace

CharTable::CharTable() {
  std::vector<CharClass> all(0x110000);
  for (size_t i = 0; i < kCategoryRunCount; ++i) {
    const uint8_t category = kCategoryRuns[i] & 31;
    const uint32_t first = kCategoryRuns[i] >> 5;
    const uint32_t end = i + 1 < kCategoryRunCount ? kCategoryRuns[i + 1] >> 5 : 0x110000;
    for (uint32_t c = first; c < end; ++c) {
      const bool upper_here = category == (c % 2 == 0 ? kEvenUpper : kOddUpper);
      all[c] = class_of(category < kEvenUpper ? GeneralCategory{category} : upper_here ? kLu : kLl);
    }
  }
  for (const Range& r : kMoreWord) {
    for (uint32_t c = r.first; c <= r.last; ++c) all[c] |= kWord;
  }
  // White_Space: the separators, and these controls.
  for (uint32_t c : {0x9, 0xA, 0xB, 0xC, 0xD, 0x85}) all[c] |= kSpace;
  all['\r'] |= kNewline;
  all['\n'] |= kNewline;
  for (uint32_t c = 0; c < 0x80; ++c) {
    if (all[c] & (kPunctuation | kSymbol)) all[c] |= kAsciiPunctuation;
  }

  uint32_t count = 0;
  for (uint32_t b = 0; b < kBlockCount; ++b) {
    const CharClass* block = all.data() + (size_t{b} << kBlockBits);
    constexpr size_t kBytes = sizeof(CharClass) << kBlockBits;
    uint32_t same = 0;
    while (same < count && std::memcmp(blocks_ + (size_t{same} << kBlockBits), block, kBytes) != 0) ++same;
    if (same == count) std::memcpy(blocks_ + (size_t{count++} << kBlockBits), block, kBytes);
    block_of_[b] = static_cast<uint16_t>(same);
  }
}

const CharTable& CharTable::get() {
  static const CharTable table;
  return table;
}

bool is_numeric(uint32_t c) {
  return (char_class(c) & kNumber) != 0 || contains(std::begin(kNewNumbers), std::end(kNewNumbers), c);
}

bool is_punctuation(uint32_t c) {
  const CharClass k = char_class(c);
  if (k & kAsciiPunctuation) return true;
  if (c == 0x166D || c == 0x111C9) return true;
  return (k & kPunctuation) != 0 && !contains(std::begin(kLaterPunctuation), std::end(kLaterPunctuation), c);
}

bool is_bert_accent(uint32_t c) {
  if (c == 0x1734 || c == 0x1171E) return true;
  return (char_class(c) & kNonspacing) != 0 && is_combining_mark(c) &&
         !contains(std::begin(kMarksOfUnicode9), std::end(kMarksOfUnicode9), c);
}

bool is_bert_control(uint32_t c) {
  return (char_class(c) & kControl) != 0 && !contains(std::begin(kLaterFormat), std::end(kLaterFormat), c);
}

bool is_combining_mark(uint32_t c) {
  if (c == 0x1CF2 || c == 0x1CF3) return true;
  return (char_class(c) & kMark) != 0 && !contains(std::begin(kLaterMarks), std::end(kLaterMarks), c);
}

}  // namespace tersor::tokenizer
