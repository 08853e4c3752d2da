#include "tersor/cli/run.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <exception>
#include <filesystem>
#include <memory>
#include <optional>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "tersor/base/error.h"
#include "tersor/base/text.h"
#include "tersor/base/version.h"
#include "tersor/cli/arguments.h"
#include "tersor/cli/interrupts.h"
#include "tersor/cli/printing.h"
#include "tersor/cli/progress_line.h"

namespace tersor {
namespace {

constexpr int kDone = 0;

// What cannot be written is found by require_written(): no message may end a run that goes well.
void write(std::FILE* to, std::string_view text) { std::fwrite(text.data(), 1, text.size(), to); }

void print(const std::string& text) {
  write(stdout, text);
  if (!text.ends_with('\n')) write(stdout, "\n");
}

// Text with names out of files, which may hold what a terminal would obey.
void print_safely(const std::string& text) { print(without_controls(text)); }

// A report as JSON, whose strings have their escapes, or as text.
void print_report(const auto& report, bool json) {
  json ? print(to_json(report)) : print_safely(to_text(report));
}

// Text of a model, as it comes.
void stream(std::string_view text) {
  write(stdout, text);
  std::fflush(stdout);
}

// Throws when something that was printed has not arrived (a full disk behind `>`).
void require_written(std::FILE* file, const std::string& name) {
  if (std::fflush(file) != 0 || std::ferror(file) != 0)
    throw runtime_error(fmt::format("cannot write to {}: {}", name, std::strerror(errno)));
}

// One JSON object per line: {"event": …, "<event>": {…}}.
class JsonLog {
 public:
  explicit JsonLog(const std::string& path) : path_(path) {
    if (path.empty()) return;
    file_.reset(std::fopen(path.c_str(), "w"));
    if (!file_) throw runtime_error(fmt::format("cannot write the log {}", path), "check `--log-json`");
  }
  bool is_open() const { return file_ != nullptr; }
  void add(std::string_view event, std::string json) {
    if (!file_) return;
    std::erase(json, '\n');  // text inside the JSON has its line ends escaped
    write(file_.get(), fmt::format("{{\"event\": \"{}\", \"{}\": {}}}\n", event, event, json));
    require_written(file_.get(), path_);
  }

