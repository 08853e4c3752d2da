// Logits of tiny random models of every family against those that Transformers computed (f32).
#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>

#include "guarded_backend.h"
#include <gtest/gtest.h>

#include "tersor/modeling/model.h"

namespace tersor {
namespace {

namespace fs = std::filesystem;

// Both sides sum in f32 or better over a few hundred products per entry; what is left is below 1e-5 of the
// largest logit, and a part that is left out or misplaced is above 1e-2.
constexpr double kTolerance = 1e-4;

struct Golden {
  std::vector<int32_t> ids;
  std::vector<float> logits;  // [ids, vocabulary]
};

Golden read_golden(const fs::path& folder) {
  const auto source = open_file_source(folder / "golden.safetensors");
  const SafetensorsHeader header = read_safetensors_header(*source);
  Golden golden;
  for (const TensorInfo& info : header.tensors) {
    std::vector<std::byte> bytes(info.bytes());
    source->read_at(info.begin, bytes);
    if (info.name == "ids") {
      const auto* ids = reinterpret_cast<const int64_t*>(bytes.data());
      for (size_t i = 0; i < bytes.size() / sizeof(int64_t); ++i)
        golden.ids.push_back(static_cast<int32_t>(ids[i]));
    } else {
      golden.logits.resize(bytes.size() / sizeof(float));
      std::memcpy(golden.logits.data(), bytes.data(), bytes.size());
    }
  }
  return golden;
}

std::vector<float> to_host(Backend& backend, const DeviceTensor& tensor) {
  std::vector<float> values(tensor.size());
  backend.copy_out(tensor, values.data());
  return values;
}

// Largest difference relative to the largest expected value.
double relative_difference(std::span<const float> got, std::span<const float> expected) {
  double difference = 0, largest = 0;
  for (size_t i = 0; i < expected.size(); ++i) {
    const double d = std::abs(double{got[i]} - expected[i]);
    if (!(d <= difference)) difference = d;
    largest = std::max(largest, std::abs(double{expected[i]}));
  }
  return difference / largest;
}

fs::path golden_folder() { return fs::path(TERSOR_SOURCE_DIR) / "tests/modeling/golden"; }

std::vector<std::string> families() {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(golden_folder())) names.push_back(entry.path().filename());
  std::sort(names.begin(), names.end());
  return names;
}

using BackendMaker = std::unique_ptr<Backend> (*)();
struct NamedBackend {
  const char* name;
  BackendMaker make;
};

class GoldenTest : public ::testing::TestWithParam<std::tuple<std::string, NamedBackend>> {
 protected:
  std::unique_ptr<Backend> backend = std::get<1>(GetParam()).make();
  fs::path folder = golden_folder() / std::get<0>(GetParam());
  Golden golden = read_golden(folder);
  Model model{open_checkpoint(folder.string()), *backend};
};

TEST_P(GoldenTest, WholeSequence) {
  const std::vector<float> logits = to_host(*backend, model.logits(golden.ids));
  ASSERT_EQ(logits.size(), golden.logits.size());
  EXPECT_LT(relative_difference(logits, golden.logits), kTolerance);
}

TEST_P(GoldenTest, TokenByTokenThroughTheCache) {
  KvCache cache = model.make_cache(golden.ids.size());
  const size_t vocabulary = model.config().vocabulary;
  // The guarded back end opens and closes all of its memory for each operation: a few steps of it are enough.
  const bool guarded = std::get<1>(GetParam()).make == make_guarded_backend;
  const size_t prompt = guarded ? golden.ids.size() - 2 : 5;
  std::vector<float> logits;
  model.step(std::span(golden.ids).first(prompt), cache);
  for (size_t i = prompt; i < golden.ids.size(); ++i) {
    const std::vector<float> row = to_host(*backend, model.step(std::span(golden.ids).subspan(i, 1), cache));
    logits.insert(logits.end(), row.begin(), row.end());
  }
  EXPECT_LT(relative_difference(logits, std::span(golden.logits).subspan(prompt * vocabulary)), kTolerance);
}

INSTANTIATE_TEST_SUITE_P(
    Families, GoldenTest,
    ::testing::Combine(
        ::testing::ValuesIn(families()),
        ::testing::Values(NamedBackend{"reference", make_reference_backend},
                          NamedBackend{"guarded", make_guarded_backend},
                          NamedBackend{"cpu", [] { return make_cpu_backend(MatmulPrecision::kF32, 1); }})),
    [](const auto& test) { return std::get<0>(test.param) + "_" + std::get<1>(test.param).name; });

}  // namespace
}  // namespace tersor
