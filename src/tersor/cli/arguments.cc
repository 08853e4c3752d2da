#include "tersor/cli/arguments.h"

#include <charconv>
#include <limits>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "tersor/base/error.h"
#include "tersor/base/text.h"
#include "tersor/base/version.h"

namespace tersor {
namespace {

constexpr const char* kFooter =
    "Exit status: 0 done; 1 the machine failed (disk full, another run on the same folder); 2 the command "
    "line or the\n"
    "recipe is wrong; 3 the checkpoint is broken; 4 the plan is refused: no reader would load its result, or "
    "it\n"
    "needs calibration data.";

// "64,64" or "64x64" → [64, 64].
std::array<int64_t, 2> parse_block(const std::string& text) {
  const size_t comma = text.find_first_of(",x");
  try {
    size_t used_rows = 0, used_columns = 0;
    if (comma != std::string::npos) {
      const std::string rows = text.substr(0, comma), columns = text.substr(comma + 1);
      const std::array<int64_t, 2> block = {std::stoll(rows, &used_rows), std::stoll(columns, &used_columns)};
      if (used_rows == rows.size() && used_columns == columns.size() && block[0] > 0 && block[1] > 0)
        return block;
    }
  } catch (const std::exception&) {  // std::stoll on text that is no number: the same answer as below
  }
  throw usage_error(fmt::format("--block-structure: `{}` is no block", text),
                    "give rows and columns: `--block-structure 64,64`");
}

// Whole numbers from 1 to `most`, and `also`; `what` completes "takes …".
CLI::Validator count(const char* what, int64_t most = std::numeric_limits<int64_t>::max(), int64_t also = 1) {
  return CLI::Validator(
      [what, most, also](const std::string& text) {
        int64_t value = 0;
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
        const bool is_number = error == std::errc() && end == text.data() + text.size();
        if (is_number && ((value >= 1 && value <= most) || value == also)) return std::string();
        return fmt::format("takes {}, not `{}`", what, text);
      },
      "");
}
constexpr const char* kOneOrMore = "a whole number of 1 or more";

// More than any machine has use for, and few enough to be started.
CLI::Validator thread_count() { return count("a whole number from 1 to 1024", 1024); }

struct Raw {
  int64_t group_size = 0;
  std::string block_structure;
  std::string max_memory;
  bool packing = false;
  bool packing_given = false;
  bool no_special_tokens = false;
};

// What runs on data, where the recipe needs that.
void add_calibration(CLI::App* app, CalibrationSettings& c, Raw& raw) {
  app->add_option(
      "--dataset", c.dataset,
      "Calibration data: text, .jsonl, .npy, a folder of them, or a Hub dataset in the local cache [a "
      "built-in text]");
  app->add_option("--text-column", c.text_column,
                  "Column of records that holds text, messages or ids [text]");
  app->add_option("--split", c.split, "Split of a folder or Hub dataset [train]");
  app->add_option("--samples", c.samples, "Calibration samples [128]")->check(count(kOneOrMore));
  app->add_option("--max-seq-length", c.max_seq_length, "Tokens of a sample, at most [2048]")
      ->check(count(kOneOrMore));
  app->add_option("--seed", c.seed, "Of --shuffle [0]");
  app->add_flag("--shuffle", c.shuffle, "Draw the samples from the whole dataset");
  app->add_flag("--packing,!--no-packing", raw.packing,
                "Join documents and cut them into samples of the full length [of text files]")
      ->each([&raw](const std::string&) { raw.packing_given = true; });
  app->add_option(
      "--sequential-scope", c.sequential_scope,
      "Linears are calibrated after all quantized ones before them (stage), or those of earlier layers "
      "(layer) [stage]");
  app->add_flag("!--no-propagate-error", c.propagate_error,
                "Calibrate every layer on the source model's inputs");
  app->add_option("--least-expert-tokens", c.least_expert_tokens,
                  "Round an expert to nearest that fewer calibration tokens reach [32]");
  app->add_flag("--calibrate-all-experts", c.calibrate_all_experts,
                "Calibrate every expert on all tokens, not on those routed to it");
  app->add_option("--dtype", c.dtype,
                  "Of matrix products: f32, bf16, auto [auto: bf16 where the CPU has it]");
  app->add_option("--max-memory", raw.max_memory, "Memory to keep to while calibrating, e.g. 8GiB");
}

void add_request(CLI::App* app, Arguments& args, Raw& raw) {
  CompressionRequest& r = args.request;
  app->add_option("model", r.model, "Checkpoint folder, or a Hub id that is in the local Hugging Face cache")
      ->required();
  app->add_option("--recipe", r.recipe_file, "llm-compressor recipe (YAML or JSON)");
  app->add_option("--scheme", r.scheme,
                  "Preset scheme: FP8_DYNAMIC, FP8_BLOCK, W8A8, W4A16, NVFP4A16, MXFP4, …");
  app->add_option("--targets", r.targets,
                  "Modules that get the scheme: a name, `re:` pattern or class; may be repeated [Linear]")
      ->allow_extra_args(false);
  app->add_option("--ignore", r.ignore,
                  "Modules to leave as they are, e.g. lm_head or 're:.*mlp.gate$'; may be repeated")
      ->allow_extra_args(false);
  app->add_option("--observer", r.observer, "How weight ranges are found: memoryless_minmax, mse");
  app->add_option("--method", r.method, "How weights are rounded: rtn (to nearest) or gptq [rtn]");
  app->add_flag("--asymmetric-calibration", r.asymmetric_calibration,
                "Of gptq: keep to the outputs of the source model's own inputs (GPTAQ)");
  app->add_option("--kv-cache", r.kv_cache_scheme, "Scales for cached keys and values: fp8");
  app->add_option("--group-size", raw.group_size,
                  "Columns that share a scale, instead of the scheme's; -1: the whole row")
      ->check(
          count("a number of columns, or -1 for one scale a row", std::numeric_limits<int64_t>::max(), -1));
  app->add_option("--block-structure", raw.block_structure,
                  "Rows,columns that share a scale, instead of the scheme's");
  app->add_option("--tp", r.tensor_parallel, "Tensor-parallel size that the result will be served with [1]")
      ->check(count(kOneOrMore));
  app->add_option("--reader", r.reader,
                  "Who must load the result: vllm, transformers, all, or any of them [any; with --tp: vllm]");
  app->add_option("--threads", r.threads, "Threads [one per CPU]")->check(thread_count());
  add_calibration(app, r.calibration, raw);
}

void add_runtime(CLI::App* app, std::string& dtype, size_t& threads) {
  app->add_option("--dtype", dtype, "Of matrix products: f32, bf16, auto [auto: bf16 where the CPU has it]");
  app->add_option("--threads", threads, "Threads [one per CPU]")->check(thread_count());
}

CLI::App* add_generate(CLI::App& app, Arguments& args) {
  CLI::App* generate = app.add_subcommand("generate", "Let a model, plain or compressed, go on from a text");
  GenerateRequest& r = args.generate;
  generate->add_option("model", r.model, "Checkpoint folder or Hub id")->required();
  generate->add_option("--prompt", r.prompt, "Text to go on from")->required();
  generate->add_flag("--chat", r.chat,
                     "The prompt is what a user says, or a JSON list of messages: apply the chat template");
  generate->add_option("--max-new-tokens", r.max_new_tokens, "Tokens to make at most [100]");
  generate
      ->add_option("--temperature", r.temperature, "Above 0: sample; 0: the likeliest token each time [0]")
      ->check(CLI::NonNegativeNumber);
  generate->add_option("--top-p", r.top_p,
                       "Sample among the likeliest tokens that together have this probability [1]");
  generate->add_option("--seed", r.seed, "Of sampling [0]");
  generate->add_option("--stop", r.stop, "Text to stop before; may be repeated")->allow_extra_args(false);
  add_runtime(generate, r.dtype, r.threads);
  generate->add_flag("--json", args.json, "Print JSON, at the end");
  generate->add_flag("--quiet", args.quiet, "Print the text only");
  return generate;
}

CLI::App* add_eval(CLI::App& app, Arguments& args, Raw& raw) {
  CLI::App* eval = app.add_subcommand("eval", "Perplexity of a model, plain or compressed, on a text");
  EvaluateRequest& r = args.eval;
  eval->add_option("model", r.model, "Checkpoint folder or Hub id")->required();
  eval->add_option("--text", r.text_file, "File with the text")->required();
  eval->add_option("--reference", r.reference, "Model to compare with: KL divergence and top-1 agreement");
  eval->add_option("--window", r.window, "Tokens that are run together [2048]")->check(count(kOneOrMore));
  eval->add_option("--stride", r.stride,
                   "Tokens from window to window; below the window they overlap [the window]")
      ->check(count(kOneOrMore));
  eval->add_option("--max-memory", raw.max_memory, "Memory to keep to, e.g. 1GiB or 800MB");
  add_runtime(eval, r.dtype, r.threads);
  eval->add_flag("--json", args.json, "Print JSON");
  eval->add_flag("--quiet", args.quiet, "No progress");
  return eval;
}

CLI::App* add_tokenize(CLI::App& app, Arguments& args, Raw& raw) {
  CLI::App* tokenize =
      app.add_subcommand("tokenize", "Show the token ids of a text, or the text of token ids");
  TokenizeRequest& r = args.tokenize;
  tokenize->add_option("model", r.model, "Folder with a tokenizer.json, or Hub id")->required();
  CLI::Option* prompt = tokenize->add_option("--prompt", r.text, "The text [standard input]");
  CLI::Option* file = tokenize->add_option("--text", r.file, "A file with the text")->excludes(prompt);
  CLI::Option* chat = tokenize->add_flag(
      "--chat", r.chat, "Apply the chat template: the text is what a user says, or a JSON list of messages");
  tokenize->add_flag("--decode", r.decode, "The text is token ids: print what they mean")->excludes(chat);
  tokenize
      ->add_flag("--no-special-tokens", raw.no_special_tokens,
                 "Add no special tokens; with --decode, leave them out")
      ->excludes(chat);
  tokenize->add_flag("--json", args.json, "Print JSON: text, ids, tokens");
  tokenize->callback([&args, prompt, file] { args.text_from_stdin = prompt->empty() && file->empty(); });
  return tokenize;
}

// Every flag and command of `app`, for suggestions.
std::vector<std::string> known_words(const CLI::App& app) {
  std::vector<std::string> words;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) words.push_back("--" + name);
  }
  for (const CLI::App* sub : app.get_subcommands(nullptr)) words.push_back(sub->get_name());
  return words;
}

}  // namespace

