#include "tersor/tokenizer/jinja/parser.h"

#include <algorithm>
#include <initializer_list>

#include <fmt/format.h>

#include "tersor/tokenizer/jinja/expression_parser.h"
#include "tersor/tokenizer/jinja/token_stream.h"

namespace tersor::jinja {
namespace {

using Type = Token::Type;

class StatementParser {
 public:
  explicit StatementParser(TokenStream& tokens) : t_(tokens) {}

  // Up to a tag named in `ends`, whose name is left as the current token; up to the end of the source for no
  // `ends`.
  Block statements(std::initializer_list<std::string_view> ends) {
    const TokenStream::Level level(t_);
    Block block;
    while (t_.current().type != Type::kEnd) {
      if (t_.current().type == Type::kData) {
        add(block, Statement::Kind::kText).text = t_.next().text;
      } else if (t_.current().type == Type::kVariableBegin) {
        t_.next();
        Statement& s = add(block, Statement::Kind::kPrint);
        s.value = parse_tuple_or_expression(t_);
        t_.expect_type(Type::kVariableEnd, "`}}`");
      } else {
        t_.next();  // {%
        if (t_.current().type != Type::kName) t_.unexpected("a tag's name");
        if (std::find(ends.begin(), ends.end(), t_.current().text) != ends.end()) return block;
        statement(block);
      }
    }
    if (ends.size() > 0)
      t_.fail(fmt::format("the template ends inside a block: `{}` is missing", *(ends.end() - 1)));
    return block;
  }

  Statement& add(Block& block, Statement::Kind kind) {
    block.emplace_back();
    block.back().kind = kind;
    block.back().line = t_.line();
    return block.back();
  }

  // A block's body: behind the opening tag's end, up to a tag of `ends`.
  Block body(std::initializer_list<std::string_view> ends) {
    t_.take(":");
    end_tag();
    return statements(ends);
  }
  Block last_body(std::string_view end) {
    Block block = body({end});
    t_.expect_name(end);
    return block;
  }
  void end_tag() { t_.expect_type(Type::kBlockEnd, "`%}`"); }

  // One statement, its name the current token, up to the end of its last tag.
  void statement(Block& block) {
    const int tag_line = t_.line();
    const std::string tag = t_.current().text;
    Statement s;
    s.line = tag_line;
    t_.next();
    if (tag == "if")
      if_statement(s);
    else if (tag == "for")
      for_statement(s);
    else if (tag == "set")
      set_statement(s);
    else if (tag == "macro")
      macro(s);
    else if (tag == "call")
      call_block(s);
    else if (tag == "filter")
      filter_block(s);
    else if (tag == "with")
      with(s);
    else if (tag == "generation")
      s.kind = Statement::Kind::kGeneration, s.body = last_body("endgeneration");
    else if (tag == "break")
      s.kind = Statement::Kind::kBreak;
    else if (tag == "continue")
      s.kind = Statement::Kind::kContinue;
    else if (tag == "print")
      s.kind = Statement::Kind::kPrint, s.value = parse_concatenation(t_);
    else
      throw SyntaxError{fmt::format("the tag `{}` is not known, or has no place here", tag), tag_line};
    if ((tag == "break" || tag == "continue") && loops_ == 0) {
      throw SyntaxError{fmt::format("`{}` outside of a loop", tag), tag_line};
    }
    end_tag();
    block.push_back(std::move(s));
  }

  void if_statement(Statement& s) {
    s.kind = Statement::Kind::kIf;
    s.value = parse_tuple_or_expression(t_, /*conditional=*/false);
    s.body = body({"elif", "else", "endif"});
    if (t_.current().is_name("elif")) {
      const TokenStream::Level level(t_);
      Statement& inner = add(s.otherwise, Statement::Kind::kIf);
      t_.next();
      if_statement(inner);  // takes the `endif`
      return;
    }
    if (t_.take_name("else")) s.otherwise = body({"endif"});
    t_.expect_name("endif");
  }

  void for_statement(Statement& s) {
    s.kind = Statement::Kind::kFor;
    s.target = parse_assign_target(t_, /*with_namespace=*/false);
    t_.expect_name("in");
    s.value = parse_tuple_or_expression(t_, /*conditional=*/false);
    if (t_.take_name("if")) s.condition = parse_expression(t_);
    s.recursive = t_.take_name("recursive");
    ++loops_;
    s.body = body({"else", "endfor"});
    --loops_;
    if (t_.take_name("else")) s.otherwise = body({"endfor"});
    t_.expect_name("endfor");
  }

  void set_statement(Statement& s) {
    s.target = parse_assign_target(t_, /*with_namespace=*/true);
    if (t_.take("=")) {
      s.kind = Statement::Kind::kSet;
      s.value = parse_tuple_or_expression(t_);
      return;
    }
    s.kind = Statement::Kind::kSetBlock;
    if (t_.current().is("|")) s.value = parse_filters(t_);
    s.body = last_body("endset");
  }

  std::vector<Parameter> signature() {
    std::vector<Parameter> parameters;
    t_.expect("(");
    while (!t_.current().is(")")) {
      if (!parameters.empty()) t_.expect(",");
      if (t_.current().is(")")) break;
      Parameter p;
      p.name = t_.any_name();
      if (t_.take("="))
        p.fallback = parse_expression(t_);
      else if (!parameters.empty() && parameters.back().fallback)
        t_.fail("a parameter without a default behind one with a default");
      parameters.push_back(std::move(p));
    }
    t_.expect(")");
    return parameters;
  }

  // A macro's body is its own: no break out of it into a loop around it.
  Block macro_body(std::string_view end) {
    const int loops = std::exchange(loops_, 0);
    Block block = last_body(end);
    loops_ = loops;
    return block;
  }

  void macro(Statement& s) {
    s.kind = Statement::Kind::kMacro;
    s.text = t_.any_name();
    s.parameters = signature();
    s.body = macro_body("endmacro");
  }

  void call_block(Statement& s) {
    s.kind = Statement::Kind::kCall;
    if (t_.current().is("(")) s.parameters = signature();
    s.value = parse_expression(t_);
    if (s.value->kind != Expr::Kind::kCall) throw SyntaxError{"`call` needs a call", s.line};
    s.body = macro_body("endcall");
  }

  void filter_block(Statement& s) {
    s.kind = Statement::Kind::kFilterBlock;
    s.value = parse_filter_chain(t_);
    s.body = last_body("endfilter");
  }

  void with(Statement& s) {
    s.kind = Statement::Kind::kWith;
    while (t_.current().type != Type::kBlockEnd) {
      if (!s.bindings.empty()) t_.expect(",");
      ExprPtr target = parse_assign_target(t_, /*with_namespace=*/false);
      t_.expect("=");
      s.bindings.emplace_back(std::move(target), parse_expression(t_));
    }
    s.body = last_body("endwith");
  }

 private:
  TokenStream& t_;
  int loops_ = 0;  // around the current statement
};

}  // namespace

Block parse(std::string_view source) {
  TokenStream tokens(tokenize(source));
  return StatementParser(tokens).statements({});
}

}  // namespace tersor::jinja
