#include "tersor/datasets/calibration_data.h"

#include <span>

#include <fmt/format.h>

#include "tersor/base/error.h"
#include "tersor/base/text.h"
#include "tersor/datasets/dataset_files.h"
#include "tersor/datasets/records.h"
#include "tersor/datasets/sampling.h"
#include "tersor/datasets/text_files.h"
#include "tersor/io/hash.h"

namespace tersor {
namespace {

using datasets::DatasetFiles;
using datasets::Documents;
using datasets::FileKind;

// Half a gigabyte of ids: far above what calibration can use.
constexpr size_t kMaxTokens = size_t{1} << 27;

void check(const CalibrationRequest& request) {
  if (request.samples == 0)
    throw usage_error("calibration: no samples asked for", "give --samples a number of 1 or more");
  if (request.max_seq_length < kMinSampleTokens)
    throw usage_error(fmt::format("calibration: samples of {} tokens", request.max_seq_length),
                      fmt::format("give --max-seq-length {} or more; 2048 is usual", kMinSampleTokens));
  if (request.max_seq_length > kMaxTokens || request.samples > kMaxTokens / request.max_seq_length)
    throw usage_error(fmt::format("calibration: {} samples of {} tokens are more than {} tokens",
                                  format_count(request.samples), format_count(request.max_seq_length),
                                  format_count(kMaxTokens)),
                      "128 to 1024 samples of 2048 tokens are usual");
}

Documents open_documents(const DatasetFiles& found, const CalibrationRequest& request) {
  if (found.kind == FileKind::kJson) return datasets::json_documents(found.files, request.text_column);
  return datasets::text_documents(found.files);
}

std::string counted(size_t count, std::string_view noun) {
  return fmt::format("{} {}{}", format_count(count), noun, count == 1 ? "" : "s");
}

}  // namespace

uint64_t hash_samples(const std::vector<std::vector<int32_t>>& samples) {
  std::vector<uint64_t> parts;
  for (const auto& ids : samples) {
    parts.push_back(ids.size());
    parts.push_back(hash64(std::as_bytes(std::span(ids))));
  }
  return hash64(std::as_bytes(std::span(parts)));
}

CalibrationData load_calibration(const CalibrationRequest& request, const Tokenizer& tokenizer) {
  check(request);
  const DatasetFiles found = datasets::find_dataset_files(request.dataset, request.split);
  const Documents documents = open_documents(found, request);

  CalibrationData data;
  data.description = found.description;
  data.notes = found.notes;
  data.documents = documents.count;
  data.asked = request.samples;
  data.packed = request.packing.value_or(found.kind == FileKind::kText);
  datasets::Samples drawn =
      datasets::draw_samples(documents, tokenizer,
                             {.samples = request.samples,
                              .max_seq_length = request.max_seq_length,
                              .packing = data.packed,
                              .shuffle = request.shuffle,
                              .draw_pieces = request.shuffle && found.kind == FileKind::kText,
                              .seed = request.seed},
                             request.vocab_size != 0 ? request.vocab_size : tokenizer.id_limit());
  data.samples = std::move(drawn.ids);
  if (data.samples.empty()) {
    throw input_error(
        documents.count == 0
            ? fmt::format("the dataset {} holds no documents", request.dataset)
            : fmt::format("the dataset {} holds no usable text: none of its {} has {} tokens or more",
                          request.dataset, counted(documents.count, "document"), kMinSampleTokens),
        "give a dataset with text like that which the model will be used on");
  }
  if (drawn.too_short > 0)
    data.notes.push_back(fmt::format("{} with fewer than {} tokens left out",
                                     counted(drawn.too_short, "document"), kMinSampleTokens));
  if (data.samples.size() < request.samples)
    data.notes.push_back(fmt::format("the dataset has {}, {} were asked for",
                                     counted(data.samples.size(), "sample"), format_count(request.samples)));
  for (const auto& ids : data.samples) data.tokens += ids.size();
  data.hash = hash_samples(data.samples);
  return data;
}

}  // namespace tersor
