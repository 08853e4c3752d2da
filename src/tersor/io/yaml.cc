#include "tersor/io/yaml.h"

#include <algorithm>
#include <istream>
#include <map>
#include <sstream>

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include "tersor/base/error.h"
#include "tersor/base/utf8.h"

namespace tersor {
namespace {

// Far above any recipe that was ever written, and small enough that hostile text costs milliseconds.
constexpr size_t kMaxBytes = 1 << 20;
constexpr size_t kMaxScalarBytes = 1 << 16;
constexpr size_t kMaxKeyBytes = 1 << 7;  // quoted anew it stays below YAML's own limit, 1024
constexpr size_t kMaxDepth = 64;
constexpr size_t kMaxNodes = 100'000;

Error yaml_error(const std::string& origin, int line, int column, const std::string& message,
                 std::string help = "") {
  return usage_error(fmt::format("{}:{}:{}: {}", origin, line, column, message), std::move(help));
}

// What YAML keeps out of its text: controls (NUL among them, from which yaml-cpp would guess UTF-16) and
// U+FFFE, U+FFFF.
bool is_kept_out(uint32_t c) {
  const bool control =
      (c < 0x20 && c != '\t' && c != '\n' && c != '\r') || (c >= 0x7F && c < 0xA0 && c != 0x85);
  return control || c == 0xFFFE || c == 0xFFFF;
}

// The first byte that is not text; nullopt when all of it is.
std::optional<size_t> find_no_text(std::string_view text) {
  const size_t valid = valid_utf8_prefix(text);
  for (const char* p = text.data(); p < text.data() + valid;) {
    const char* start = p;
    if (is_kept_out(decode_utf8(p))) return static_cast<size_t>(start - text.data());
  }
  if (valid < text.size()) return valid;
  return std::nullopt;
}

// yaml-cpp's tag as it was written. "?" and "!" are its words for "none" and "quoted"; YAML's own types,
// `!!str` and its like, say nothing that the kind does not.
std::string short_tag(const std::string& tag) {
  constexpr std::string_view kPrefix = "tag:yaml.org,2002:";  // what `!!` stands for
  if (tag == "?" || tag == "!") return "";
  if (!tag.starts_with(kPrefix)) return tag;
  const std::string name = tag.substr(kPrefix.size());
  return name.starts_with("python/") ? "!!" + name : "";
}

// Builds the tree from yaml-cpp's events.
class TreeBuilder : public YAML::EventHandler {
 public:
  TreeBuilder(std::string_view text, const std::string& origin) : text_(text), origin_(origin) {}

  YamlNode take() { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (documents_++ == 0) return;
    // yaml-cpp also starts a document at whatever the one before cannot take in.
    if (!line_of(mark.line).starts_with("---")) {
      throw error_at(mark.line + 1, mark.column + 1, "not valid YAML: this belongs to nothing before it");
    }
    throw error_at(mark.line + 1, 1, "a second YAML document starts here, but a file holds one",
                   "remove the `---` line, or split the file");
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    add(make(YamlNode::Kind::kNull, mark, ""), anchor);
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    if (value.size() > kMaxScalarBytes) {
      throw error_at(mark.line + 1, mark.column + 1,
                     fmt::format("text of {} bytes, but at most {} are read", value.size(), kMaxScalarBytes));
    }
    if (!is_valid_utf8(value)) {  // yaml-cpp makes single bytes of these two, and UTF-8 of surrogates
      throw error_at(
          mark.line + 1, mark.column + 1, "an escape in this text does not give UTF-8",
          "write \\u0085 for \\N, \\u00A0 for \\_, and \\U with eight digits for a pair of surrogates");
    }
    YamlNode node = make(YamlNode::Kind::kScalar, mark, tag);
    node.scalar = value;
    node.quoted = tag == "!" || tag == "tag:yaml.org,2002:str";
    add(std::move(node), anchor);
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto found = anchors_.find(anchor);
    if (found == anchors_.end()) {
      throw error_at(mark.line + 1, mark.column + 1, "an alias stands inside the value that it names");
    }
    count(mark, found->second.nodes);
    if (stack_.size() + found->second.depth > kMaxDepth) throw too_deep(mark);
    hold(found->second.depth);
    YamlNode copy = found->second.node;
    copy.line = mark.line + 1;
    copy.column = mark.column + 1;
    add(std::move(copy), 0);
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(YamlNode::Kind::kSequence, mark, tag, anchor);
  }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(YamlNode::Kind::kMapping, mark, tag, anchor);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapEnd() override {
    merge(stack_.back());
    close();
  }

