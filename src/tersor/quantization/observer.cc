#include "tersor/quantization/observer.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include <fmt/format.h>

#include "tersor/base/error.h"
#include "tersor/base/text.h"

namespace tersor {
namespace {

constexpr std::array<std::string_view, 5> kObservers = {"memoryless_minmax", "static_minmax", "minmax",
                                                        "memoryless_mse", "mse"};
constexpr std::string_view kImatrix = "imatrix_mse";

bool is_mse(std::string_view observer) {
  return observer == "memoryless_mse" || observer == "mse" || observer == "imatrix_mse";
}

// An argument of an observer and the values that it can have.
struct Argument {
  std::string_view name;
  bool of_minmax;  // else of the mse observers
  double least;
  double most;
  bool whole;
  std::string_view range;  // in words
};

// Above 10,000 steps, and outside norms 1 to 4, nothing is gained and the error sums lose their accuracy.
constexpr Argument kArguments[] = {
    {"averaging_constant", true, 0, 1, false, "0 to 1"},  // of moving averages: weights are observed once
    {"averaging_constant", false, 0, 1, false, "0 to 1"},
    {"maxshrink", false, 0, 1, false, "0 to 1"},
    {"grid", false, 1, 10'000, true, "a whole number from 1 to 10000"},
    {"patience", false, 1, 10'000, true, "a whole number from 1 to 10000"},
    {"norm", false, 1, 4, false, "1 to 4"},
    {"expand", false, 1, 1, false, "1"},
    {"strict", false, 0, 1, true,
     "true or false"},  // imatrix_mse: without data there is an error here in any case
    {"triton_error_buffer", false, 0, 1e9, false, "0 or more"},  // of the reference's GPU kernel
};

void validate_argument(const std::string& observer, const std::string& name, double value,
                       const std::string& where) {
  std::vector<std::string> names;
  for (const Argument& argument : kArguments) {
    if (argument.of_minmax == is_mse(observer)) continue;
    names.emplace_back(argument.name);
    if (argument.name != name) continue;
    if (value >= argument.least && value <= argument.most && (!argument.whole || value == std::floor(value)))
      return;
    throw usage_error(fmt::format("{}: observer_kwargs.{} is {}, but the observer `{}` takes {}", where, name,
                                  value, observer, argument.range),
                      "leave it out for the default");
  }
  throw usage_error(fmt::format("{}: the observer `{}` has no argument `{}`", where, observer, name),
                    fmt::format("its arguments are {}", quoted_list(names, "and")));
}

}  // namespace

std::optional<MseGrid> mse_grid(const QuantizationArgs& args) {
  if (!args.observer || !is_mse(*args.observer)) return std::nullopt;
  auto value = [&](const char* name, double otherwise) {
    const auto found = args.observer_kwargs.find(name);
    return found == args.observer_kwargs.end() ? otherwise : found->second;
  };
  MseGrid grid;
  // Weighed by Σ x_j², squares are the error of the output; with many candidates, as GPTQ's result depends on
  // the scale most (docs/accuracy.md).
  if (args.observer == kImatrix) grid = {.maxshrink = 0.8, .grid = 100, .norm = 2.0};
  grid.maxshrink = value("maxshrink", grid.maxshrink);
  grid.grid = static_cast<int>(value("grid", grid.grid));
  grid.norm = value("norm", grid.norm);
  grid.patience = 0;
  return grid;
}

std::span<const std::string_view> weight_observers() { return kObservers; }

void validate_weight_observer(const QuantizationArgs& args, const std::string& where) {
  if (!args.observer) return;
  if (*args.observer != kImatrix &&
      std::find(kObservers.begin(), kObservers.end(), *args.observer) == kObservers.end()) {
    const std::vector<std::string> names(kObservers.begin(), kObservers.end());
    const std::vector<std::string> nearest = nearest_names(*args.observer, names);
    throw usage_error(fmt::format("{}: there is no observer `{}` for weights", where, *args.observer),
                      nearest.empty() ? fmt::format("use {}", quoted_list(names))
                                      : fmt::format("did you mean {}?", quoted_list(nearest)));
  }
  for (const auto& [name, value] : args.observer_kwargs)
    validate_argument(*args.observer, name, value, where);
}

}  // namespace tersor
