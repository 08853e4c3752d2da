#include "tersor/tokenizer/jinja/expression_parser.h"

#include <algorithm>
#include <array>
#include <optional>

namespace tersor::jinja {
namespace {

using Type = Token::Type;
using Kind = Expr::Kind;

// Of a tree: a + b + c and x | f | g lean to the left, one level for each term.
constexpr int kMaxTreeDepth = 300;

ExprPtr make(Kind kind, int line, std::string text = "") {
  auto e = std::make_unique<Expr>();
  e->kind = kind;
  e->line = line;
  e->text = std::move(text);
  return e;
}

// Puts a tree below another: freeing and running trees recurses, so their depth is limited here.
void note_child(Expr& e, const ExprPtr& child) {
  if (child == nullptr) return;
  e.depth = std::max(e.depth, child->depth + 1);
  if (e.depth > kMaxTreeDepth) throw SyntaxError{"an expression has too many terms", e.line};
}
void adopt(Expr& e, ExprPtr operand) {
  note_child(e, operand);
  e.operands.push_back(std::move(operand));
}
void adopt_keyword(Expr& e, std::string name, ExprPtr value) {
  note_child(e, value);
  e.keywords.emplace_back(std::move(name), std::move(value));
}

template <class... Operands>
ExprPtr make_of(Kind kind, int line, Operands... operands) {
  ExprPtr e = make(kind, line);
  (adopt(*e, std::move(operands)), ...);
  return e;
}

ExprPtr constant(int line, Value value) {
  ExprPtr e = make(Kind::kConstant, line);
  e->constant = std::move(value);
  return e;
}

class ExpressionParser {
 public:
  explicit ExpressionParser(TokenStream& tokens) : t_(tokens) {}

  // A name, a.b, or a tuple of names.
  ExprPtr assign_target(bool with_namespace) {
    const TokenStream::Level level(t_);
    const int begun = t_.line();
    std::vector<ExprPtr> targets;
    bool is_tuple = false;
    while (true) {
      if (!targets.empty() && t_.current().type != Type::kName && !t_.current().is("("))
        break;  // a trailing comma
      if (t_.take("(")) {
        targets.push_back(assign_target(with_namespace));
        t_.expect(")");
      } else {
        targets.push_back(make(Kind::kName, t_.line(), t_.any_name()));
        if (is_reserved(targets.back()->text))
          t_.fail(fmt::format("cannot assign to `{}`", targets.back()->text));
        if (with_namespace && t_.take(".")) {
          ExprPtr name = std::move(targets.back());
          targets.back() = make_of(Kind::kNamespaceAttribute, begun, std::move(name));
          targets.back()->text = t_.any_name();
        }
      }
      if (!t_.take(",")) break;
      is_tuple = true;
    }
    if (!is_tuple) return std::move(targets[0]);
    ExprPtr tuple = make(Kind::kTuple, begun);
    for (ExprPtr& target : targets) adopt(*tuple, std::move(target));
    return tuple;
  }

  static bool is_reserved(std::string_view name) {
    constexpr std::array<std::string_view, 6> kConstants = {"true", "false", "none", "True", "False", "None"};
    return std::find(kConstants.begin(), kConstants.end(), name) != kConstants.end();
  }

  // The expressions, loosest first.

  bool at_tuple_end() const {
    const Token& t = t_.current();
    return t.type == Type::kVariableEnd || t.type == Type::kBlockEnd || t.is(")") || t.is_name("recursive");
  }

  // `a` or `a, b`. In parentheses nothing at all is a tuple too.
  ExprPtr tuple_or_expression(bool conditional = true, bool parentheses = false) {
    const int begun = t_.line();
    std::vector<ExprPtr> items;
    bool is_tuple = false;
    while (!at_tuple_end()) {
      items.push_back(conditional ? expression() : or_expression());
      if (!t_.take(",")) break;
      is_tuple = true;
    }
    if (!is_tuple && !items.empty()) return std::move(items[0]);
    if (items.empty() && !parentheses) t_.unexpected("an expression");
    ExprPtr tuple = make(Kind::kTuple, begun);
    for (ExprPtr& item : items) adopt(*tuple, std::move(item));
    return tuple;
  }

  ExprPtr expression() {
    const TokenStream::Level level(t_);
    ExprPtr value = or_expression();
    while (t_.current().is_name("if")) {
      const int begun = t_.line();
      t_.next();
      ExprPtr condition = or_expression();
      ExprPtr otherwise = t_.take_name("else") ? expression() : nullptr;
      value =
          make_of(Kind::kConditional, begun, std::move(condition), std::move(value), std::move(otherwise));
    }
    return value;
  }

  ExprPtr or_expression() {
    ExprPtr left = and_expression();
    while (t_.current().is_name("or")) {
      const int begun = t_.next().line;
      ExprPtr right = and_expression();
      left = make_of(Kind::kOr, begun, std::move(left), std::move(right));
    }
    return left;
  }

  ExprPtr and_expression() {
    ExprPtr left = not_expression();
    while (t_.current().is_name("and")) {
      const int begun = t_.next().line;
      ExprPtr right = not_expression();
      left = make_of(Kind::kAnd, begun, std::move(left), std::move(right));
    }
    return left;
  }

