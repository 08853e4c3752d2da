#include "tersor/entrypoints/report_html.h"

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <limits>
#include <random>
#include <set>

#include "well_formed.h"
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tersor/base/utf8.h"
#include "tersor/entrypoints/html/axis.h"
#include "tersor/entrypoints/html/markup.h"
#include "tersor/entrypoints/html/summary.h"

namespace tersor {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// Errors as 4-bit GPTQ has them: growing with depth, worse at both ends, o_proj and down_proj apart.
LinearReport linear(std::mt19937& random, std::string module, int64_t layer, int64_t layers, std::string kind,
                    double typical, uint64_t tokens) {
  std::lognormal_distribution<double> noise(0, 0.12);
  const double depth = static_cast<double>(layer) / static_cast<double>(layers);
  const double ends = layer < 2 || layer + 2 >= layers ? 1.7 : 1;
  LinearReport l;
  l.module = std::move(module);
  l.layer = layer;
  l.module_class = std::move(kind);
  l.scheme = "W4A16";
  l.output_error = typical * (0.8 + 0.9 * depth) * ends * noise(random);
  l.rounding_error = l.output_error * (1.35 + 0.25 * noise(random));
  l.weight_error = 0.12 * noise(random);
  l.tokens = tokens;
  return l;
}

CompressionReport dense_example() {
  std::mt19937 random(7);
  CompressionReport r;
  r.model = "HuggingFaceTB/SmolLM2-135M";
  r.output = "SmolLM2-135M-W4A16";
  r.method = "GPTQ";
  r.facts = {{"backend", "cpu, AVX512-BF16, 8 threads"}, {"order", "static, dampening 0.01, blocks of 128"}};
  r.notes = {"layer 0, self_attn.o_proj: damping was raised to 0.1, as the Hessian had no Cholesky factor"};
  const std::vector<std::pair<std::string, double>> kinds = {
      {"self_attn.q_proj", .031}, {"self_attn.k_proj", .027}, {"self_attn.v_proj", .072},
      {"self_attn.o_proj", .085}, {"mlp.gate_proj", .058},    {"mlp.up_proj", .066},
      {"mlp.down_proj", .079}};
  for (int64_t layer = 0; layer < 30; ++layer) {
    for (const auto& [name, typical] : kinds) {
      r.linears.push_back(linear(random, fmt::format("model.layers.{}.{}", layer, name), layer, 30,
                                 name.substr(name.find('.') + 1), typical, 262'144));
    }
  }
  r.phases = {{"load weights", 2.1}, {"forward", 61.5}, {"Hessians", 88.2}, {"solve", 41.7}, {"write", 3.4}};
  r.sizes = {{"attention", 53'084'160, 14'100'480},
             {"MLP", 159'252'480, 42'301'440},
             {"embeddings", 56'623'104, 56'623'104}};
  r.source_bytes = 269'060'552;
  r.output_bytes = 113'240'064;
  r.seconds = 204.6;
  r.peak_memory = 1'610'612'736;
  r.recipe =
      "quant_stage:\n  quant_modifiers:\n    GPTQModifier:\n      targets: [Linear]\n      ignore: "
      "[lm_head]\n"
      "      scheme: W4A16\n      dampening_frac: 0.01\n      actorder: static\n";
  r.data = {"ultrachat_200k, train_sft, 128 conversations through the model's chat template",
            "xxh3:4f0c9a1be27d6635", 128, 262'144};
  return r;
}

CompressionReport moe_example() {
  std::mt19937 random(11);
  CompressionReport r = dense_example();
  r.model = "allenai/OLMoE-1B-7B-0924";
  r.output = "OLMoE-1B-7B-0924-W4A16";
  r.linears.clear();
  r.notes.clear();
  const std::vector<std::pair<std::string, double>> kinds = {{"self_attn.q_proj", .036},
                                                             {"self_attn.k_proj", .033},
                                                             {"self_attn.v_proj", .07},
                                                             {"self_attn.o_proj", .08}};
  const std::vector<std::pair<std::string, double>> expert_kinds = {
      {"gate_proj", .055}, {"up_proj", .062}, {"down_proj", .095}};
  for (int64_t layer = 0; layer < 16; ++layer) {
    for (const auto& [name, typical] : kinds) {
      r.linears.push_back(linear(random, fmt::format("model.layers.{}.{}", layer, name), layer, 16,
                                 name.substr(name.find('.') + 1), typical, 262'144));
    }
    // A few experts get most of the tokens, as routers without a balancing loss have it.
    ExpertTokens experts{layer, {}};
    std::lognormal_distribution<double> popularity(0, 1.3);
    std::vector<double> share(64);
    double sum = 0;
    for (double& s : share) sum += s = popularity(random);
    for (const double s : share) experts.tokens.push_back(static_cast<uint64_t>(s / sum * 262'144 * 8));
    if (layer == 3) experts.tokens[17] = experts.tokens[40] = 0;
    for (size_t e = 0; e < 64; ++e) {
      for (const auto& [name, typical] : expert_kinds) {
        LinearReport l = linear(random, fmt::format("model.layers.{}.mlp.experts.{}.{}", layer, e, name),
                                layer, 16, "experts." + name, typical, experts.tokens[e]);
        if (l.tokens == 0) l.output_error = l.rounding_error = LinearReport::kUnknown;
        r.linears.push_back(l);
      }
    }
    r.experts.push_back(std::move(experts));
  }
  r.notes = {"layer 3: experts 17 and 40 saw no token; their weights were rounded to nearest"};
  r.sizes = {{"attention", 536'870'912, 142'606'336},
             {"experts", 12'884'901'888, 3'422'552'064},
             {"routers", 4'194'304, 4'194'304},
             {"embeddings", 412'090'368, 412'090'368}};
  r.source_bytes = 13'838'323'712;
  r.output_bytes = 3'981'613'056;
  r.seconds = 3904;
  r.phases = {{"load weights", 64}, {"forward", 1100.5}, {"Hessians", 1640}, {"solve", 860}, {"write", 150}};
  return r;
}

std::vector<PageElement> with_class(const std::vector<PageElement>& page, const std::string& style) {
  std::vector<PageElement> found;
  for (const PageElement& e : page) {
    const auto at = e.attributes.find("class");
    if (at != e.attributes.end() && at->second == style) found.push_back(e);
  }
  return found;
}

std::string all_text(const std::vector<PageElement>& page) {
  std::string text;
  for (const PageElement& e : page) {
    if (e.name != "style") text += e.text + "\n";
  }
  return text;
}

// Also the way to look at the pages: TERSOR_REPORTS=folder entrypoints_test
// --gtest_filter=ReportHtml.Examples
TEST(ReportHtml, Examples) {
  for (const auto& [name, report] :
       {std::pair{"dense.html", dense_example()}, std::pair{"moe.html", moe_example()}}) {
    const std::string page = to_html(report);
    EXPECT_EQ(page, to_html(report));
    const std::vector<PageElement> elements = PageReader::read(page);
    const std::string text = all_text(elements);
    EXPECT_THAT(text, HasSubstr(report.model));
    EXPECT_THAT(text, HasSubstr(report.recipe));
    EXPECT_THAT(text, HasSubstr(report.data.hash));
    EXPECT_THAT(text, HasSubstr("GPTQ beside plain rounding"));
    if (const char* folder = std::getenv("TERSOR_REPORTS"))
      std::ofstream(std::filesystem::path(folder) / name, std::ios::binary) << page;
  }
}

// Nothing but the file itself: no script, nothing to load, nothing that reacts.
TEST(ReportHtml, IsSelfContained) {
  const std::string page = to_html(moe_example());
  for (const PageElement& e : PageReader::read(page)) {
    EXPECT_THAT(
        (std::set<std::string>{"script", "link", "img", "image", "iframe", "object", "use", "a", "base"}),
        Not(::testing::Contains(e.name)));
    for (const auto& [name, value] : e.attributes) {
      EXPECT_FALSE(name.starts_with("on") || name == "href" || name == "src" || name == "style") << name;
    }
    if (e.name != "style") continue;
    EXPECT_THAT(e.text, Not(HasSubstr("url(")));
    EXPECT_THAT(e.text, Not(HasSubstr("@import")));
  }
}

// Each text of the report in turn is what a hostile file may hold.
TEST(ReportHtml, HostileTextsStayText) {
  const std::string hostile =
      "</title></style><script>alert(1)</script>\" onload=\"x' <!-- ]]> & &amp; "
      "\xff\xc0\x80\x01\x1b[31m\u202e\u2028";
  const std::string shown_start = "</title></style><script>alert(1)</scrip";
  for (const CompressionReport& base : {dense_example(), moe_example()}) {
    CompressionReport r = base;
    for (std::string* text : {&r.model, &r.output, &r.method, &r.recipe, &r.data.description, &r.data.hash})
      *text = hostile;
    r.notes = {hostile};
    r.facts = {{hostile, hostile}};
    for (size_t i = 0; i < r.linears.size(); ++i) {
      LinearReport& l = r.linears[i];
      l.module = std::to_string(i) + hostile;
      l.module_class = hostile + (i % 3 == 0 ? "a" : "b");
      l.scheme = hostile;
    }
    for (PhaseTime& p : r.phases) p.name = hostile;
    for (SizePart& p : r.sizes) p.name = hostile;

    const std::string page = to_html(r);
    const std::vector<PageElement> elements = PageReader::read(page);
    EXPECT_THAT(page, Not(HasSubstr("<script")));
    EXPECT_THAT(page, Not(HasSubstr("\u202e")));
    const std::vector<PageElement> expected = PageReader::read(to_html(base));
    std::set<std::string> names, expected_names;
    for (const PageElement& e : elements) names.insert(e.name);
    for (const PageElement& e : expected) expected_names.insert(e.name);
    EXPECT_THAT(expected_names, ::testing::IsSupersetOf(names));
    for (const PageElement& e : elements) {
      EXPECT_FALSE(e.attributes.contains("onload"));
      if (e.name != "h1" && e.name != "pre" && e.name != "li") continue;
      EXPECT_THAT(e.text, HasSubstr(shown_start));
      EXPECT_THAT(e.text, HasSubstr("\\x01\\x1B[31m\\u202E\\u2028"));
    }
  }
}

TEST(ReportHtml, LeavesOutWhatIsNotThere) {
  CompressionReport r;
  r.model = "m";
  const std::string text = all_text(PageReader::read(to_html(r)));
  for (const char* absent : {"Error by layer", "beside", "Where", "Expert", "Module classes", "Size", "Time",
                             "The run", "Recipe", "nan", "inf"})
    EXPECT_THAT(text, Not(HasSubstr(absent)));

  // Rounding alone: weight errors, nothing to compare.
  r.linears = {{"a.0.q", 0, "q", "W8A16", LinearReport::kUnknown, LinearReport::kUnknown, 0.01, 0},
               {"a.1.q", 1, "q", "W8A16", LinearReport::kUnknown, LinearReport::kUnknown, 0.02, 0}};
  const std::string rounded = all_text(PageReader::read(to_html(r)));
  EXPECT_THAT(rounded, HasSubstr("Weight error"));
  EXPECT_THAT(rounded, HasSubstr("1.5 %"));
  EXPECT_THAT(rounded, Not(HasSubstr("beside plain rounding")));
  EXPECT_THAT(rounded, Not(HasSubstr("nan")));
}

// Values that have no place on a logarithmic axis, alone and among others.
TEST(ReportHtml, StrangeNumbers) {
  std::mt19937 random(3);
  const std::vector<double> values = {
      0, -1, LinearReport::kUnknown, kInfinity, -kInfinity, 1e-310, 1e-300, 1e300, 1e308, 0.01, 0.02, 5};
  for (int round = 0; round < 300; ++round) {
    CompressionReport r;
    r.model = "m";
    const auto pick = [&] { return values[random() % values.size()]; };
    for (size_t i = 0, n = random() % 9; i < n; ++i) {
      LinearReport l;
      l.module_class = std::string(1, static_cast<char>('a' + random() % 3));
      l.layer = random() % 2 == 0 ? static_cast<int64_t>(random() % 3) - 1
                                  : std::numeric_limits<int64_t>::max() - static_cast<int64_t>(random() % 3);
      l.output_error = pick();
      l.rounding_error = pick();
      l.weight_error = pick();
      r.linears.push_back(l);
    }
    for (size_t i = 0, n = random() % 3; i < n; ++i) {
      ExpertTokens e{static_cast<int64_t>(i), {}};
      for (size_t k = 0, m = random() % 4; k < m; ++k)
        e.tokens.push_back(random() % 2 == 0 ? 0 : ~uint64_t{0} >> random() % 64);
      r.experts.push_back(e);
    }
    for (size_t i = 0, n = random() % 3; i < n; ++i) r.phases.push_back({"p", pick()});
    r.seconds = pick();
    r.output_bytes = random() % 2;
    const std::string page = to_html(r);
    const std::vector<PageElement> elements = PageReader::read(page);
    for (const PageElement& e : elements) {
      for (const char* name : {"d", "x", "y", "cx", "cy", "width", "height", "viewBox"}) {
        const auto at = e.attributes.find(name);
        if (at == e.attributes.end()) continue;
        EXPECT_THAT(at->second, Not(HasSubstr("nan")));
        EXPECT_THAT(at->second, Not(HasSubstr("inf")));
      }
    }
    EXPECT_THAT(all_text(elements), Not(HasSubstr("nan"))) << page;
  }
}

// A file made to cost: every module a class and a layer of its own, names of 10 kB, layers of many experts.
TEST(ReportHtml, SizeIsBounded) {
  CompressionReport r;
  r.model = "m";
  for (int64_t i = 0; i < 3000; ++i) {
    LinearReport l;
    l.module_class = std::to_string(i) + std::string(10'000, '<');
    l.layer = i;
    l.output_error = l.rounding_error = 0.1;
    r.linears.push_back(std::move(l));
    r.experts.push_back({i, std::vector<uint64_t>(300, 1)});
  }
  EXPECT_LT(to_html(r).size(), 60'000'000u);
}

TEST(ReportHtml, GapsBreakLines) {
  CompressionReport r;
  r.model = "m";
  const std::vector<double> errors = {0.1, 0.2, 0, 0.3, LinearReport::kUnknown, 0.1, 0.2, 0.3};
  for (size_t i = 0; i < errors.size(); ++i) {
    LinearReport l;
    l.layer = static_cast<int64_t>(i);
    l.module_class = "q";
    l.output_error = errors[i];
    r.linears.push_back(l);
  }
  const std::vector<PageElement> page = PageReader::read(to_html(r));
  const std::vector<PageElement> lines = with_class(page, "line");
  ASSERT_EQ(lines.size(), 1u);
  const std::string& path = lines[0].attributes.at("d");
  EXPECT_EQ(std::count(path.begin(), path.end(), 'M'), 2);
  EXPECT_EQ(std::count(path.begin(), path.end(), 'L'), 3);
  size_t dots = 0;
  for (const PageElement& e : page) dots += e.name == "circle";
  EXPECT_EQ(dots, 1u);
  // Larger errors stand higher, equal ones equally high: 0.1 opens the first piece and the second.
  double y[5] = {};
  double x[5] = {};
  ASSERT_EQ(std::sscanf(path.c_str(), "M%lf %lfL%lf %lfM%lf %lfL%lf %lfL%lf %lf", x, y, x + 1, y + 1, x + 2,
                        y + 2, x + 3, y + 3, x + 4, y + 4),
            10);
  EXPECT_EQ(y[0], y[2]);
  EXPECT_EQ(y[1], y[3]);
  EXPECT_GT(y[0], y[1]);
  EXPECT_GT(y[1], y[4]);
  // A logarithmic axis: log 2 from 0.1 to 0.2; log 1.5 on to 0.3. Coordinates are rounded to 0.1.
  EXPECT_NEAR((y[1] - y[4]) / (y[0] - y[1]), std::log(1.5) / std::log(2), 0.01);
}

TEST(ReportHtml, ExpertsWithoutTokensStandOut) {
  const CompressionReport r = moe_example();
  const std::vector<PageElement> page = PageReader::read(to_html(r));
  std::vector<std::string> alarms;
  for (size_t i = 0; i + 1 < page.size(); ++i) {
    const auto at = page[i].attributes.find("class");
    if (at != page[i].attributes.end() && at->second == "alarm" && page[i + 1].name == "title")
      alarms.push_back(page[i + 1].text);
  }
  EXPECT_THAT(alarms, ::testing::ElementsAre("layer 3, expert 17: 0 tokens", "layer 3, expert 40: 0 tokens"));
  EXPECT_THAT(all_text(page), HasSubstr("2 of 1,024 experts saw none."));
}

TEST(ReportHtml, SummaryMeansAndWorst) {
  CompressionReport r;
  const double nan = LinearReport::kUnknown;
  r.linears = {{"l0.a", 0, "a", "S", 0.1, 0.2, 0.5, 10},
               {"l0.b", 0, "b", "S", 0.4, nan, 0.5, 20},
               {"l2.a1", 2, "a", "T", 0.3, 0.4, 0.5, 5},
               {"l2.a2", 2, "a", "S", 0.5, 0.4, 0.5, 7},
               {"head", -1, "head", "S", nan, 0.3, 0.5, 9}};
  const html::Summary s = html::summarize(r);
  EXPECT_TRUE(s.is_output);
  EXPECT_THAT(s.layers, ::testing::ElementsAre(0, 2));
  ASSERT_EQ(s.classes.size(), 3u);
  EXPECT_EQ(s.classes[0].name, "a");
  EXPECT_EQ(s.classes[0].modules, 3u);
  EXPECT_EQ(s.classes[0].scheme, "S …");
  EXPECT_EQ(s.classes[0].worst->module, "l2.a2");
  EXPECT_EQ(s.classes[0].least_tokens, 5u);
  EXPECT_THAT(s.classes[0].by_layer,
              ::testing::ElementsAre(::testing::DoubleEq(0.1), ::testing::DoubleEq(0.4)));
  EXPECT_TRUE(std::isnan(s.classes[1].by_layer[1]));
  EXPECT_EQ(s.classes[2].worst, nullptr);
  EXPECT_DOUBLE_EQ(s.error.value(), (0.1 + 0.4 + 0.3 + 0.5) / 4);
  EXPECT_DOUBLE_EQ(s.comparison.change(), 0.9 / 1.0 - 1);  // of those where both are known
}

TEST(Markup, EveryCodePointIsSafe) {
  for (uint32_t c = 0; c < 0x110000; ++c) {
    if (c >= 0xD800 && c < 0xE000) continue;
    const std::string shown = html::escaped(to_utf8(c));
    if (c < 0x80 || c % 0x101 == 0) {
      EXPECT_NO_THROW(PageReader::read("<!DOCTYPE html>\n<p title=\"" + shown + "\">" + shown + "</p>")) << c;
    }
    ASSERT_FALSE(shown.empty());
    const bool plain = (c >= 0x20 && c < 0x7F &&
                        std::string_view("&<>\"'").find(static_cast<char>(c)) == std::string_view::npos);
    if (plain) {
      ASSERT_EQ(shown, std::string(1, static_cast<char>(c)));
    }
  }
  EXPECT_EQ(html::escaped("a\nb\tc"), "a\\x0Ab\\x09c");
  EXPECT_EQ(html::escaped_lines("a\r\nb\tc\rd"), "a\nb\tc\\x0Dd");
  EXPECT_EQ(html::escaped("äöü<", 3), "äöü…");
  EXPECT_EQ(html::escaped("äöü", 3), "äöü");
  EXPECT_EQ(html::escaped("a\xffz"), "a\uFFFDz");
}

TEST(Axis, TicksAreWithinAndRising) {
  std::mt19937 random(5);
  std::uniform_real_distribution<double> exponent(-12, 3), width(0.02, 14);
  for (int round = 0; round < 5000; ++round) {
    html::Range range;
    const double low = std::pow(10, exponent(random));
    range.add(low);
    range.add(low * std::pow(10, width(random)));
    const std::vector<double> ticks = html::log_ticks(range);
    EXPECT_GE(ticks.size(), 3u) << range.low << " " << range.high;
    EXPECT_LE(ticks.size(), 10u) << range.low << " " << range.high;
    for (size_t i = 0; i < ticks.size(); ++i) {
      EXPECT_GE(ticks[i], range.low * (1 - 1e-12));
      EXPECT_LE(ticks[i], range.high * (1 + 1e-12));
      EXPECT_TRUE(i == 0 || ticks[i] > ticks[i - 1]);
    }
  }
  html::Range one;
  one.add(0.3);
  EXPECT_LT(one.padded().low, 0.3);
  EXPECT_GT(one.padded().high, 0.3);
  EXPECT_TRUE(html::log_ticks({}).empty());
}

TEST(Axis, LabelStep) {
  EXPECT_EQ(html::label_step(16, 16), 1u);
  EXPECT_EQ(html::label_step(17, 16), 2u);
  EXPECT_EQ(html::label_step(80, 16), 5u);
  EXPECT_EQ(html::label_step(384, 28), 20u);
  EXPECT_EQ(html::label_step(0, 0), 1u);
}

}  // namespace
}  // namespace tersor