 private:
  // A sequence or mapping whose end has not come yet.
  struct Open {
    YamlNode node;
    YAML::anchor_t anchor = 0;
    size_t first_node = 0;             // nodes_ when it was opened
    size_t depth = 1;                  // of what is inside, itself included
    std::optional<YamlEntry> key;      // a mapping's key whose value is to come
    std::map<std::string, int> lines;  // where its keys stand
    std::vector<YamlNode> merged;      // values of `<<`
  };
  struct Anchored {
    YamlNode node;
    size_t nodes = 1;
    size_t depth = 0;
  };

  Error error_at(int line, int column, const std::string& message, std::string help = "") const {
    return yaml_error(origin_, line, column, message, std::move(help));
  }
  Error too_deep(const YAML::Mark& mark) const {
    return error_at(mark.line + 1, mark.column + 1, fmt::format("nested deeper than {} levels", kMaxDepth));
  }

  void count(const YAML::Mark& mark, size_t nodes) {
    nodes_ += nodes;
    if (nodes_ <= kMaxNodes) return;
    throw error_at(mark.line + 1, mark.column + 1,
                   fmt::format("more than {} values, aliases expanded", kMaxNodes));
  }

  YamlNode make(YamlNode::Kind kind, const YAML::Mark& mark, const std::string& tag) {
    count(mark, 1);
    YamlNode node;
    node.kind = kind;
    node.line = mark.line + 1;
    node.column = mark.column + 1;
    node.tag = short_tag(tag);
    return node;
  }

  void open(YamlNode::Kind kind, const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor) {
    if (stack_.size() >= kMaxDepth) throw too_deep(mark);
    if (!stack_.empty() && expects_key()) {
      throw error_at(mark.line + 1, mark.column + 1,
                     "a key must be plain text, but a list or mapping stands here",
                     "put text with brackets or braces in quotes");
    }
    Open opened;
    opened.first_node = nodes_;
    opened.node = make(kind, mark, tag);
    opened.anchor = anchor;
    stack_.push_back(std::move(opened));
  }

  void close() {
    Open done = std::move(stack_.back());
    stack_.pop_back();
    hold(done.depth);
    if (done.anchor != 0) {
      const size_t nodes = nodes_ - done.first_node;
      nodes_ += nodes;  // the copy that the anchor keeps
      anchors_[done.anchor] = {done.node, nodes, done.depth};
    }
    add(std::move(done.node), 0);
  }

  // The innermost open one holds something of this depth.
  void hold(size_t depth) {
    if (!stack_.empty()) stack_.back().depth = std::max(stack_.back().depth, depth + 1);
  }

  bool expects_key() const {
    return stack_.back().node.kind == YamlNode::Kind::kMapping && !stack_.back().key;
  }

  void add(YamlNode node, YAML::anchor_t anchor) {
    if (anchor != 0) anchors_[anchor] = {node, 1, 0};
    if (stack_.empty()) {
      root_ = std::move(node);
      return;
    }
    Open& top = stack_.back();
    if (top.node.kind == YamlNode::Kind::kSequence) {
      top.node.items.push_back(std::move(node));
    } else if (!top.key) {
      begin_entry(top, node);
    } else if (top.key->key == "<<" && !top.key->value.quoted) {
      top.merged.push_back(std::move(node));
      top.key.reset();
    } else {
      if (node.is_null()) {  // its mark is wherever the next thing stands
        node.line = top.key->line;
        node.column = top.key->column;
      }
      top.key->value = std::move(node);
      top.node.entries.push_back(std::move(*top.key));
      top.key.reset();
    }
  }

