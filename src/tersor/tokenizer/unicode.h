// Classes of characters, as the regular expressions of tokenizers see them.
//
// All classes come from the General_Category of one pinned Unicode version (unicode_data.cc), not from a
// system library: text must split into the same tokens on every machine.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tersor::tokenizer {

// In the order of unicode_data.cc.
// clang-format off
enum class GeneralCategory : uint8_t {
  kCc, kCf, kCn, kCo, kCs, kLl, kLm, kLo, kLt, kLu, kMc, kMe, kMn, kNd, kNl, kNo,
  kPc, kPd, kPe, kPf, kPi, kPo, kPs, kSc, kSk, kSm, kSo, kZl, kZp, kZs,
};
// clang-format on

extern const uint32_t kCategoryRuns[];
extern const size_t kCategoryRunCount;

// A set of classes; a character has several.
using CharClass = uint16_t;
constexpr CharClass kUpper = 1 << 0;        // Lu, Lt
constexpr CharClass kLower = 1 << 1;        // Ll
constexpr CharClass kOtherLetter = 1 << 2;  // Lm, Lo
constexpr CharClass kLetter = kUpper | kLower | kOtherLetter;
constexpr CharClass kMark = 1 << 3;               // Mn, Mc, Me
constexpr CharClass kNumber = 1 << 4;             // Nd, Nl, No
constexpr CharClass kSpace = 1 << 5;              // White_Space: the regex \s
constexpr CharClass kNewline = 1 << 6;            // \r and \n alone
constexpr CharClass kPunctuation = 1 << 7;        // P*
constexpr CharClass kSymbol = 1 << 8;             // S*
constexpr CharClass kWord = 1 << 9;               // the regex \w: letters, marks, digits, connectors, Nl, …
constexpr CharClass kNonspacing = 1 << 10;        // Mn
constexpr CharClass kControl = 1 << 11;           // Cc, Cf, Co
constexpr CharClass kAsciiPunctuation = 1 << 12;  // Rust's is_ascii_punctuation: P and S below U+0080
constexpr CharClass kUnassigned = 1 << 13;        // Cn, Cs

// Two-stage table of the classes of all code points, made from the runs at first use (a millisecond).
class CharTable {
 public:
  static const CharTable& get();

  CharClass operator[](uint32_t c) const {
    return blocks_[block_of_[c >> kBlockBits] << kBlockBits | (c & kBlockMask)];
  }
  // The first 128 entries, for loops over ASCII.
  const CharClass* ascii() const { return blocks_; }

 private:
  static constexpr uint32_t kBlockBits = 7;
  static constexpr uint32_t kBlockMask = (1u << kBlockBits) - 1;
  static constexpr uint32_t kBlockCount = 0x110000 >> kBlockBits;
  static constexpr uint32_t kMaxBlocks = 288;  // 263 blocks differ in Unicode 16

  CharTable();

  uint16_t block_of_[kBlockCount];
  CharClass blocks_[kMaxBlocks << kBlockBits];
};

inline CharClass char_class(uint32_t c) { return CharTable::get()[c]; }

// Rust's char::is_numeric, is_whitespace, to_lowercase; the classes that its older helper crates give
// punctuation and combining marks. They differ from the regex classes by the Unicode versions that the
// reference was built with.
bool is_numeric(uint32_t c);
inline bool is_whitespace(uint32_t c) { return (char_class(c) & kSpace) != 0; }
bool is_punctuation(uint32_t c);
bool is_combining_mark(uint32_t c);
bool is_bert_accent(uint32_t c);
bool is_bert_control(uint32_t c);

}  // namespace tersor::tokenizer
