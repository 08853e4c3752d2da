// The syntax tree of a template.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tersor/tokenizer/jinja/value.h"

namespace tersor::jinja {

struct Expr;
using ExprPtr = std::unique_ptr<Expr>;

enum class CompareOp { kEqual, kNotEqual, kLess, kLessEqual, kGreater, kGreaterEqual, kIn, kNotIn };

// `operands` in the order of the source; `text` is a name, where there is one.
struct Expr {
  enum class Kind {
    kConstant,   // `constant`
    kName,       // text
    kAttribute,  // operand.text
    kItem,       // operand[operand]
    kSlice,      // start : stop : step, each null where left out; only as the second operand of kItem
    kList,
    kTuple,
    kDict,    // key, value, key, value, …
    kCall,    // callee, then positional arguments; `keywords`
    kFilter,  // operand | text(…): operand (null in a filter block), then arguments; `keywords`
    kTest,    // operand is text(…)
    kNot,
    kNegative,
    kPositive,
    kAdd,
    kSubtract,
    kMultiply,
    kDivide,
    kFloorDivide,
    kModulo,
    kPower,
    kConcat,   // a ~ b ~ c
    kCompare,  // a op b op c; `compare_ops`
    kAnd,
    kOr,
    kConditional,         // condition, value, otherwise (null where left out)
    kNamespaceAttribute,  // name.text as the target of a set: operand is the name
  };

  Kind kind = Kind::kConstant;
  int line = 0;
  int depth = 1;  // of the tree below, this one counted
  std::string text;
  Value constant;
  std::vector<ExprPtr> operands;
  std::vector<std::pair<std::string, ExprPtr>> keywords;  // the names "*" and "**" for what is spread
  std::vector<CompareOp> compare_ops;
};

struct Statement;
using Block = std::vector<Statement>;

struct Parameter {
  std::string name;
  ExprPtr fallback;  // null: none
};

struct Statement {
  enum class Kind {
    kText,         // text
    kPrint,        // value
    kIf,           // value, body, otherwise
    kFor,          // target, value, condition (or null), body, otherwise; recursive
    kSet,          // target, value
    kSetBlock,     // target, value (a filter, or null), body
    kMacro,        // text, parameters, body
    kCall,         // parameters of the body, value (the call), body
    kFilterBlock,  // value (a filter), body
    kWith,         // targets, values, body
    kGeneration,   // body
    kBreak,
    kContinue,
  };

  Kind kind = Kind::kText;
  int line = 0;
  std::string text;
  ExprPtr target, value, condition;
  bool recursive = false;
  std::vector<Parameter> parameters;
  std::vector<std::pair<ExprPtr, ExprPtr>> bindings;  // of kWith
  Block body, otherwise;
};

}  // namespace tersor::jinja
