#include <cstring>

#include "temp_folder.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tersor/base/error.h"
#include "tersor/datasets/calibration_data.h"
#include "tersor/io/safetensors/safetensors_header.h"

namespace tersor {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using Ids = std::vector<int32_t>;

const Tokenizer& tiny() {
  static const Tokenizer tokenizer = Tokenizer::load(std::string(TERSOR_SOURCE_DIR) + "/models/tiny");
  return tokenizer;
}

template <class T>
std::string bytes_of(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

template <class T>
std::vector<T> counting(size_t count) {
  std::vector<T> out(count);
  for (size_t i = 0; i < count; ++i) out[i] = static_cast<T>(i);
  return out;
}

std::string npy(const std::string& descr, const std::string& shape, const std::string& data) {
  const std::string dict = "{'descr': '" + descr + "', 'fortran_order': False, 'shape': " + shape + ", }\n";
  return std::string("\x93NUMPY\x01\0", 8) + static_cast<char>(dict.size()) + '\0' + dict + data;
}

struct Tensor {
  std::string name;
  DType dtype;
  Shape shape;
  std::string data;
};
std::string safetensors(const std::vector<Tensor>& tensors) {
  std::vector<TensorInfo> infos;
  std::string data;
  uint64_t at = 0;
  for (const Tensor& t : tensors) {
    TensorInfo info;
    info.name = t.name, info.dtype = t.dtype, info.shape = t.shape, info.begin = at,
    info.end = at += t.data.size();
    infos.push_back(info);
    data += t.data;
  }
  return layout_safetensors(infos, {}) + data;
}

CalibrationData load(const std::filesystem::path& file, size_t length = 8) {
  CalibrationRequest request;
  request.dataset = file.string();
  request.max_seq_length = length;
  request.samples = 3;
  return load_calibration(request, tiny());
}

std::string refusal_of(const std::filesystem::path& file) {
  try {
    load(file);
  } catch (const Error& e) {
    EXPECT_NE(e.help(), "");
    return e.what();
  }
  ADD_FAILURE() << "nothing was refused";
  return "";
}

TEST(TokenFiles, RowsOfNpyArraysOfEveryTypeAreSamples) {
  const TempFolder folder;
  const std::string files[] = {npy("<i4", "(2, 10)", bytes_of(counting<int32_t>(20))),
                               npy("<i8", "(2, 10)", bytes_of(counting<int64_t>(20))),
                               npy("<u2", "(2, 10)", bytes_of(counting<uint16_t>(20))),
                               npy("<i2", "(2, 10)", bytes_of(counting<int16_t>(20))),
                               npy("<u4", "(2, 10)", bytes_of(counting<uint32_t>(20)))};
  for (const std::string& contents : files) {
    const CalibrationData data = load(folder.write("ids.npy", contents));
    EXPECT_THAT(data.samples, ElementsAre(Ids{0, 1, 2, 3, 4, 5, 6, 7}, Ids{10, 11, 12, 13, 14, 15, 16, 17}));
    EXPECT_EQ(data.documents, 2u);
    EXPECT_FALSE(data.packed);
  }
}

TEST(TokenFiles, AStreamIsCutIntoSamples) {
  const TempFolder folder;
  const CalibrationData data =
      load(folder.write("ids.npy", npy("<i4", "(20,)", bytes_of(counting<int32_t>(20)))));
  EXPECT_THAT(data.samples, ElementsAre(Ids{0, 1, 2, 3, 4, 5, 6, 7}, Ids{8, 9, 10, 11, 12, 13, 14, 15}));
  EXPECT_THAT(data.notes[0], HasSubstr("1 document with fewer than 8 tokens left out"));
}

TEST(TokenFiles, SafetensorsWithoutPadding) {
  const TempFolder folder;
  const auto ids = bytes_of(counting<int64_t>(20));
  std::vector<int64_t> mask(20, 1);
  mask[0] = 0;   // before the text
  mask[19] = 0;  // behind it
  const auto plain = folder.write("a.safetensors", safetensors({{"tokens", DType::kI64, {2, 10}, ids}}));
  const auto masked =
      folder.write("b.safetensors", safetensors({{"input_ids", DType::kI64, {2, 10}, ids},
                                                 {"attention_mask", DType::kI64, {2, 10}, bytes_of(mask)}}));
  EXPECT_THAT(load(plain, 9).samples,
              ElementsAre(Ids{0, 1, 2, 3, 4, 5, 6, 7, 8}, Ids{10, 11, 12, 13, 14, 15, 16, 17, 18}));
  EXPECT_THAT(load(masked, 10).samples,
              ElementsAre(Ids{1, 2, 3, 4, 5, 6, 7, 8, 9}, Ids{10, 11, 12, 13, 14, 15, 16, 17, 18}));
}

TEST(TokenFiles, IdsOutOfTheVocabularyAreNamed) {
  const TempFolder folder;
  std::vector<int64_t> ids = counting<int64_t>(20);
  ids[13] = int64_t{1} << 40;
  EXPECT_THAT(
      refusal_of(folder.write("ids.npy", npy("<i8", "(2, 10)", bytes_of(ids)))),
      HasSubstr("ids.npy, sample 1: token id 1099511627776 at position 3, but the model has 1,536 tokens"));
  ids[13] = -1;
  EXPECT_THAT(refusal_of(folder.write("ids.npy", npy("<i8", "(2, 10)", bytes_of(ids)))),
              HasSubstr("token id -1 at position 3"));
  EXPECT_THAT(refusal_of(folder.write(
                  "a.safetensors", safetensors({{"input_ids", DType::kU64, {10}, std::string(80, '\xFF')}}))),
              HasSubstr("at position 0"));
}

TEST(TokenFiles, OtherTensorsAreRefused) {
  const TempFolder folder;
  const std::string data(32, '\0');
  const auto refused = [&](const std::vector<Tensor>& tensors) {
    return refusal_of(folder.write("a.safetensors", safetensors(tensors)));
  };
  EXPECT_THAT(refused({{"a", DType::kI32, {8}, data}, {"b", DType::kI32, {8}, data}}),
              HasSubstr("no tensor `input_ids` among `a` and `b`"));
  EXPECT_THAT(refused({{"a.weight", DType::kBF16, {4, 4}, data}}), HasSubstr("`a.weight` is BF16 [4, 4]"));
  EXPECT_THAT(refused({{"a", DType::kI32, {2, 2, 2}, data}}), HasSubstr("`a` is I32 [2, 2, 2]"));
  EXPECT_THAT(refused({{"input_ids", DType::kI32, {2, 4}, data}, {"attention_mask", DType::kI32, {8}, data}}),
              HasSubstr("`attention_mask` is I32 [8], `input_ids` is [2, 4]"));
  EXPECT_THAT(refused({{"a", DType::kI32, {8, 0}, ""}}), HasSubstr("holds no documents"));
}

}  // namespace
}  // namespace tersor
