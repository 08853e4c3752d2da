// Filters of lists, dicts and other things that can be gone through.
#include <algorithm>
#include <bit>

#include <fmt/format.h>

#include "tersor/tokenizer/jinja/arguments.h"
#include "tersor/tokenizer/jinja/builtins.h"
#include "tersor/tokenizer/jinja/interpreter.h"
#include "tersor/tokenizer/jinja/operators.h"
#include "tersor/tokenizer/jinja/python_text.h"

namespace tersor::jinja {
namespace {

std::shared_ptr<const List> items_of(Interpreter& in, const Value& v) {
  auto items = iterate(v);
  in.step(items->size());
  return items;
}

// A value that `make` gives the items of, from `source`, when they are first asked for.
Value generator(const Value& source, std::function<List()> make, const char* type_name = "generator") {
  auto g = std::make_shared<Generator>(Generator{type_name, std::move(make)});
  g->depth = source.extent().depth + 1;
  return Value(std::move(g));
}

// What `attribute="a.b"` or `attribute=0` picks out of an item.
Value picked(Interpreter& in, Value item, const Value& attribute) {
  if (attribute.string() == nullptr) return in.item(item, attribute);
  for (const std::string& part : split(attribute.string()->text, ".", -1)) {
    const bool number = !part.empty() && part.size() < 10 &&
                        std::all_of(part.begin(), part.end(), [](char c) { return c >= '0' && c <= '9'; });
    item = in.item(item, number ? Value(std::stoi(part)) : Value(part));
  }
  return item;
}

// The key that sorting and comparing go by: of the attribute, in lower case where case does not count.
Value key_of(Interpreter& in, const Value& item, const Value* attribute, bool case_sensitive) {
  Value key = attribute != nullptr && !attribute->is_none() ? picked(in, item, *attribute) : item;
  if (!case_sensitive && key.string() != nullptr) return lower(key.string()->text);
  return key;
}

// Each item is compared about log2(n) times.
void step_for_sort(Interpreter& in, const Value& v) { in.step(v.weight() * std::bit_width(v.weight())); }

void sort_items(List& items, bool reverse, const std::function<Value(const Value&)>& key) {
  std::vector<std::pair<Value, Value>> keyed;
  for (Value& item : items) {
    Value k = key(item);
    keyed.emplace_back(std::move(k), std::move(item));
  }
  // Python sorts a reversed list stably too.
  std::stable_sort(keyed.begin(), keyed.end(), [&](const auto& a, const auto& b) {
    return reverse ? less(b.first, a.first) : less(a.first, b.first);
  });
  for (size_t i = 0; i < items.size(); ++i) items[i] = std::move(keyed[i].second);
}

Value length_filter(Interpreter&, const Value& v, const Arguments&) { return length_of(v); }
Value list_filter(Interpreter& in, const Value& v, const Arguments&) { return *items_of(in, v); }

Value first_filter(Interpreter& in, const Value& v, const Arguments&) {
  const auto items = items_of(in, v);
  if (items->empty()) return Value::undefined("No first item, sequence was empty.");
  if (Generator* g = v.generator())
    g->items = List(items->begin() + 1, items->end());  // the rest stays in it
  return items->front();
}
Value last_filter(Interpreter& in, const Value& v, const Arguments&) {
  if (v.generator() != nullptr)
    throw TemplateError(fmt::format("'{}' object is not reversible", v.type_name()));
  const auto items = items_of(in, v);
  return items->empty() ? Value::undefined("No last item, sequence was empty.") : items->back();
}

Value reverse_filter(Interpreter& in, const Value& v, const Arguments&) {
  List items = *items_of(in, v);
  std::reverse(items.begin(), items.end());
  if (v.string() != nullptr) {
    std::string text;
    for (const Value& c : items) text += c.string()->text;
    return text;
  }
  if (v.generator() != nullptr) return items;
  return generator(v, [items] { return items; }, "list_reverseiterator");
}

Value join_filter(Interpreter& in, const Value& v, const Arguments& a) {
  const Bound args("join", a, {"d", "attribute"});
  const std::string between = args.get(0) != nullptr ? to_text(*args.get(0)) : "";
  std::string text;
  bool first = true;
  for (const auto all = items_of(in, v); const Value& item : *all) {
    if (!std::exchange(first, false)) text += between;
    text += to_text(args.get(1) != nullptr ? picked(in, item, *args.get(1)) : item);
    check_string_size(text.size());
  }
  return text;
}

List pairs_of(const Dict& dict) {
  List out;
  for (const auto& [key, value] : dict.items()) out.emplace_back(Tuple{{key, value}});
  return out;
}

Value items_filter(Interpreter&, const Value& v, const Arguments&) {
  if (v.is_undefined()) return generator(v, [] { return List(); });
  if (v.dict() == nullptr) throw TemplateError("Can only get item pairs from a mapping.");
  return generator(v, [v] { return pairs_of(*v.dict()); });
}

Value dictsort_filter(Interpreter& in, const Value& v, const Arguments& a) {
  const Bound args("dictsort", a, {"case_sensitive", "by", "reverse"});
  const std::string by = args.text(1, "key");
  if (by != "key" && by != "value") throw TemplateError("You can only sort by either \"key\" or \"value\"");
  v.require_defined();
  if (v.dict() == nullptr)
    throw TemplateError(fmt::format("'{}' object has no attribute 'items'", v.type_name()));
  List items = pairs_of(*v.dict());
  step_for_sort(in, v);
  const bool case_sensitive = args.truthy(0, false);
  sort_items(items, args.truthy(2, false), [&](const Value& pair) {
    return key_of(in, pair.tuple()->items[by == "key" ? 0 : 1], nullptr, case_sensitive);
  });
  return items;
}

Value sort_filter(Interpreter& in, const Value& v, const Arguments& a) {
  const Bound args("sort", a, {"reverse", "case_sensitive", "attribute"});
  List items = *items_of(in, v);
  step_for_sort(in, v);
  const bool case_sensitive = args.truthy(1, false);
  const Value* attribute = args.get(2);
  sort_items(items, args.truthy(0, false), [&](const Value& item) -> Value {
    if (attribute == nullptr || attribute->string() == nullptr)
      return key_of(in, item, attribute, case_sensitive);
    List keys;  // "a,b" sorts by a, then b
    for (const std::string& part : split(attribute->string()->text, ",", -1)) {
      const Value name(part);
      keys.push_back(key_of(in, item, &name, case_sensitive));
    }
    return keys;
  });
  return items;
}

Value unique_filter(Interpreter& in, const Value& v, const Arguments& a) {
  return generator(v, [&in, v, a] {
    const Bound args("unique", a, {"case_sensitive", "attribute"});
    Dict seen;
    List out;
    for (const auto all = items_of(in, v); const Value& item : *all) {
      const Value key = key_of(in, item, args.get(1), args.truthy(0, false));
      if (seen.find(key) != nullptr) continue;
      seen.set(key, None{});
      out.push_back(item);
    }
    return out;
  });
}

Value extreme(Interpreter& in, const char* name, const Value& v, const Arguments& a, bool smallest) {
  const Bound args(name, a, {"case_sensitive", "attribute"});
  const auto items = items_of(in, v);
  if (items->empty()) return Value::undefined("No aggregated item, sequence was empty.");
  const bool case_sensitive = args.truthy(0, false);
  const Value* best = nullptr;
  Value best_key;
  for (const Value& item : *items) {
    Value key = key_of(in, item, args.get(1), case_sensitive);
    if (best != nullptr && !(smallest ? less(key, best_key) : less(best_key, key))) continue;
    best = &item;
    best_key = std::move(key);
  }
  return *best;
}
Value min_filter(Interpreter& in, const Value& v, const Arguments& a) {
  return extreme(in, "min", v, a, true);
}
Value max_filter(Interpreter& in, const Value& v, const Arguments& a) {
  return extreme(in, "max", v, a, false);
}

Value sum_filter(Interpreter& in, const Value& v, const Arguments& a) {
  const Bound args("sum", a, {"attribute", "start"});
  Value total = args.get(1) != nullptr ? *args.get(1) : Value(0);
  for (const auto all = items_of(in, v); const Value& item : *all) {
    const bool whole = args.get(0) == nullptr || args.get(0)->is_none();
    total = arithmetic(Expr::Kind::kAdd, total, whole ? item : picked(in, item, *args.get(0)));
  }
  return total;
}

// An attribute proper, never an item.
Value attr_filter(Interpreter& in, const Value& v, const Arguments& a) {
  const std::string name = Bound("attr", a, {"name"}).require_text(0);
  if (v.dict() == nullptr) return in.attribute(v, name);
  return find_attribute(v, name).value_or(
      Value::undefined(fmt::format("'dict object' has no attribute '{}'", name)));
}

// map("filter", …) or map(attribute="name", default=…)
List mapped(Interpreter& in, const Value& v, const Arguments& a) {
  List out;
  if (!v.truthy()) return out;  // Jinja asks so before it looks at the type: of none, nothing
  if (a.positional.empty()) {
    const Bound args("map", a, {"attribute", "default"});
    const Value& attribute = args.require(0);
    for (const auto all = items_of(in, v); const Value& item : *all) {
      Value value = picked(in, item, attribute);
      out.push_back(value.is_undefined() && args.get(1) != nullptr ? *args.get(1) : value);
    }
    return out;
  }
  const std::string name = to_text(a.positional[0]);
  const Arguments rest{List(a.positional.begin() + 1, a.positional.end()), a.keywords};
  for (const auto all = items_of(in, v); const Value& item : *all) {
    in.step(item.weight() + weight_of(rest));
    out.push_back(apply_filter(in, name, item, rest));
  }
  return out;
}
Value map_filter(Interpreter& in, const Value& v, const Arguments& a) {
  return generator(v, [&in, v, a] { return mapped(in, v, a); });
}

// The items for which a test holds (or does not): of the item, or of an attribute of it.
List selected(Interpreter& in, const Value& v, const Arguments& a, bool wanted, bool by_attribute) {
  List out;
  if (!v.truthy()) return out;  // as for map
  const size_t skip = by_attribute ? 1 : 0;
  if (a.positional.size() < skip) throw TemplateError("Missing parameter for attribute name");
  const bool has_test = a.positional.size() > skip;
  const std::string test = has_test ? to_text(a.positional[skip]) : "";
  const size_t used = skip + (has_test ? 1 : 0);
  const Arguments rest{List(a.positional.begin() + static_cast<std::ptrdiff_t>(used), a.positional.end()),
                       a.keywords};
  for (const auto all = items_of(in, v); const Value& item : *all) {
    const Value value = by_attribute ? picked(in, item, a.positional[0]) : item;
    in.step(weight_of(rest));
    const bool holds = has_test ? apply_test(in, test, value, rest) : value.truthy();
    if (holds == wanted) out.push_back(item);
  }
  return out;
}
template <bool kWanted, bool kByAttribute>
Value select_filter(Interpreter& in, const Value& v, const Arguments& a) {
  return generator(v, [&in, v, a] { return selected(in, v, a, kWanted, kByAttribute); });
}

constexpr int64_t kMostRows = 1'000'000;

// Rows of `linecount` items, the last filled up.
List batches(Interpreter& in, const Value& v, const Arguments& a) {
  const Bound args("batch", a, {"linecount", "fill_with"});
  const int64_t count = args.integer(0, 0);
  if (count < 1 || count > kMostRows)
    throw TemplateError(fmt::format("batch(): linecount must be 1 to {}", kMostRows));
  List out, row;
  for (const auto all = items_of(in, v); const Value& item : *all) {
    if (static_cast<int64_t>(row.size()) == count) out.emplace_back(std::exchange(row, {}));
    row.push_back(item);
  }
  const bool fill = args.get(1) != nullptr && !args.get(1)->is_none();
  if (fill && !row.empty()) {
    in.step(static_cast<uint64_t>(count));
    row.resize(static_cast<size_t>(count), *args.get(1));
  }
  if (!row.empty()) out.emplace_back(std::move(row));
  return out;
}
Value batch_filter(Interpreter& in, const Value& v, const Arguments& a) {
  return generator(v, [&in, v, a] { return batches(in, v, a); });
}

// `slices` columns, the first ones longer.
List columns(Interpreter& in, const Value& v, const Arguments& a) {
  const Bound args("slice", a, {"slices", "fill_with"});
  const int64_t slices = args.integer(0, 0);
  const auto items = items_of(in, v);
  if (slices < 1 || slices > kMostRows)
    throw TemplateError(fmt::format("slice(): slices must be 1 to {}", kMostRows));
  in.step(static_cast<uint64_t>(slices));
  const size_t n = static_cast<size_t>(slices), each = items->size() / n, longer = items->size() % n;
  List out;
  for (size_t i = 0, at = 0; i < n; ++i) {
    const size_t take = each + (i < longer ? 1 : 0);
    const auto begin = items->begin() + static_cast<std::ptrdiff_t>(at);
    List column(begin, begin + static_cast<std::ptrdiff_t>(take));
    if (args.get(1) != nullptr && i >= longer && longer > 0) column.push_back(*args.get(1));
    out.emplace_back(std::move(column));
    at += take;
  }
  return out;
}
Value slice_filter(Interpreter& in, const Value& v, const Arguments& a) {
  return generator(v, [&in, v, a] { return columns(in, v, a); });
}

// [(value, [items])], ordered by the attribute's value.
Value groupby_filter(Interpreter& in, const Value& v, const Arguments& a) {
  const Bound args("groupby", a, {"attribute", "default", "case_sensitive"});
  const bool case_sensitive = args.truthy(2, false);
  const auto value_of = [&](const Value& item) {
    Value value = picked(in, item, args.require(0));
    return value.is_undefined() && args.get(1) != nullptr ? *args.get(1) : value;
  };
  const auto key = [&](const Value& item) { return key_of(in, value_of(item), nullptr, case_sensitive); };
  List items = *items_of(in, v);
  step_for_sort(in, v);
  sort_items(items, false, key);
  List out;
  for (size_t i = 0; i < items.size();) {
    const Value group_key = key(items[i]);
    List group;
    const Value shown = value_of(items[i]);
    for (; i < items.size() && equal(key(items[i]), group_key); ++i) group.push_back(items[i]);
    out.emplace_back(Tuple{{shown, Value(std::move(group))}});
  }
  return out;
}

constexpr std::pair<std::string_view, Filter> kFilters[] = {
    {"length", length_filter},
    {"count", length_filter},
    {"list", list_filter},
    {"first", first_filter},
    {"last", last_filter},
    {"reverse", reverse_filter},
    {"join", join_filter},
    {"items", items_filter},
    {"dictsort", dictsort_filter},
    {"sort", sort_filter},
    {"unique", unique_filter},
    {"min", min_filter},
    {"max", max_filter},
    {"sum", sum_filter},
    {"attr", attr_filter},
    {"map", map_filter},
    {"select", select_filter<true, false>},
    {"reject", select_filter<false, false>},
    {"selectattr", select_filter<true, true>},
    {"rejectattr", select_filter<false, true>},
    {"batch", batch_filter},
    {"slice", slice_filter},
    {"groupby", groupby_filter},
};

}  // namespace

Filter find_sequence_filter(std::string_view name) {
  for (const auto& [known, filter] : kFilters) {
    if (name == known) return filter;
  }
  return nullptr;
}

Filter find_filter(std::string_view name) {
  for (const auto find : {find_text_filter, find_sequence_filter, find_layout_filter}) {
    if (const Filter filter = find(name); filter != nullptr) return filter;
  }
  return nullptr;
}

Value apply_filter(Interpreter& in, const std::string& name, const Value& input, const Arguments& arguments) {
  const Filter filter = find_filter(name);
  if (filter == nullptr) {
    constexpr std::string_view kForWebPages[] = {"urlize",  "urlencode",      "striptags",
                                                 "xmlattr", "filesizeformat", "random"};
    if (std::ranges::find(kForWebPages, name) != std::end(kForWebPages))
      throw TemplateError(
          fmt::format("Jinja's filter '{}' is not available here: no chat template needs it", name));
    throw TemplateError(fmt::format("no filter is named '{}'", name));
  }
  return filter(in, input, arguments);
}

}  // namespace tersor::jinja
