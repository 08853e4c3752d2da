#include "tersor/entrypoints/session.h"

#include <algorithm>
#include <array>
#include <filesystem>

#include <fmt/format.h>

#include "tersor/base/error.h"
#include "tersor/modeling/read_model_config.h"
#include "tersor/parallel/thread_pool.h"

namespace tersor {
namespace {

Recipe recipe_of(const CompressionRequest& request) {
  const bool flags = !request.scheme.empty() || !request.kv_cache_scheme.empty();
  if (request.recipe_file.empty() != flags) {
    throw usage_error(!flags ? "nothing says how to compress: a recipe or a scheme is needed"
                             : "a recipe and a scheme were both given",
                      "give one of `--recipe FILE` and `--scheme NAME` (such as FP8_DYNAMIC or W4A16)");
  }
  Recipe recipe;
  if (!request.recipe_file.empty()) {
    if (!request.targets.empty() || !request.ignore.empty() || !request.observer.empty() ||
        !request.method.empty() || !request.kv_cache_scheme.empty() || request.asymmetric_calibration ||
        request.positive_scales) {
      throw usage_error(
          "`--targets`, `--ignore`, `--observer`, `--method`, `--asymmetric-calibration`, "
          "`--positive-scales` and `--kv-cache` belong to `--scheme`, not to `--recipe`",
          "write them into the recipe");
    }
    std::error_code error;
    if (!std::filesystem::exists(request.recipe_file, error))
      throw usage_error("there is no recipe " + request.recipe_file, "check the path given to `--recipe`");
    recipe = read_recipe_file(request.recipe_file);
  } else {
    recipe = recipe_from_flags({.scheme = request.scheme,
                                .targets = request.targets,
                                .ignore = request.ignore,
                                .observer = request.observer,
                                .kv_cache_scheme = request.kv_cache_scheme,
                                .method = request.method,
                                .asymmetric_calibration = request.asymmetric_calibration,
                                .positive_scales = request.positive_scales});
  }
  if (request.group_size || request.block_structure) {
    apply_overrides(recipe, {.group_size = request.group_size, .block_structure = request.block_structure});
  }
  return recipe;
}

// What is asked for and could have no effect is told.
void check_all_experts(const Session& session) {
  if (!session.calibration.calibrate_all_experts) return;
  const std::string config = (session.checkpoint.folder / "config.json").string();
  if (!session.plan.calibration) {
    throw usage_error("`--calibrate-all-experts` was given, but the recipe needs no calibration data",
                      "take the flag away, or use a method that looks at activations (`--method gptq`)");
  }
  const ModelConfig model = read_model_config(session.checkpoint.config, config);
  if (std::ranges::any_of(model.layers, &LayerConfig::moe)) return;
  throw usage_error(
      fmt::format("`--calibrate-all-experts` was given, but {} describes a model without routed experts",
                  config),
      "take the flag away: every token passes every linear of this model");
}

// Asymmetric calibration compares every input with the source model's, where errors are passed on.
void check_asymmetric_calibration(const Session& session) {
  if (!session.plan.calibration || !session.plan.calibration->source_stream) return;
  if (!session.calibration.propagate_error) {
    throw usage_error(
        "asymmetric calibration and `--no-propagate-error` exclude each other: without errors in the inputs "
        "there is nothing that it could make up for",
        "take one of them away");
  }
  if (session.calibration.sequential_scope != "stage") {
    throw usage_error(
        "asymmetric calibration compares every input with the source model's as soon as it is known, which "
        "`--sequential-scope layer` does not",
        "use `--sequential-scope stage`, which is the default");
  }
}

}  // namespace

Session open_session(const CompressionRequest& request) {
  constexpr std::array kReaders = {"any", "all", "vllm", "transformers"};
  if (std::ranges::find(kReaders, request.reader) == kReaders.end())
    throw usage_error("`" + request.reader + "` is no reader", "one of `any`, `all`, `vllm`, `transformers`");
  Session session;
  // A tensor-parallel size is a matter of vLLM: who gives one means to serve with it.
  session.reader = request.reader == "any" && request.tensor_parallel > 1 ? "vllm" : request.reader;
  session.recipe = recipe_of(request);  // first: a misspelt recipe is told before a thousand headers are read
  session.checkpoint = open_checkpoint(request.model);
  session.plan = make_plan(session.checkpoint, session.recipe, {.tensor_parallel = request.tensor_parallel});
  session.calibration = request.calibration;
  check_all_experts(session);
  check_asymmetric_calibration(session);
  session.threads = request.threads == 0 ? available_cpus() : request.threads;
  return session;
}

}  // namespace tersor
