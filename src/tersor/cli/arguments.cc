#include "tersor/cli/arguments.h"

#include <algorithm>
#include <charconv>
#include <iterator>
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
  CLI::Option* packing = app->add_flag_callback(
      "--packing", [&c] { c.packing = true; },
      "Join documents and cut them into samples of the full length [of text files]");
  app->add_flag_callback(
         "--no-packing", [&c] { c.packing = false; }, "Make a sample of each document [of records]")
      ->excludes(packing);
  app->add_option(
      "--sequential-scope", c.sequential_scope,
      "Linears are calibrated after all quantized ones before them (stage), or those of earlier layers "
      "(layer) [stage]");
  app->add_flag_callback(
      "--no-propagate-error", [&c] { c.propagate_error = false; },
      "Calibrate every layer on the source model's inputs");
  app->add_option("--least-expert-tokens", c.least_expert_tokens,
                  "Round an expert to nearest that fewer calibration tokens reach [32]");
  app->add_flag("--calibrate-all-experts", c.calibrate_all_experts,
                "Calibrate every expert on all tokens, not on those routed to it");
  app->add_option("--dtype", c.dtype,
                  "Of matrix products: f32, bf16, auto [auto: bf16 where the CPU has it]");
  app->add_option("--state-dtype", c.state_dtype,
                  "Of activations that wait for the next layer: bf16, f32 [bf16]");
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
  app->add_option(
      "--observer", r.observer,
      "How weight ranges are found: memoryless_minmax, mse, or imatrix_mse on data [the scheme's own]");
  app->add_option("--method", r.method, "How weights are rounded: rtn (to nearest) or gptq [rtn]");
  app->add_flag("--asymmetric-calibration", r.asymmetric_calibration,
                "Of gptq: keep to the outputs of the source model's own inputs (GPTAQ)");
  app->add_flag("--positive-scales", r.positive_scales,
                "Of gptq: keep the scales of ints positive, for readers that take no others");
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

CLI::App* add_compress(CLI::App& app, Arguments& args, Raw& raw) {
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
  return compress;
}

CLI::App* add_plan(CLI::App& app, Arguments& args, Raw& raw) {
  CLI::App* plan = app.add_subcommand("plan", "Show what compress would do, from headers alone");
  add_request(plan, args, raw);
  plan->add_flag("--json", args.json, "Print JSON");
  plan->add_flag("--allow-unloadable", args.request.allow_unloadable,
                 "Exit with 0 even if the result would not load");
  return plan;
}

CLI::App* add_inspect(CLI::App& app, Arguments& args) {
  CLI::App* inspect = app.add_subcommand("inspect", "Show what a checkpoint holds: schemes, shapes, sizes");
  inspect->add_option("folder", args.folder, "Checkpoint folder or Hub id")->required();
  inspect->add_flag("--json", args.json, "Print JSON");
  return inspect;
}

CLI::App* add_verify(CLI::App& app, Arguments& args) {
  CLI::App* verify =
      app.add_subcommand("verify", "Read a compressed checkpoint back and compare it with its source");
  verify->add_option("folder", args.folder, "Compressed checkpoint")->required();
  verify->add_option("--reference", args.reference, "The source it was made from")->required();
  verify->add_option("--threads", args.request.threads, "Threads [one per CPU]")->check(thread_count());
  verify->add_flag("--json", args.json, "Print JSON");
  verify->add_flag("--quiet", args.quiet, "Print failures only");
  return verify;
}

CLI::App* add_version(CLI::App& app, Arguments& args) {
  CLI::App* version = app.add_subcommand("version", "Print the version");
  version->add_flag("--verbose", args.verbose, "And what this machine computes with");
  return version;
}

// "did you mean `--json`? " for a word that is no flag or command of `app`; empty where none is near. Dashes
// do not count: they would make any two short flags alike.
std::string suggestion(std::string word, const CLI::App& app) {
  std::vector<std::string> flags, commands;
  for (const CLI::Option* option : app.get_options())
    std::ranges::copy(option->get_lnames(), std::back_inserter(flags));
  for (const CLI::App* sub : app.get_subcommands(nullptr)) commands.push_back(sub->get_name());
  word.erase(0, word.find_first_not_of('-'));
  std::vector<std::string> near = nearest_names(word, commands);
  for (const std::string& flag : nearest_names(word, flags)) near.push_back("--" + flag);
  return near.empty() ? "" : fmt::format("did you mean {}? ", quoted_list(near));
}

Error explained(const CLI::ParseError& e, const CLI::App& app) {
  const auto chosen = app.get_subcommands();
  const CLI::App& where = chosen.empty() ? app : *chosen.front();
  std::string hint;
  for (const std::string& word : where.remaining()) {
    if (hint.empty()) hint = suggestion(word, where);
  }
  return usage_error(e.what(), fmt::format("{}`tersor {}--help` lists what there is", hint,
                                           chosen.empty() ? "" : chosen.front()->get_name() + " "));
}

// What the words that CLI11 leaves as text mean.
void interpret(const Raw& raw, Arguments& args) {
  args.tokenize.special_tokens = !raw.no_special_tokens;
  if (raw.group_size != 0) args.request.group_size = raw.group_size;
  if (!raw.block_structure.empty()) args.request.block_structure = parse_block(raw.block_structure);
  if (raw.max_memory.empty()) return;
  const auto bytes = parse_bytes(raw.max_memory);
  if (!bytes) {
    throw usage_error(fmt::format("--max-memory: `{}` is no size", raw.max_memory),
                      "give a number and a unit: `--max-memory 1GiB`, `800MB`");
  }
  args.eval.max_memory = *bytes;
  args.request.calibration.max_memory = *bytes;
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

  const std::array<std::pair<CLI::App*, Command>, 8> commands = {{
      {add_compress(app, args, raw), Command::kCompress},
      {add_plan(app, args, raw), Command::kPlan},
      {add_inspect(app, args), Command::kInspect},
      {add_verify(app, args), Command::kVerify},
      {add_generate(app, args), Command::kGenerate},
      {add_eval(app, args, raw), Command::kEval},
      {add_tokenize(app, args, raw), Command::kTokenize},
      {add_version(app, args), Command::kVersion},
  }};
  for (const auto& [sub, command] : commands) sub->footer(kFooter);

  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    help = app.help();  // of the command, where there is one
    return args;
  } catch (const CLI::CallForVersion&) {
    args.command = Command::kVersion;
    return args;
  } catch (const CLI::ParseError& e) {
    throw explained(e, app);
  }
  for (const auto& [sub, command] : commands) {
    if (sub->parsed()) args.command = command;
  }
  interpret(raw, args);
  return args;
}

}  // namespace tersor
