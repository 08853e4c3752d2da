// A strict reader of the pages that the program writes: XML without namespaces, that HTML reads alike.
#pragma once

#include <algorithm>
#include <array>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "tersor/base/utf8.h"

namespace tersor {

struct PageElement {
  std::string name;
  std::map<std::string, std::string> attributes;  // entities replaced
  std::string text;                               // directly in it, entities replaced
  std::string parent;                             // name; empty for the root
};

// Reads a page, throws std::runtime_error for the first fault: a tag that does not match, an attribute
// without quotes or given twice, an entity other than the five, a control character, invalid UTF-8, an
// element that closes itself where HTML would not close it, or does not where HTML has no end tag.
class PageReader {
 public:
  static std::vector<PageElement> read(std::string_view page) {
    PageReader reader(page);
    reader.run();
    return std::move(reader.elements_);
  }

 private:
  explicit PageReader(std::string_view page) : page_(page) {}

  [[noreturn]] void fail(const std::string& what) const {
    throw std::runtime_error(what + " at byte " + std::to_string(at_) + ": " +
                             std::string(page_.substr(at_ > 40 ? at_ - 40 : 0, 100)));
  }

  void run() {
    if (!is_valid_utf8(page_)) fail("invalid UTF-8");
    for (const char c : page_) {
      if ((static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\t') || c == 0x7F)
        fail("a control character");
    }
    take("<!DOCTYPE html>\n");
    while (at_ < page_.size()) {
      if (page_[at_] == '<') {
        page_.substr(at_, 2) == "</" ? read_end() : read_start();
      } else {
        read_text();
      }
    }
    if (!open_.empty()) fail("unclosed " + elements_[open_.back()].name);
    if (elements_.empty()) fail("no element");
  }

  void take(std::string_view expected) {
    if (page_.substr(at_, expected.size()) != expected) fail("expected " + std::string(expected));
    at_ += expected.size();
  }

  std::string read_name() {
    const size_t end =
        page_.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-", at_);
    const std::string name(page_.substr(at_, end - at_));
    if (name.empty()) fail("a name is missing");
    at_ = end;
    return name;
  }

  std::string without_entities(std::string_view raw) const {
    constexpr std::array<std::pair<std::string_view, char>, 5> kEntities = {
        {{"&amp;", '&'}, {"&lt;", '<'}, {"&gt;", '>'}, {"&quot;", '"'}, {"&#39;", '\''}}};
    std::string out;
    for (size_t i = 0; i < raw.size();) {
      if (raw[i] != '&') {
        out += raw[i++];
        continue;
      }
      const auto entity = std::find_if(kEntities.begin(), kEntities.end(),
                                       [&](const auto& e) { return raw.substr(i).starts_with(e.first); });
      if (entity == kEntities.end()) fail("unknown entity " + std::string(raw.substr(i, 10)));
      out += entity->second;
      i += entity->first.size();
    }
    return out;
  }

  void read_text() {
    const size_t end = std::min(page_.find('<', at_), page_.size());
    const std::string text = without_entities(page_.substr(at_, end - at_));
    if (!open_.empty()) {
      elements_[open_.back()].text += text;
    } else if (text.find_first_not_of(" \n") != std::string::npos) {
      fail("text outside of the root");
    }
    at_ = end;
  }

  void read_start() {
    take("<");
    PageElement element;
    element.name = read_name();
    if (open_.empty() && !elements_.empty()) fail("a second root");
    if (!open_.empty()) element.parent = elements_[open_.back()].name;
    while (page_.substr(at_, 1) == " ") {
      ++at_;
      const std::string name = read_name();
      take("=\"");
      const size_t end = page_.find_first_of("\"<", at_);
      if (end == std::string_view::npos || page_[end] != '"') fail("an attribute does not end");
      if (!element.attributes.emplace(name, without_entities(page_.substr(at_, end - at_))).second)
        fail("attribute " + name + " twice");
      at_ = end + 1;
    }
    const bool is_closed = page_.substr(at_, 1) == "/";
    if (is_closed) ++at_;
    take(">");
    constexpr std::array<std::string_view, 5> kVoid = {"meta", "wbr", "link", "br", "img"};
    constexpr std::array<std::string_view, 3> kShapes = {"path", "rect", "circle"};
    const auto is_in = [&](const auto& names) {
      return std::find(names.begin(), names.end(), element.name) != names.end();
    };
    if (is_closed ? !is_in(kVoid) && !is_in(kShapes) : is_in(kVoid))
      fail("HTML reads <" + element.name + "> in another way");
    if (!is_closed) open_.push_back(elements_.size());
    elements_.push_back(std::move(element));
  }

  void read_end() {
    take("</");
    const std::string name = read_name();
    take(">");
    if (open_.empty() || elements_[open_.back()].name != name) fail("</" + name + "> closes nothing");
    open_.pop_back();
  }

  std::string_view page_;
  size_t at_ = 0;
  std::vector<PageElement> elements_;
  std::vector<size_t> open_;
};

}  // namespace tersor
