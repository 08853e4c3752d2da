// Unicode normal forms, lower case and grapheme clusters: the one place that uses utf8proc.
//
// The reference's normalization tables are older than utf8proc's (Unicode 9 to 12); characters that those
// tables do not know stay as they are here too, so that the same text gives the same tokens.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace tersor::tokenizer {

enum class NormalForm { kNfc, kNfd, kNfkc, kNfkd };

// The length of a prefix of `text` (valid UTF-8) that the form leaves as it is, whatever follows it. Text
// without combining marks and compatibility characters passes whole, at the speed of a scan.
size_t normalized_prefix(std::string_view text, NormalForm form);

// Appends the normal form of `text`.
void append_normalized(std::string_view text, NormalForm form, std::string& out);

// Appends the lower case of a character: itself, another one, or two for U+0130.
void append_lower_case(uint32_t code_point, std::string& out);
// The upper case: several characters for ß and the ligatures that have no capital of their own.
void append_upper_case(uint32_t code_point, std::string& out);

// Bytes of the extended grapheme cluster that `text` starts with; text is not empty.
size_t grapheme_length(std::string_view text);

}  // namespace tersor::tokenizer
