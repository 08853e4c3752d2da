// Hostile templates end, with an error, in bounded time, memory and stack.
#include <ctime>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tersor/base/error.h"
#include "tersor/tokenizer/jinja/interpreter.h"
#include "tersor/tokenizer/jinja/json_values.h"
#include "tersor/tokenizer/jinja/parser.h"

namespace tersor::jinja {
namespace {

using testing::AnyOf;
using testing::HasSubstr;

// What stops it, or "" when nothing does.
std::string stopped_by(const std::string& source, const Limits& limits = {}) {
  try {
    const Block block = parse(source);
    Interpreter(Dict(), 0, limits).render(block);
  } catch (const SyntaxError& e) {
    return e.message;
  } catch (const TemplateError& e) {
    return e.what();
  }
  return "";
}

std::string repeated(const std::string& text, size_t n) {
  std::string out;
  for (size_t i = 0; i < n; ++i) out += text;
  return out;
}

constexpr const char* kNoEnd = "the template does not come to an end";
constexpr const char* kTooDeep = "a value is nested too deeply";

TEST(Limits, SourcesThatNestAreRefused) {
  const std::pair<const char*, const char*> kBrackets[] = {
      {"(", ")"},       {"[", "]"}, {"{1:", "}"}, {"x[", "]"},          {"f(", ")"},  {"1|f(", ")"},
      {"1 is f(", ")"}, {"-", ""},  {"not ", ""}, {"x if y else ", ""}, {"f(*", ")"}, {"x[1:", "]"}};
  for (const auto& [opening, closing] : kBrackets) {
    EXPECT_EQ(stopped_by("{{ " + repeated(opening, 20'000) + "1" + repeated(closing, 20'000) + " }}"),
              "the template is nested too deeply")
        << opening;
  }
  for (const char* block : {"{% if x %}", "{% for a in b %}", "{% filter f %}", "{% macro m() %}",
                            "{% set a %}", "{% if x %}a{% elif y %}"})
    EXPECT_EQ(stopped_by(repeated(block, 20'000)), "the template is nested too deeply") << block;
  EXPECT_EQ(stopped_by("{% set " + repeated("(", 20'000) + "a" + repeated(")", 20'000) + " = 1 %}"),
            "the template is nested too deeply");
  EXPECT_EQ(stopped_by("{% if x %}" + repeated("{% elif y %}", 20'000) + "{% endif %}"),
            "the template is nested too deeply");
}

TEST(Limits, ChainsOfTermsAreRefused) {
  for (const char* term : {"+1", "|f", ".a", "[0]", "()", "*1", "**1", " or 1", " and 1", " is odd"})
    EXPECT_THAT(stopped_by("{{ 1" + repeated(term, 20'000) + " }}"),
                AnyOf("an expression has too many terms", "tests cannot be chained with `is`"))
        << term;
  // A tree cannot be deep by being nested a little and chained a little on every level.
  std::string nested = "1";
  for (int i = 0; i < 50; ++i) nested = "(" + nested + repeated("+1", 200) + ")";
  EXPECT_EQ(stopped_by("{{ " + nested + " }}"), "an expression has too many terms");
  // What does not nest may be long.
  EXPECT_EQ(stopped_by("{{ ''" + repeated("~''", 10'000) + " }}"), "");
  EXPECT_EQ(stopped_by("{{ [" + repeated("1,", 10'000) + "] | length }}"), "");
}

TEST(Limits, RecursionIsRefused) {
  const std::string too_deep = "blocks, expressions or calls are nested too deeply";
  EXPECT_EQ(stopped_by("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}"), too_deep);
  EXPECT_EQ(stopped_by("{% macro m() %}" + repeated("{% if 1 %}", 150) + "{{ m() }}" +
                       repeated("{% endif %}", 150) + "{% endmacro %}{{ m() }}"),
            too_deep);
  EXPECT_EQ(stopped_by("{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}"), too_deep);
  EXPECT_EQ(stopped_by("{% macro m(a=m()) %}{% endmacro %}{{ m() }}"), too_deep);
}

TEST(Limits, LoopsEnd) {
  const std::string r = "range(99999)";
  const Limits few = {.steps = 2'000'000};  // a small part of the usual number, for a quick test
  EXPECT_EQ(stopped_by("{% for a in " + r + " %}{% for b in " + r + " %}{% endfor %}{% endfor %}", few),
            kNoEnd);
  EXPECT_EQ(
      stopped_by("{% macro m(n) %}{% if n %}{{ m(n-1) }}{{ m(n-1) }}{% endif %}{% endmacro %}{{ m(40) }}",
                 few),
      kNoEnd);
  EXPECT_EQ(
      stopped_by("{% for a in " + r + " %}{% if 1 in " + r + " | reverse | list %}{% endif %}{% endfor %}"),
      kNoEnd);
  EXPECT_EQ(stopped_by("{% for a in " + r + " %}{{ ('a' * 1000000) == ('a' * 1000000) }}{% endfor %}"),
            kNoEnd);
}

TEST(Limits, TextAndListsDoNotGrowWithoutEnd) {
  const std::string twice = "{% set ns.x = ns.x + ns.x %}";
  EXPECT_EQ(stopped_by("{% set ns = namespace(x='ab') %}" + repeated(twice, 40)),
            "a string grows beyond 64 MiB");
  EXPECT_EQ(stopped_by("{% set ns = namespace(x=[1]) %}" + repeated(twice, 40)),
            "a list grows beyond all use");
  EXPECT_EQ(stopped_by("{{ 'a' * 10**18 }}"), "a string grows beyond 64 MiB");
  EXPECT_EQ(stopped_by("{{ [1] * 10**18 }}"), "a list grows beyond all use");
  EXPECT_EQ(stopped_by("{% set x = 'a' * 10**6 %}{{ x.replace('', x) }}"), "a string grows beyond 64 MiB");
  EXPECT_EQ(stopped_by("{{ 'a'.center(10**12) }}"), "a string grows beyond 64 MiB");
  EXPECT_EQ(stopped_by("{{ [1] | batch(10**12, 0) | list }}"), "batch(): linecount must be 1 to 1000000");
  for (const char* source :
       {"{{ 2 ** 100 }}", "{{ '99999999999999999999' | int }}", "{{ 1e30 | int }}", "{{ '1e30' | int }}",
        "{{ '%d' % 1e30 }}", "{{ (-9223372036854775807 - 1) | abs }}",
        "{{ [9223372036854775807, 1] | sum }}"}) {
    EXPECT_EQ(stopped_by(source), "a number grows beyond 64 bits") << source;
  }
  EXPECT_EQ(stopped_by("{{ 1e18 | int }}{{ '%d' % -9.2e18 }}{{ (1e300 * 1e300) | int(5) }}"), "");
  EXPECT_EQ(stopped_by("{{ 9223372036854775808 }}"), "`9223372036854775808` is not a number that fits");
  EXPECT_EQ(stopped_by("{% for x in range(99999) %}{{ 'a' * 10000 }}{% endfor %}"),
            "the template writes more than 64 MiB");
  // Many texts of an allowed size.
  EXPECT_EQ(stopped_by("{% set ns = namespace(x=[]) %}{% for i in range(99999) %}"
                       "{% set ns.x = ns.x + ['a' * 10000000] %}{% endfor %}"),
            kNoEnd);
}

TEST(Limits, ValuesDoNotNestWithoutEnd) {
  const auto nest = [](const std::string& expression) {
    return stopped_by("{% set ns = namespace(x='a') %}{% for i in range(99999) %}{% set ns.x = " +
                      expression + " %}{% endfor %}");
  };
  for (const char* expression : {"[ns.x]", "(ns.x,)", "{'a': ns.x}", "{'a': ns.x}.get", "dict(a=ns.x)",
                                 "[ns.x] | map('string')", "[[ns.x] | select]", "[ns.x].index"})
    EXPECT_THAT(nest(std::string(expression)), AnyOf(kTooDeep, "'str' object is not iterable")) << expression;
  // Shared parts count each time: what compares or prints the value walks through all of it.
  EXPECT_EQ(nest("[ns.x, ns.x]"), "a value grows beyond all use");
}

TEST(Limits, ChainsOfThingsThatChangeAreFreed) {
  const std::string begin = "{% set ns = namespace(x=none) %}";
  const std::string loop = "{% for i in range(99999) %}";
  EXPECT_EQ(stopped_by(begin + loop + "{% set ns.x = namespace(p=ns.x) %}{% endfor %}{% set ns.x = 1 %}"),
            "");
  EXPECT_EQ(stopped_by(begin +
                       "{% macro keep() %}{% set ns.x = caller %}{% endmacro %}"
                       "{% macro m(p) %}{% call keep() %}{% endcall %}{% endmacro %}" +
                       loop + "{{ m(ns.x) }}{% endfor %}{% set ns.x = 1 %}"),
            "");
  EXPECT_EQ(stopped_by(begin + loop +
                       "{{ loop.changed(ns.x) }}{% set ns.x = loop %}{% endfor %}{% set ns.x = 1 %}"),
            "");
  EXPECT_EQ(stopped_by(begin + loop + "{% for y in [ns.x] %}{% set ns.x = loop %}{% endfor %}{% endfor %}"),
            kTooDeep);
}

TEST(Limits, SearchesAreLinear) {
  const std::clock_t begun = std::clock();
  const std::string texts =
      "{% set a = 'a' * 4000000 %}{% set b = 'a' * 2000000 + 'b' %}{% set c = 'b' + b[:-1] %}";
  EXPECT_EQ(stopped_by(texts + "{{ b in a }}{{ a.find(b) }}{{ a.count(b) }}{{ a.split(b) | length }}"
                               "{{ a.rfind(c) }}{{ a.rsplit(c, 3) | length }}{{ a.replace(b, '') | length }}"
                               "{{ a.rpartition(c) | length }}{{ a.strip(b) | length }}"),
            "");
  // Of this process alone, so that a busy machine fails nothing. Seconds would do; searching the plain way
  // takes hours.
  EXPECT_LT(std::clock() - begun, 60 * CLOCKS_PER_SEC);
}

TEST(Limits, AreSetByTheCaller) {
  EXPECT_EQ(stopped_by("{{ 1 }}{{ 2 }}{{ 3 }}", {.steps = 5}), kNoEnd);
  EXPECT_EQ(stopped_by("abcdef", {.output_bytes = 5}), "the template writes more than 0 MiB");
  EXPECT_EQ(stopped_by("{{ [[1]] }}", {.depth = 2}), "blocks, expressions or calls are nested too deeply");
}

TEST(Limits, WholeNumbersOfJsonBeyond63BitsAreRefused) {
  EXPECT_EQ(value_from_json("[9223372036854775807, -9223372036854775808]", "tools").list()->size(), 2u);
  for (const char* number :
       {"9223372036854775808", "18446744073709551615", "1000000000000000019884624838656"}) {
    try {
      value_from_json(std::string("{\"maximum\": ") + number + "}", "tools");
      FAIL();
    } catch (const Error& e) {
      EXPECT_EQ(std::string(e.what()), std::string("tools: the number ") + number +
                                           " needs more than 63 bits, which templates do not hold");
    }
  }
}

}  // namespace
}  // namespace tersor::jinja