  void begin_entry(Open& top, const YamlNode& key) {
    if (key.kind != YamlNode::Kind::kScalar) {
      throw error_at(key.line, key.column,
                     "a key must be plain text, but this one is empty, a list or a mapping");
    }
    if (key.scalar.size() > kMaxKeyBytes) {
      throw error_at(
          key.line, key.column,
          fmt::format("a key of {} bytes, but at most {} are read", key.scalar.size(), kMaxKeyBytes));
    }
    const auto [first, fresh] = top.lines.emplace(key.scalar, key.line);
    if (!fresh) {
      throw error_at(key.line, key.column,
                     fmt::format("the key `{}` stands twice in one mapping", key.scalar),
                     fmt::format("the first is on line {}; keep one of the two", first->second));
    }
    top.key = YamlEntry{key.scalar, {}, key.line, key.column};
    top.key->value.quoted = key.quoted;  // until the value comes: a quoted "<<" merges nothing
  }

  // Entries of merged mappings that the mapping does not have itself; of several, the first has its say.
  void merge(Open& top) {
    for (const YamlNode& source : top.merged) {
      if (source.kind == YamlNode::Kind::kMapping) {
        merge_one(top, source);
        continue;
      }
      if (source.kind != YamlNode::Kind::kSequence) throw no_mapping(source);
      for (const YamlNode& item : source.items) {
        if (item.kind != YamlNode::Kind::kMapping) throw no_mapping(item);
        merge_one(top, item);
      }
    }
  }
  void merge_one(Open& top, const YamlNode& source) {
    for (const YamlEntry& entry : source.entries) {
      if (top.lines.emplace(entry.key, entry.line).second) top.node.entries.push_back(entry);
    }
  }
  Error no_mapping(const YamlNode& node) const {
    return error_at(node.line, node.column,
                    "`<<` merges a mapping or a list of mappings, but this is neither");
  }

  // The text of a line, counted from 0.
  std::string_view line_of(int line) const {
    std::string_view rest = text_;
    for (; line > 0 && !rest.empty(); --line)
      rest.remove_prefix(std::min(rest.find('\n'), rest.size() - 1) + 1);
    return rest.substr(0, rest.find('\n'));
  }

  const std::string_view text_;
  const std::string& origin_;
  YamlNode root_;
  std::vector<Open> stack_;
  std::map<YAML::anchor_t, Anchored> anchors_;
  size_t nodes_ = 0;
  int documents_ = 0;
};

}  // namespace

YamlNode parse_yaml(std::string_view text, const std::string& origin) {
  if (text.size() > kMaxBytes) {
    throw usage_error(
        fmt::format("{}: {} bytes of YAML, but at most {} are read", origin, text.size(), kMaxBytes));
  }
  if (const std::optional<size_t> bad = find_no_text(text)) {
    throw usage_error(fmt::format("{}: not UTF-8 text: byte {} is 0x{:02x}", origin, *bad,
                                  static_cast<unsigned char>(text[*bad])));
  }
  TreeBuilder builder(text, origin);
  try {
    std::istringstream stream{std::string(text)};
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(builder)) {
    }
  } catch (const YAML::Exception& e) {
    throw yaml_error(
        origin, e.mark.line + 1, e.mark.column + 1, fmt::format("not valid YAML: {}", e.msg),
        "text with brackets, braces, `: ` or ` #` needs quotes; indentation is spaces, not tabs");
  }
  return builder.take();
}

}  // namespace tersor
