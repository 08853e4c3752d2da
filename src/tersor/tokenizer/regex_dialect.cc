#include "tersor/tokenizer/regex_dialect.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "tersor/base/error.h"

namespace tersor::tokenizer {
namespace {

constexpr std::string_view kSpaces = R"(\x{9}-\x{D}\x{85}\p{Z})";
constexpr std::string_view kHexDigits = "0-9A-Fa-f";
constexpr int kMaxNesting = 32;

// Scripts that patterns name without saying "Script=".
constexpr std::array<std::string_view, 16> kScripts = {
    "Arabic", "Armenian", "Bengali",  "Cyrillic", "Devanagari", "Georgian", "Greek",  "Han",
    "Hangul", "Hebrew",   "Hiragana", "Katakana", "Latin",      "Tamil",    "Telugu", "Thai"};

class Translator {
 public:
  explicit Translator(std::string_view pattern) : pattern_(pattern) {}

  std::string run() {
    std::string out = "(?m)";
    while (at_ < pattern_.size()) {
      if (peek() == '\\')
        escape(/*in_class=*/false, out);
      else if (peek() == '[')
        out += character_class(0).text;
      else
        out += next();
    }
    return out;
  }

 private:
  // A class in brackets: either one PCRE2 class, or a group of look-aheads before one.
  struct Class {
    std::string text;
    std::string members;  // what stands between the brackets, when `plain`
    bool negated = false;
    bool plain = true;
  };

  char peek() const { return at_ < pattern_.size() ? pattern_[at_] : '\0'; }
  char next() { return pattern_[at_++]; }
  bool take(std::string_view text) {
    if (pattern_.substr(at_, text.size()) != text) return false;
    at_ += text.size();
    return true;
  }
  [[noreturn]] void fail(std::string_view what) const {
    throw usage_error(fmt::format("the regular expression `{}` has {} at character {}", pattern_, what, at_));
  }

  // An escape sequence, from the backslash on.
  void escape(bool in_class, std::string& out) {
    ++at_;
    if (at_ == pattern_.size()) fail("a lone backslash");
    const char c = next();
    const auto set = [&](std::string_view members, bool negated) {
      out += in_class ? std::string(members) : fmt::format("[{}{}]", negated ? "^" : "", members);
    };
    if (c == 's') return set(kSpaces, false);
    if (c == 'S' && !in_class) return set(kSpaces, true);
    if (c == 'h') return set(kHexDigits, false);
    out += {'\\', c};
    if ((c != 'p' && c != 'P') || peek() != '{') return;
    const size_t end = pattern_.find('}', at_);
    if (end == std::string_view::npos) return;
    std::string_view name = pattern_.substr(at_ + 1, end - at_ - 1);
    at_ = end + 1;
    const bool negated = name.starts_with('^');
    if (negated) name.remove_prefix(1);
    const bool script = std::find(kScripts.begin(), kScripts.end(), name) != kScripts.end();
    out += fmt::format("{{{}{}{}}}", negated ? "^" : "", script ? "sc:" : "", name);
  }

  // From the opening bracket on.
  Class character_class(int depth) {
    if (depth > kMaxNesting) fail("too many nested classes");
    ++at_;
    Class result;
    result.negated = take("^");
    std::vector<Class> operands;  // of &&, the one being read left out
    std::string members;
    if (take("]")) members += "\\]";
    while (true) {
      if (at_ >= pattern_.size()) fail("a class without its end");
      if (take("]")) break;
      if (take("&&")) {
        if (!members.empty()) operands.push_back(plain_class(std::exchange(members, "")));
      } else if (pattern_.substr(at_, 2) == "[:") {
        members += next();
      } else if (peek() == '[') {
        Class inner = character_class(depth + 1);
        const bool whole_operand = members.empty() && (peek() == ']' || pattern_.substr(at_, 2) == "&&");
        if (inner.plain && !inner.negated)
          members += inner.members;
        else if (whole_operand)
          operands.push_back(std::move(inner));
        else
          fail("a negated class inside another");
      } else if (peek() == '\\') {
        escape(/*in_class=*/true, members);
      } else {
        members += next();
      }
    }
    if (!members.empty()) operands.push_back(plain_class(members));
    if (operands.empty()) fail("an empty class");
    if (operands.size() == 1 && operands[0].plain) {
      result.members = operands[0].members;
      result.negated ^= operands[0].negated;
      result.text = fmt::format("[{}{}]", result.negated ? "^" : "", result.members);
      return result;
    }
    if (result.negated) fail("a negated intersection");
    result.plain = false;
    result.text = "(?:";
    for (size_t i = 1; i < operands.size(); ++i) result.text += fmt::format("(?={})", operands[i].text);
    result.text += operands[0].text + ")";
    return result;
  }

  static Class plain_class(std::string members) {
    Class c;
    c.text = fmt::format("[{}]", members);
    c.members = std::move(members);
    return c;
  }

  std::string_view pattern_;
  size_t at_ = 0;
};

}  // namespace

std::string oniguruma_to_pcre2(std::string_view pattern) { return Translator(pattern).run(); }

}  // namespace tersor::tokenizer
