// Regular expressions in Oniguruma's dialect, which tokenizer files are written in, for PCRE2.
#pragma once

#include <string>
#include <string_view>

namespace tersor::tokenizer {

// `pattern` rewritten so that PCRE2 (UTF, UCP) reads it as Oniguruma does:
//   ^ and $            match at line ends too
//   \s                 is White_Space (PCRE2 counts U+180E besides)
//   \h                 is a hexadecimal digit
//   [a[bc]]            is the union
//   [A&&B], [A&&[^B]]  become look-aheads
//   \p{Han} and other scripts mean the Script property, not Script_Extensions
// Throws Error(kUsage) for a class that has no such form (a negated class inside another, a negated
// intersection).
std::string oniguruma_to_pcre2(std::string_view pattern);

}  // namespace tersor::tokenizer
