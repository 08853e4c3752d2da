// Filters that lay text out: `wordwrap` as Python's textwrap breaks lines, `pprint` as its pprint breaks
// values.
#include <algorithm>

#include "tersor/base/utf8.h"
#include "tersor/tokenizer/jinja/arguments.h"
#include "tersor/tokenizer/jinja/builtins.h"
#include "tersor/tokenizer/jinja/interpreter.h"
#include "tersor/tokenizer/jinja/python_text.h"
#include "tersor/tokenizer/unicode.h"

namespace tersor::jinja {
namespace {

using Chars = std::u32string;

Chars characters(std::string_view text) {
  Chars out;
  for (const char *p = text.data(), *end = p + text.size(); p != end;) out.push_back(decode_utf8(p));
  return out;
}

// --- wordwrap ---

bool is_space(char32_t c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
bool is_letter(char32_t c) { return c == '_' || (tokenizer::CharTable::get()[c] & tokenizer::kLetter) != 0; }
bool is_word(char32_t c) {
  return is_letter(c) || (tokenizer::CharTable::get()[c] & tokenizer::kNumber) != 0;
}
bool may_precede_dash(char32_t c) { return is_word(c) || Chars(U"!\"'&.,?").find(c) != Chars::npos; }

// Cuts a line where it may be broken: white space, words, dashes of two or more between words, and the parts
// of words at hyphens that have two letters on either side ("well-" "known", but "x-ray").
class LineCutter {
 public:
  explicit LineCutter(const Chars& line) : line_(line) {}

  std::vector<Chars> chunks(bool at_hyphens) const {
    std::vector<Chars> out;
    for (size_t at = 0; at < line_.size();) {
      const size_t end = is_space(line_[at]) ? space_end(at) : at_hyphens ? chunk_end(at) : word_end(at);
      out.push_back(line_.substr(at, end - at));
      at = end;
    }
    return out;
  }

 private:
  size_t space_end(size_t at) const {
    while (at < line_.size() && is_space(line_[at])) ++at;
    return at;
  }
  size_t word_end(size_t at) const {
    while (at < line_.size() && !is_space(line_[at])) ++at;
    return at;
  }
  // The end of two or more hyphens with something like a word on either side; `at` where there are none.
  size_t dash_end(size_t at) const {
    size_t end = at;
    while (end < line_.size() && line_[end] == '-') ++end;
    const bool between =
        at > 0 && may_precede_dash(line_[at - 1]) && end < line_.size() && is_word(line_[end]);
    return between && end - at >= 2 ? end : at;
  }
  bool letters(size_t at, size_t count) const {
    return at + count <= line_.size() &&
           std::all_of(line_.begin() + static_cast<std::ptrdiff_t>(at),
                       line_.begin() + static_cast<std::ptrdiff_t>(at + count), is_letter);
  }
  // A hyphen with two letters before it and behind it, which may have hyphens between them.
  bool breaks_word(size_t at) const {
    if (line_[at] != '-') return false;
    const bool before = (at >= 2 && letters(at - 2, 2)) ||
                        (at >= 3 && letters(at - 3, 1) && line_[at - 2] == '-' && letters(at - 1, 1));
    const bool behind = letters(at + 1, 2) || (letters(at + 1, 1) && at + 3 < line_.size() &&
                                               line_[at + 2] == '-' && letters(at + 3, 1));
    return before && behind;
  }
  size_t chunk_end(size_t at) const {
    if (const size_t end = dash_end(at); end > at) return end;
    for (size_t i = at + 1;; ++i) {  // a chunk has a character before its hyphen
      if (i == line_.size() || is_space(line_[i]) || dash_end(i) > i) return i;
      if (breaks_word(i)) return i + 1;
    }
  }

  const Chars& line_;
};

bool is_blank(const Chars& chunk) { return std::ranges::all_of(chunk, is_space); }

struct WrapOptions {
  size_t width = 79;
  bool break_long_words = true;
  bool break_on_hyphens = true;
};

// How much of a chunk that is longer than a line goes to the rest of this one.
size_t cut_of(const Chars& chunk, size_t room, const WrapOptions& options) {
  if (!options.break_on_hyphens || chunk.size() <= room) return room;
  const size_t hyphen = room == 0 ? Chars::npos : chunk.rfind('-', room - 1);
  if (hyphen == Chars::npos || hyphen == 0 || chunk.substr(0, hyphen).find_first_not_of(U'-') == Chars::npos)
    return room;
  return hyphen + 1;
}

std::vector<Chars> wrap_line(const Chars& line, const WrapOptions& options) {
  std::vector<Chars> chunks = LineCutter(line).chunks(options.break_on_hyphens), lines;
  std::ranges::reverse(chunks);
  while (!chunks.empty()) {
    if (!lines.empty() && is_blank(chunks.back())) chunks.pop_back();
    std::vector<Chars> current;
    size_t length = 0;
    auto take = [&](Chars chunk) {
      length += chunk.size();
      current.push_back(std::move(chunk));
    };
    while (!chunks.empty() && length + chunks.back().size() <= options.width) {
      take(std::move(chunks.back()));
      chunks.pop_back();
    }
    if (!chunks.empty() && chunks.back().size() > options.width) {
      if (options.break_long_words) {
        const size_t cut = cut_of(chunks.back(), options.width - length, options);
        take(chunks.back().substr(0, cut));
        chunks.back().erase(0, cut);
      } else if (current.empty()) {
        take(std::move(chunks.back()));
        chunks.pop_back();
      }
    }
    if (!current.empty() && is_blank(current.back())) current.pop_back();
    if (current.empty()) continue;
    lines.emplace_back();
    for (const Chars& chunk : current) lines.back() += chunk;
  }
  return lines;
}

Value wordwrap_filter(Interpreter&, const Value& v, const Arguments& a) {
  const Bound args("wordwrap", a, {"width", "break_long_words", "wrapstring", "break_on_hyphens"});
  const int64_t width = args.integer(0, 79);
  if (width <= 0) throw TemplateError("wordwrap(): the width must be above 0");
  const bool has_separator = args.get(2) != nullptr && !args.get(2)->is_none();
  const std::string separator = has_separator ? args.require_text(2) : "\n";
  const WrapOptions options = {static_cast<size_t>(width), args.truthy(1, true), args.truthy(3, true)};
  std::string out;
  bool first_line = true;
  const std::string text = to_text(v);
  for (const std::string_view line : split_lines(text, false)) {
    if (!std::exchange(first_line, false)) out += separator;
    bool first = true;
    for (const Chars& wrapped : wrap_line(characters(line), options)) {
      if (!std::exchange(first, false)) out += separator;
      for (const char32_t c : wrapped) append_utf8(out, c);
      check_string_size(out.size());
    }
  }
  return out;
}

// --- pprint ---

// Lays a value out in lines of 80 characters: what fits is written as repr() writes it, keys of dicts sorted.
class PrettyPrinter {
 public:
  explicit PrettyPrinter(Interpreter& in) : in_(in) {}

  std::string run(const Value& v) {
    write(v, 0, 0, true);
    return std::move(out_);
  }

 private:
  static constexpr size_t kWidth = 80;

  // `indent`: columns before the value; `allowance`: columns behind it that brackets and commas need.
  void write(const Value& v, size_t indent, size_t allowance, bool at_top) {
    in_.step(v.weight());
    const Value ordered = sorted(v);
    const std::string whole = to_repr(ordered);
    if (fits(whole, indent + allowance)) {
      out_ += whole;
    } else if (v.dict() != nullptr) {
      write_dict(*ordered.dict(), indent, allowance + 1);
    } else if (v.list() != nullptr) {
      out_ += '[';
      write_items(*v.list(), indent, allowance + 1);
      out_ += ']';
    } else if (v.tuple() != nullptr) {
      const std::string_view end = v.tuple()->items.size() == 1 ? ",)" : ")";
      out_ += '(';
      write_items(v.tuple()->items, indent, allowance + end.size());
      out_ += end;
    } else if (v.string() != nullptr && !v.string()->text.empty()) {
      write_text(v.string()->text, indent, allowance, at_top);
    } else {
      out_ += whole;
    }
    check_string_size(out_.size());
  }

  static bool fits(std::string_view text, size_t taken) { return count_code_points(text) + taken <= kWidth; }

  // The value with the keys of all dicts in it in order; keys of types without order by their types.
  Value sorted(const Value& v) {
    if (const Dict* dict = v.dict()) {
      std::vector<Dict::Item> items = dict->items();
      std::ranges::stable_sort(items, [](const Dict::Item& a, const Dict::Item& b) {
        const bool same_kind = (a.first.string() != nullptr) == (b.first.string() != nullptr) &&
                               a.first.is_number() == b.first.is_number();
        return same_kind && (a.first.string() != nullptr || a.first.is_number())
                   ? less(a.first, b.first)
                   : std::string_view(a.first.type_name()) < b.first.type_name();
      });
      Dict out;
      for (const auto& [key, value] : items) out.set(key, sorted(value));
      return out;
    }
    if (v.sequence() == nullptr) return v;
    List items;
    for (const Value& item : *v.sequence()) items.push_back(sorted(item));
    return v.list() != nullptr ? Value(std::move(items)) : Value(Tuple{std::move(items)});
  }

  void new_line(size_t indent, std::string_view end = ",") {
    out_ += end;
    out_ += '\n';
    out_.append(indent, ' ');
  }

  void write_items(const List& items, size_t indent, size_t allowance) {
    for (size_t i = 0; i < items.size(); ++i) {
      if (i > 0) new_line(indent + 1);
      write(items[i], indent + 1, i + 1 == items.size() ? allowance : 1, false);
    }
  }

  void write_dict(const Dict& dict, size_t indent, size_t allowance) {
    out_ += '{';
    for (size_t i = 0; i < dict.size(); ++i) {
      const auto& [key, value] = dict.items()[i];
      if (i > 0) new_line(indent + 1);
      const std::string name = to_repr(key) + ": ";
      out_ += name;
      write(value, indent + 1 + count_code_points(name), i + 1 == dict.size() ? allowance : 1, false);
    }
    out_ += '}';
  }

  // A long string as several that Python joins: at line ends, and between words.
  void write_text(const std::string& text, size_t indent, size_t allowance, bool at_top) {
    if (at_top) ++indent, ++allowance;  // for the parentheses
    std::vector<std::string> pieces;
    const std::vector<std::string_view> lines = split_lines(text, true);
    for (size_t i = 0; i < lines.size(); ++i) {
      const size_t behind = i + 1 == lines.size() ? allowance : 0;
      const std::string line = repr_string(lines[i]);
      if (fits(line, indent + behind)) {
        pieces.push_back(line);
        continue;
      }
      std::string current;
      const std::vector<std::string_view> words = words_of(lines[i]);
      for (size_t w = 0; w < words.size(); ++w) {
        const std::string longer = current + std::string(words[w]);
        if (current.empty() || fits(repr_string(longer), indent + (w + 1 == words.size() ? behind : 0))) {
          current = longer;
        } else {
          pieces.push_back(repr_string(current));
          current = words[w];
        }
      }
      pieces.push_back(repr_string(current));
    }
    const bool parentheses = at_top && pieces.size() > 1;
    if (parentheses) out_ += '(';
    for (size_t i = 0; i < pieces.size(); ++i) {
      if (i > 0) new_line(indent, "");
      out_ += pieces[i];
    }
    if (parentheses) out_ += ')';
  }

  // Words, each with the white space behind it.
  static std::vector<std::string_view> words_of(std::string_view line) {
    std::vector<std::string_view> words;
    const char* begin = line.data();
    const char* const end = begin + line.size();
    bool in_space = false;
    for (const char* p = begin; p != end;) {
      const char* const at = p;
      const bool space = is_python_space(decode_utf8(p));
      if (in_space && !space) {
        words.emplace_back(begin, static_cast<size_t>(at - begin));
        begin = at;
      }
      in_space = space;
    }
    if (begin != end) words.emplace_back(begin, static_cast<size_t>(end - begin));
    return words;
  }

  Interpreter& in_;
  std::string out_;
};

Value pprint_filter(Interpreter& in, const Value& v, const Arguments& a) {
  const Bound args("pprint", a, {});
  return PrettyPrinter(in).run(v);
}

constexpr std::pair<std::string_view, Filter> kFilters[] = {{"wordwrap", wordwrap_filter},
                                                            {"pprint", pprint_filter}};

}  // namespace

Filter find_layout_filter(std::string_view name) {
  for (const auto& [known, filter] : kFilters) {
    if (name == known) return filter;
  }
  return nullptr;
}

}  // namespace tersor::jinja