  ExprPtr not_expression() {
    const TokenStream::Level level(t_);
    if (!t_.current().is_name("not")) return comparison();
    const int begun = t_.next().line;
    return make_of(Kind::kNot, begun, not_expression());
  }

  std::optional<CompareOp> take_compare_op() {
    constexpr std::array<std::pair<std::string_view, CompareOp>, 6> kOps = {
        {{"==", CompareOp::kEqual},
         {"!=", CompareOp::kNotEqual},
         {"<", CompareOp::kLess},
         {"<=", CompareOp::kLessEqual},
         {">", CompareOp::kGreater},
         {">=", CompareOp::kGreaterEqual}}};
    for (const auto& [text, op] : kOps) {
      if (t_.take(text)) return op;
    }
    if (t_.take_name("in")) return CompareOp::kIn;
    if (t_.current().is_name("not") && t_.ahead().is_name("in")) {
      t_.next();
      t_.next();
      return CompareOp::kNotIn;
    }
    return std::nullopt;
  }

  ExprPtr comparison() {
    ExprPtr first = sum();
    ExprPtr compare;
    while (const auto op = take_compare_op()) {
      if (!compare) compare = make_of(Kind::kCompare, t_.line(), std::move(first));
      compare->compare_ops.push_back(*op);
      adopt(*compare, sum());
    }
    return compare ? std::move(compare) : std::move(first);
  }

  ExprPtr sum() {
    ExprPtr left = concatenation();
    while (t_.current().is("+") || t_.current().is("-")) {
      const Token op = t_.next();
      ExprPtr right = concatenation();
      left =
          make_of(op.text == "+" ? Kind::kAdd : Kind::kSubtract, op.line, std::move(left), std::move(right));
    }
    return left;
  }

  ExprPtr concatenation() {
    ExprPtr first = product();
    if (!t_.current().is("~")) return first;
    ExprPtr all = make_of(Kind::kConcat, t_.line(), std::move(first));
    while (t_.take("~")) adopt(*all, product());
    return all;
  }

  ExprPtr product() {
    ExprPtr left = power();
    while (true) {
      const Token& t = t_.current();
      const Kind kind = t.is("*")    ? Kind::kMultiply
                        : t.is("/")  ? Kind::kDivide
                        : t.is("//") ? Kind::kFloorDivide
                        : t.is("%")  ? Kind::kModulo
                                     : Kind::kConstant;
      if (kind == Kind::kConstant) return left;
      const int begun = t_.next().line;
      ExprPtr right = power();
      left = make_of(kind, begun, std::move(left), std::move(right));
    }
  }

  ExprPtr power() {
    ExprPtr left = unary(true);
    while (t_.current().is("**")) {
      const int begun = t_.next().line;
      ExprPtr right = unary(true);
      left = make_of(Kind::kPower, begun, std::move(left), std::move(right));
    }
    return left;
  }

  ExprPtr unary(bool with_filters) {
    const TokenStream::Level level(t_);
    ExprPtr e;
    if (t_.current().is("-") || t_.current().is("+")) {
      const Token sign = t_.next();
      e = make_of(sign.text == "-" ? Kind::kNegative : Kind::kPositive, sign.line, unary(false));
    } else {
      e = primary();
    }
    e = postfix(std::move(e));
    return with_filters ? filters_and_tests(std::move(e)) : std::move(e);
  }

  ExprPtr primary() {
    const Token& t = t_.current();
    const int begun = t.line;
    switch (t.type) {
      case Type::kName: {
        const std::string name = t_.next().text;
        if (name == "true" || name == "True") return constant(begun, true);
        if (name == "false" || name == "False") return constant(begun, false);
        if (name == "none" || name == "None") return constant(begun, None{});
        return make(Kind::kName, begun, name);
      }
      case Type::kString: {
        std::string text;
        while (t_.current().type == Type::kString) text += t_.next().text;
        return constant(begun, text);
      }
      case Type::kInteger:
        return constant(begun, t_.next().integer);
      case Type::kFloat:
        return constant(begun, t_.next().number);
      default:
        break;
    }
    if (t_.take("(")) {
      ExprPtr e = tuple_or_expression(true, /*parentheses=*/true);
      t_.expect(")");
      return e;
    }
    if (t_.take("[")) {
      ExprPtr list = make(Kind::kList, begun);
      while (!t_.current().is("]")) {
        adopt(*list, expression());
        if (!t_.take(",")) break;
      }
      t_.expect("]");
      return list;
    }
    if (t_.take("{")) {
      ExprPtr dict = make(Kind::kDict, begun);
      while (!t_.current().is("}")) {
        adopt(*dict, expression());
        t_.expect(":");
        adopt(*dict, expression());
        if (!t_.take(",")) break;
      }
      t_.expect("}");
      return dict;
    }
    t_.unexpected("an expression");
  }

  ExprPtr postfix(ExprPtr e) {
    while (true) {
      if (t_.current().is(".") || t_.current().is("["))
        e = subscript(std::move(e));
      else if (t_.current().is("("))
        e = call(std::move(e));
      else
        return e;
    }
  }

