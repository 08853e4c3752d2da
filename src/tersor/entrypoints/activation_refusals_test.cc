// Activations that calibration cannot give scales to are refused in the plan, each with its reason.
#include <string>

#include "temp_folder.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tersor/base/error.h"
#include "tersor/entrypoints/plan.h"
#include "tersor/io/file.h"

namespace tersor {
namespace {

// The refusal of models/tiny with the FP8 weights and these parts beside them.
std::string refusal(const std::string& parts, const std::string& more = "") {
  const TempFolder folder;
  write_file_atomically(
      folder / "recipe.yaml",
      "a_stage:\n  b_modifiers:\n    QuantizationModifier:\n      ignore: [lm_head]\n" + more +
          "      config_groups:\n        g: {targets: [Linear], weights: {num_bits: 8, type: "
          "float, strategy: tensor}" +
          parts + "}\n");
  CompressionRequest request;
  request.model = std::string(TERSOR_SOURCE_DIR) + "/models/tiny";
  request.recipe_file = folder / "recipe.yaml";
  try {
    plan(request);
  } catch (const Error& e) {
    EXPECT_FALSE(e.help().empty());
    return e.what();
  }
  return "";
}

TEST(ActivationRefusals, SayWhatCannotBeMeasured) {
  const std::string fp8 = "{num_bits: 8, type: float, strategy: tensor";
  EXPECT_EQ(refusal(", input_activations: " + fp8 + ", observer: mse}"), "");
  EXPECT_THAT(refusal(", input_activations: " + fp8 + ", observer: imatrix_mse}"),
              testing::HasSubstr("the input activations of `Linear`: the observer `imatrix_mse` cannot"));
  EXPECT_THAT(refusal(", input_activations: " + fp8 + ", observer: mse, observer_kwargs: {grd: 3}}"),
              testing::HasSubstr("the observer `mse` has no argument `grd`"));
  EXPECT_THAT(refusal(", output_activations: " + fp8 + "}"),
              testing::HasSubstr("scales of the output activations of `Linear` cannot be calibrated"));
  EXPECT_THAT(refusal("", "      kv_cache_scheme: " + fp8 + ", observer: imatrix_mse}\n"),
              testing::HasSubstr("kv_cache_scheme: the observer `imatrix_mse` cannot measure"));
  EXPECT_EQ(refusal("", "      kv_cache_scheme: " + fp8 + ", observer: mse}\n"), "");
}

}  // namespace
}  // namespace tersor
