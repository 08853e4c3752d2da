#include "tersor/cli/printing.h"

#include <algorithm>
#include <map>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "tersor/base/text.h"
#include "tersor/cli/table.h"

namespace tersor {
namespace {

std::string shape_text(const std::vector<uint64_t>& shape) {
  return shape.empty() ? "-" : fmt::format("[{}]", fmt::join(shape, ", "));
}

std::string percent(double x) { return fmt::format("{:.3f} %", 100 * x); }

std::string ratio(uint64_t before, uint64_t after) {
  return after == 0 ? "" : fmt::format("{:.2f}x", static_cast<double>(before) / static_cast<double>(after));
}

std::string indented(std::string text, std::string_view indent) {
  for (size_t at = text.find('\n'); at != std::string::npos; at = text.find('\n', at + 1))
    text.insert(at + 1, indent);
  return text;
}

std::string note_text(const std::string& note) { return "note: " + one_line(note) + "\n"; }

std::string problem_text(const LoadProblem& p) {
  std::string text = fmt::format("{}: {}: {}\n", p.fatal ? "error" : "note", p.reader, one_line(p.message));
  if (!p.fix.empty()) text += fmt::format("  help: {}\n", p.fix);
  return text;
}

}  // namespace

std::string to_text(const PlanReport& r) {
  std::string out = fmt::format("plan for {}\n\n", r.model);
  Table quantized("<>><>>>");
  quantized.add({"modules", "count", "shape", "scheme", "from", "to", "ratio"});
  Table kept("<>>><");
  kept.add({"stored as they are", "count", "shape", "bytes", "why"});
  for (const ModuleGroup& g : r.groups) {
    if (g.scheme.empty()) {
      kept.add({g.name, format_count(g.count), shape_text(g.shape), format_bytes(g.source_bytes), g.reason});
    } else {
      quantized.add({g.name, format_count(g.count), shape_text(g.shape),
                     fmt::format("{} ({})", g.scheme, g.format), format_bytes(g.source_bytes),
                     r.writable ? format_bytes(g.output_bytes) : "", ratio(g.source_bytes, g.output_bytes)});
    }
  }
  out += quantized.text() + "\n" + kept.text() + "\n";

  Table totals("<<");
  if (!r.writable) {
    totals.add({"source", format_bytes(r.source_bytes)});
    totals.add({"output", "none: groups that do not divide the columns have no layout"});
  } else {
    totals.add({"source", fmt::format("{} in {} shard{}", format_bytes(r.source_bytes), r.shards,
                                      r.shards == 1 ? "" : "s")});
    totals.add({"output", fmt::format("{} ({} bytes, {} tensors): {} of free disk needed",
                                      format_bytes(r.output_bytes), format_count(r.output_bytes),
                                      format_count(r.tensors), format_bytes(r.output_bytes))});
    totals.add({"memory", fmt::format("{} at the peak, with {} thread{}", format_bytes(r.peak_memory),
                                      r.threads, r.threads == 1 ? "" : "s")});
    totals.add({"time", fmt::format("about {} (this CPU's kernels; a disk of {}/s assumed)",
                                    format_seconds(r.seconds),
                                    format_bytes(static_cast<uint64_t>(r.disk_bytes_per_second)))});
  }
  if (r.calibration) {
    const CalibrationPrediction& c = *r.calibration;
    const double tera = 1e-12;
    totals.add(
        {"calibration",
         fmt::format("{} tokens; {:.2f} TFLOP forward, {:.2f} statistics, {:.2f} solving: about {}",
                     format_count(c.tokens), tera * c.forward_operations, tera * c.statistics_operations,
                     tera * c.solve_operations, format_seconds(c.seconds))});
    totals.add(
        {"", fmt::format(
                 "memory: a layer {}, Hessians {}, solving {}, a batch {}, activations {} (to a file where "
                 "--max-memory asks for it)",
                 format_bytes(c.layer_memory), format_bytes(c.hessian_memory), format_bytes(c.solve_memory),
                 format_bytes(c.batch_memory), format_bytes(c.state_memory))});
    totals.add({"", fmt::format("{} of disk more while it runs, so that a killed run goes on",
                                format_bytes(c.disk))});
  }
  out += totals.text();
  for (const std::string& note : r.notes) out += note_text(note);
  for (const std::string& file : r.skipped_files) out += note_text("not carried over: " + file);
  for (const LoadProblem& p : r.problems) out += "\n" + problem_text(p);
  if (!r.loads_in.empty()) out += fmt::format("\nloads in {}\n", fmt::join(r.loads_in, " and "));
  if (!r.fails_in.empty()) out += fmt::format("does NOT load in {}\n", fmt::join(r.fails_in, " and "));
  return out;
}

std::string to_text(const CompressionSummary& s) {
  if (s.already_done) {
    return fmt::format(
        "{} is already done: the same source, recipe and version of tersor made it; nothing was touched "
        "(--overwrite makes it anew)\n",
        s.output);
  }
  const bool measured =
      std::ranges::any_of(s.classes, [](const ClassErrors& c) { return c.output_error > 0; });
  Table table(measured ? "<><>>>><>" : "<><>><>");
  std::vector<std::string> titles = {"quantized", "modules", "scheme", "error", "worst", "in", "zero groups"};
  const auto add_outputs = [&](std::vector<std::string>& row, std::string output, std::string rounding) {
    if (measured) row.insert(row.begin() + 3, {std::move(output), std::move(rounding)});
  };
  add_outputs(titles, "output error", "if rounded");
  table.add(titles);
  for (const ClassErrors& c : s.classes) {
    std::vector<std::string> row = {c.name,
                                    format_count(c.modules),
                                    c.scheme,
                                    percent(c.relative_error),
                                    percent(c.worst_error),
                                    c.worst_module,
                                    format_count(c.zero_groups)};
    const bool has = c.output_error > 0;
    add_outputs(row, has ? percent(c.output_error) : "", has ? percent(c.rounding_output_error) : "");
    table.add(row);
  }
  std::string out = table.text();
  if (s.calibration) {
    const CalibrationReport& c = *s.calibration;
    out += fmt::format("\ncalibrated on {}: {} samples, {} tokens (hash {}); {}\n", c.data,
                       format_count(c.samples), format_count(c.tokens), c.data_hash, c.backend);
    for (const std::string& note : c.notes) out += note_text(note);
    if (c.resumed_layers > 0) out += fmt::format("{} layers were done by an earlier run\n", c.resumed_layers);
  }
  out += fmt::format("\n{}: {} from {} ({}), relative error of all quantized weights {}\n", s.output,
                     format_bytes(s.output_bytes), format_bytes(s.source_bytes),
                     ratio(s.source_bytes, s.output_bytes), percent(s.relative_error));
  out += fmt::format("{}, peak memory {}", format_seconds(s.seconds), format_bytes(s.peak_memory));
  if (s.resumed_bytes > 0) out += fmt::format(", {} done by an earlier run", format_bytes(s.resumed_bytes));
  return out + "\n";
}

std::string to_text(const InspectReport& r) {
  std::string out = fmt::format("{}: {}{}\n\n", r.folder, r.model_type,
                                r.quantization.empty() ? ", not quantized" : ", " + r.quantization);
  Table table("<>>>><");
  table.add({"modules", "count", "shape", "bytes", "ratio", "scheme"});
  for (const TensorClass& c : r.classes) {
    table.add({c.name, format_count(c.modules), c.shape.empty() ? "" : shape_text(c.shape),
               format_bytes(c.bytes), ratio(c.dense_bytes, c.bytes),
               c.scheme.empty() ? "" : fmt::format("{} ({})", c.scheme, c.format)});
  }
  out += table.text();
  return out + fmt::format("\n{} tensors in {} shard{}: {}, {} before compression ({})\n",
                           format_count(r.tensors), r.shards, r.shards == 1 ? "" : "s", format_bytes(r.bytes),
                           format_bytes(r.dense_bytes), ratio(r.dense_bytes, r.bytes));
}

std::string to_text(const VerifyReport& r) {
  std::string out;
  struct Row {
    uint64_t count = 0;
    double least = 1e300, most = 0;
    std::string worst;
  };
  std::map<std::string, Row> schemes;
  for (const TensorCheck& c : r.modules) {
    Row& row = schemes[c.scheme];
    ++row.count;
    row.least = std::min(row.least, c.relative_error);
    if (c.relative_error >= row.most) {
      row.most = c.relative_error;
      row.worst = c.module;
    }
  }
  Table table("<>>><");
  table.add({"scheme", "modules", "least error", "most", "in"});
  for (const auto& [scheme, row] : schemes)
    table.add({scheme, format_count(row.count), percent(row.least), percent(row.most), row.worst});
  if (!r.modules.empty()) out += table.text() + "\n";
  out +=
      fmt::format("{} quantized modules, relative error {}; {} untouched tensors byte-equal\n",
                  format_count(r.modules.size()), percent(r.relative_error), format_count(r.equal_tensors));
  out += "checked: " + r.checks + "\n";
  for (const std::string& note : r.notes) out += note_text(note);
  for (const std::string& failure : r.failures) out += "failed: " + failure + "\n";
  return out + (r.failures.empty() ? "verified\n" : "NOT verified\n");
}

std::string to_text(const GenerateReport& r) {
  std::string out =
      fmt::format("{} token{} after {}", r.ids.size(), r.ids.size() == 1 ? "" : "s", r.prompt_ids.size());
  if (r.tokens_per_second > 0) out += fmt::format(", {:.1f} tokens/s", r.tokens_per_second);
  return out + fmt::format(", loaded in {} ({})\n", format_seconds(r.load_seconds), r.backend);
}

std::string to_text(const EvaluateReport& r) {
  Table table("<<");
  table.add({"perplexity", fmt::format("{:.4f}", r.perplexity)});
  if (r.reference) {
    table.add({"of the reference", fmt::format("{:.4f}", r.reference->perplexity)});
    table.add({"KL divergence", fmt::format("{:.6f} nats per token on average, {:.6f} at the 99th percentile",
                                            r.reference->kl_mean, r.reference->kl_p99)});
    table.add({"same top token", percent(r.reference->top1_agreement)});
  }
  return table.text() + fmt::format("\n{} tokens predicted in {} window{}; {}, peak memory {}\n{}\n",
                                    format_count(r.predicted_tokens), r.windows, r.windows == 1 ? "" : "s",
                                    format_seconds(r.seconds), format_bytes(r.peak_memory), r.backend);
}

std::string to_text(const AboutReport& r) {
  Table table("<<");
  table.add({"CPU", r.cpu});
  table.add({"quantizing", r.kernels});
  table.add({"matrix products", r.matmul});
  table.add({"back end", r.backend});
  return fmt::format("tersor {}\n", r.version) + table.text();
}

std::string to_text(const Error& error) {
  std::string out = fmt::format("error: {}\n", error.what());
  if (!error.help().empty()) out += fmt::format("help: {}\n", indented(error.help(), "      "));
  return out;
}

}  // namespace tersor