  ExprPtr subscript(ExprPtr e) {
    const Token opening = t_.next();
    if (opening.text == ".") {
      if (t_.current().type == Type::kInteger) {
        return make_of(Kind::kItem, opening.line, std::move(e), constant(opening.line, t_.next().integer));
      }
      ExprPtr attribute = make_of(Kind::kAttribute, opening.line, std::move(e));
      attribute->text = t_.any_name();
      return attribute;
    }
    ExprPtr index = subscribed();
    if (t_.current().is(",")) {
      ExprPtr tuple = make_of(Kind::kTuple, opening.line, std::move(index));
      while (t_.take(",")) adopt(*tuple, subscribed());
      index = std::move(tuple);
    }
    t_.expect("]");
    return make_of(Kind::kItem, opening.line, std::move(e), std::move(index));
  }

  ExprPtr subscribed() {
    const auto part = [&]() -> ExprPtr {
      if (t_.current().is(":") || t_.current().is("]") || t_.current().is(",")) return nullptr;
      return expression();
    };
    const int begun = t_.line();
    ExprPtr first = part();
    if (!t_.current().is(":")) {
      if (!first) t_.unexpected("an index");
      return first;
    }
    t_.next();
    ExprPtr second = part();
    ExprPtr third = t_.take(":") ? part() : nullptr;
    return make_of(Kind::kSlice, begun, std::move(first), std::move(second), std::move(third));
  }

  // `( … )` behind a callee, filter or test.
  void arguments(Expr& e) {
    t_.expect("(");
    bool keywords = false;
    while (!t_.current().is(")")) {
      if (t_.take("*")) {
        adopt_keyword(e, "*", expression());
      } else if (t_.take("**")) {
        adopt_keyword(e, "**", expression());
      } else if (t_.current().type == Type::kName && t_.ahead().is("=")) {
        std::string name = t_.next().text;
        t_.next();
        adopt_keyword(e, std::move(name), expression());
        keywords = true;
      } else {
        if (keywords) t_.fail("a positional argument behind a named one");
        adopt(e, expression());
      }
      if (!t_.take(",")) break;
    }
    t_.expect(")");
  }

  ExprPtr call(ExprPtr callee) {
    ExprPtr e = make_of(Kind::kCall, t_.line(), std::move(callee));
    arguments(*e);
    return e;
  }

  std::string dotted_name() {
    std::string name = t_.any_name();
    while (t_.take(".")) name += "." + t_.any_name();
    return name;
  }

  // `name(…)` behind a pipe.
  ExprPtr filter(ExprPtr input) {
    ExprPtr e = make_of(Kind::kFilter, t_.line(), std::move(input));
    e->text = dotted_name();
    if (t_.current().is("(")) arguments(*e);
    return e;
  }
  ExprPtr filters(ExprPtr input) {
    while (t_.take("|")) input = filter(std::move(input));
    return input;
  }

  ExprPtr filters_and_tests(ExprPtr e) {
    while (true) {
      if (t_.take("|"))
        e = filter(std::move(e));
      else if (t_.take_name("is"))
        e = test(std::move(e));
      else if (t_.current().is("("))
        e = call(std::move(e));
      else
        return e;
    }
  }

  ExprPtr test(ExprPtr input) {
    const int begun = t_.line();
    const bool negated = t_.take_name("not");
    ExprPtr e = make_of(Kind::kTest, begun, std::move(input));
    e->text = dotted_name();
    const Token& t = t_.current();
    const bool starts_operand = t.type == Type::kName || t.type == Type::kString ||
                                t.type == Type::kInteger || t.type == Type::kFloat || t.is("[") || t.is("{");
    if (t.is("(")) {
      arguments(*e);
    } else if (starts_operand && !t.is_name("else") && !t.is_name("or") && !t.is_name("and")) {
      if (t.is_name("is")) t_.fail("tests cannot be chained with `is`");
      adopt(*e, postfix(primary()));
    }
    return negated ? make_of(Kind::kNot, begun, std::move(e)) : std::move(e);
  }

 private:
  TokenStream& t_;
};

}  // namespace

ExprPtr parse_tuple_or_expression(TokenStream& tokens, bool conditional) {
  return ExpressionParser(tokens).tuple_or_expression(conditional);
}
ExprPtr parse_expression(TokenStream& tokens) { return ExpressionParser(tokens).expression(); }
ExprPtr parse_assign_target(TokenStream& tokens, bool with_namespace) {
  return ExpressionParser(tokens).assign_target(with_namespace);
}
ExprPtr parse_filters(TokenStream& tokens) { return ExpressionParser(tokens).filters(nullptr); }
ExprPtr parse_filter_chain(TokenStream& tokens) {
  ExpressionParser parser(tokens);
  return parser.filters(parser.filter(nullptr));
}
ExprPtr parse_concatenation(TokenStream& tokens) {
  const int line = tokens.line();
  ExprPtr all = make_of(Kind::kConcat, line, parse_expression(tokens));
  while (tokens.take(",")) adopt(*all, parse_expression(tokens));
  return all;
}

}  // namespace tersor::jinja