Arguments parse_arguments(int argc, const char* const* argv, std::string& help) {
  Arguments args;
  Raw raw;
  CLI::App app(
      "Compresses Hugging Face checkpoints into compressed-tensors checkpoints for vLLM and Transformers.",
      "tersor");
  app.footer(kFooter);
  app.require_subcommand(1);
  app.set_version_flag("--version", std::string(version()), "Print the version");

  CLI::App* compress =
      app.add_subcommand("compress", "Compress a checkpoint; goes on where a killed run stopped");
  add_request(compress, args, raw);
  compress->add_option("-o,--output", args.output, "Folder to make")->required();
  compress->add_flag(
      "--allow-unloadable", args.request.allow_unloadable,
      "Write a result that would not load (where a layout exists: groups must divide the columns)");
  compress->add_flag("--overwrite", args.overwrite, "Replace an existing or unfinished output");
  compress->add_flag("--quiet", args.quiet, "Print errors only");
  compress->add_option("--sample", args.sample, "At the end, let the result go on from this text");
  compress
      ->add_option("--report", args.reports,
                   "Write a report: errors by layer, sizes, times, data; FILE.html to look at, FILE.json for "
                   "programs; may be repeated")
      ->allow_extra_args(false);
  compress->add_option("--log-json", args.log_json,
                       "Write the plan, the progress and the summary as JSON lines");

  CLI::App* plan = app.add_subcommand("plan", "Show what compress would do, from headers alone");
  add_request(plan, args, raw);
  plan->add_flag("--json", args.json, "Print JSON");
  plan->add_flag("--allow-unloadable", args.request.allow_unloadable,
                 "Exit with 0 even if the result would not load");

  CLI::App* inspect = app.add_subcommand("inspect", "Show what a checkpoint holds: schemes, shapes, sizes");
  inspect->add_option("folder", args.folder, "Checkpoint folder or Hub id")->required();
  inspect->add_flag("--json", args.json, "Print JSON");

  CLI::App* verify =
      app.add_subcommand("verify", "Read a compressed checkpoint back and compare it with its source");
  verify->add_option("folder", args.folder, "Compressed checkpoint")->required();
  verify->add_option("--reference", args.reference, "The source it was made from")->required();
  verify->add_option("--threads", args.request.threads, "Threads [one per CPU]")->check(thread_count());
  verify->add_flag("--json", args.json, "Print JSON");
  verify->add_flag("--quiet", args.quiet, "Print failures only");

  CLI::App* generate = add_generate(app, args);
  CLI::App* eval = add_eval(app, args, raw);
  CLI::App* tokenize = add_tokenize(app, args, raw);
  CLI::App* version = app.add_subcommand("version", "Print the version");
  version->add_flag("--verbose", args.verbose, "And what this machine computes with");
  for (CLI::App* sub : {compress, plan, inspect, verify, generate, eval, tokenize, version})
    sub->footer(kFooter);

  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    help = app.help();  // of the command, where there is one
    return args;
  } catch (const CLI::CallForVersion&) {
    args.command = Command::kVersion;
    return args;
  } catch (const CLI::ParseError& e) {
    const auto chosen = app.get_subcommands();
    const CLI::App& where = chosen.empty() ? app : *chosen.front();
    std::string hint;
    for (const std::string& word : where.remaining()) {
      if (const auto near = nearest_names(word, known_words(where)); !near.empty())
        hint = fmt::format("did you mean {}? ", quoted_list(near));
    }
    throw usage_error(e.what(), fmt::format("{}`tersor {}--help` lists what there is", hint,
                                            chosen.empty() ? "" : chosen.front()->get_name() + " "));
  }
  const std::string name = app.get_subcommands().front()->get_name();
  args.command = name == "compress"   ? Command::kCompress
                 : name == "plan"     ? Command::kPlan
                 : name == "inspect"  ? Command::kInspect
                 : name == "verify"   ? Command::kVerify
                 : name == "generate" ? Command::kGenerate
                 : name == "eval"     ? Command::kEval
                 : name == "tokenize" ? Command::kTokenize
                                      : Command::kVersion;
  args.tokenize.special_tokens = !raw.no_special_tokens;
  if (raw.packing_given) args.request.calibration.packing = raw.packing;
  if (raw.group_size != 0) args.request.group_size = raw.group_size;
  if (!raw.block_structure.empty()) args.request.block_structure = parse_block(raw.block_structure);
  if (!raw.max_memory.empty()) {
    const auto bytes = parse_bytes(raw.max_memory);
    if (!bytes) {
      throw usage_error(fmt::format("--max-memory: `{}` is no size", raw.max_memory),
                        "give a number and a unit: `--max-memory 1GiB`, `800MB`");
    }
    args.eval.max_memory = *bytes;
    args.request.calibration.max_memory = *bytes;
  }
  return args;
}

}  // namespace tersor
