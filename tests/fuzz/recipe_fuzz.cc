// Recipes: any bytes give a recipe or an Error, and a recipe written anew reads as the same.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "tersor/base/error.h"
#include "tersor/recipe/recipe.h"
#include "tersor/recipe/recipe_writer.h"

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

void require_same(const tersor::Recipe& a, const tersor::Recipe& b) {
  require(a.modifiers.size() == b.modifiers.size());
  for (size_t i = 0; i < a.modifiers.size(); ++i) {
    const tersor::QuantizationModifier& x = a.modifiers[i].quantization;
    const tersor::QuantizationModifier& y = b.modifiers[i].quantization;
    require(x.groups == y.groups && x.ignore == y.ignore && x.kv_cache_scheme == y.kv_cache_scheme);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tersor;
  Recipe recipe;
  try {
    recipe = parse_recipe(std::string(reinterpret_cast<const char*>(data), size), "fuzz");
  } catch (const Error&) {
    return 0;
  }
  require_same(recipe, parse_recipe(recipe.yaml, "saved"));
  require_same(recipe, parse_recipe(write_recipe(recipe.modifiers), "written"));
  return 0;
}