 private:
  struct Close {
    void operator()(std::FILE* f) const { std::fclose(f); }
  };
  const std::string path_;
  std::unique_ptr<std::FILE, Close> file_;
};

// What the result says, as far as a few words show it.
void print_sample(const std::string& model, const std::string& prompt, size_t threads, JsonLog& log) {
  constexpr size_t kTokens = 40;
  GenerateRequest request;
  request.model = model;
  request.prompt = prompt;
  request.max_new_tokens = kTokens;
  request.threads = threads;
  stream("\n" + prompt);
  const GenerateReport report = generate(request, {.text = stream, .warn = {}});
  print("\n");
  log.add("sample", to_json(report));
}

// On stderr: the text on stdout stays the model's alone.
void print_warning(const std::string& warning) {
  write(stderr, without_controls(fmt::format("warning: {}\n", warning)));
}

int run_compress(const Arguments& args) {
  if (args.sample) check_runnable(args.request.model);  // rather than after the work
  JsonLog log(args.log_json);
  ProgressLine line;
  std::optional<SayHowToGoOn> begun;
  OneshotOptions options{.output = args.output,
                         .overwrite = args.overwrite,
                         .planned = {},
                         .progress = {},
                         .notice = {},
                         .reports = args.reports};
  options.notice = [&](const std::string& note) {
    log.add("notice", to_json(note));
    if (!args.quiet) print_warning(note);
  };
  options.planned = [&](const PlanReport& report) {
    log.add("plan", to_json(report));
    if (!args.quiet) print_safely(to_text(report));
    std::fflush(stdout);
    begun.emplace();
  };
  options.progress = [&](const RunProgress& p) {
    if (!args.quiet) line.show(p);
    if (!log.is_open()) return;
    log.add("progress", to_json(p, resident_bytes()));
  };
  const CompressionSummary summary = oneshot(args.request, options);
  begun.reset();
  line.clear();
  log.add("summary", to_json(summary));
  if (!args.quiet) print_safely("\n" + to_text(summary));
  if (args.sample) print_sample(args.output, *args.sample, args.request.threads, log);
  return kDone;
}

int run_plan(const Arguments& args) {
  const PlanReport report = plan(args.request);
  print_report(report, args.json);
  const bool allowed = args.request.allow_unloadable && report.writable;
  return report.loadable || allowed ? kDone : static_cast<int>(ErrorCode::kPlanRefused);
}

int run_inspect(const Arguments& args) {
  const InspectReport report = inspect(args.folder);
  print_report(report, args.json);
  return kDone;
}

int run_verify(const Arguments& args) {
  const VerifyReport report = verify(args.folder, args.reference, args.request.threads);
  if (args.json || !args.quiet || !report.failures.empty()) print_report(report, args.json);
  return report.failures.empty() ? kDone : static_cast<int>(ErrorCode::kRuntime);
}

int run_generate(const Arguments& args) {
  GenerateOptions options{.text = {}, .warn = print_warning};
  if (!args.json) options.text = stream;
  const GenerateReport report = generate(args.generate, options);
  if (args.json) {
    print(to_json(report));
    return kDone;
  }
  print("\n");
  if (!args.quiet) write(stderr, to_text(report));
  return kDone;
}

int run_eval(const Arguments& args) {
  ProgressLine line;
  EvaluateOptions options{.progress = {}, .warn = print_warning};
  if (!args.quiet) {
    options.progress = [&](double share, double seconds) { line.show("evaluating", share, seconds); };
  }
  const EvaluateReport report = evaluate(args.eval, options);
  line.clear();
  print_report(report, args.json);
  return kDone;
}

std::string read_stdin() {
  std::string text;
  char buffer[1 << 16];
  while (const size_t n = std::fread(buffer, 1, sizeof(buffer), stdin)) text.append(buffer, n);
  if (std::ferror(stdin) != 0) throw runtime_error("cannot read the standard input");
  return text;
}

int run_tokenize(const Arguments& args) {
  TokenizeRequest request = args.tokenize;
  if (args.text_from_stdin) request.text = read_stdin();
  const TokenizeReport report = tokenize(request);
  if (args.json) {
    print(to_json(report));
  } else {
    print(request.decode ? report.text : fmt::format("{}", fmt::join(report.ids, " ")));
  }
  return kDone;
}

int dispatch(const Arguments& args) {
  switch (args.command) {
    case Command::kCompress:
      return run_compress(args);
    case Command::kPlan:
      return run_plan(args);
    case Command::kInspect:
      return run_inspect(args);
    case Command::kVerify:
      return run_verify(args);
    case Command::kGenerate:
      return run_generate(args);
    case Command::kEval:
      return run_eval(args);
    case Command::kTokenize:
      return run_tokenize(args);
    case Command::kVersion:
      print(args.verbose ? to_text(about()) : fmt::format("tersor {}", version()));
      return kDone;
    case Command::kNone:
      break;
  }
  return static_cast<int>(ErrorCode::kUsage);
}

}  // namespace

int run(int argc, const char* const* argv) {
  try {
    std::string help;
    const Arguments args = parse_arguments(argc, argv, help);
    if (!help.empty()) print(help);
    const int status = help.empty() ? dispatch(args) : kDone;
    require_written(stdout, "the standard output");
    return status;
  } catch (const Error& e) {
    std::fflush(stdout);
    write(stderr, without_controls(to_text(e)));
    return static_cast<int>(e.code());
  } catch (const std::bad_alloc&) {
    write(stderr, "error: out of memory\nhelp: use fewer threads: `--threads 1`\n");
    return static_cast<int>(ErrorCode::kRuntime);
  } catch (const std::filesystem::filesystem_error& e) {  // a name too long, a current folder that is gone
    const std::string path = e.path1().empty() ? "the current folder" : e.path1().string();
    write(stderr, without_controls(fmt::format("error: cannot look at {}: {}\n", path, e.code().message())));
    return static_cast<int>(ErrorCode::kRuntime);
  } catch (const std::exception& e) {
    write(
        stderr,
        fmt::format(
            "error: {}\nhelp: this is a defect of tersor; please report it with the command that shows it\n",
            e.what()));
    return static_cast<int>(ErrorCode::kRuntime);
  }
}

}  // namespace tersor
