#include "tersor/datasets/calibration_data.h"

#include <filesystem>
#include <functional>
#include <span>

#include <fmt/format.h>

#include "tersor/base/error.h"
#include "tersor/base/text.h"
#include "tersor/base/version.h"
#include "tersor/datasets/builtin_text.h"
#include "tersor/datasets/dataset_files.h"
#include "tersor/datasets/parquet_files.h"
#include "tersor/datasets/records.h"
#include "tersor/datasets/sampling.h"
#include "tersor/datasets/text_files.h"
#include "tersor/datasets/token_cache.h"
#include "tersor/datasets/token_files.h"
#include "tersor/io/hash.h"

namespace tersor {
namespace {

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

// How a request's data was found: its documents are opened only when no cache holds the samples.
struct Source {
  std::string name;  // for errors
  std::string content_hash;
  bool packed_by_default = false, draw_pieces = false, token_ids = false;
  std::function<Documents()> open;
};

Source builtin_source(const CalibrationRequest& request, CalibrationData& data) {
  if (!request.split.empty())
    throw usage_error(fmt::format("--split {}: the built-in calibration text has no splits", request.split),
                      "name a dataset with --dataset");
  data.description = "the built-in calibration text";
  data.builtin = true;
  data.notes.push_back(
      "no dataset was given: calibrated on the built-in text; a few hundred texts or chats of the kind that "
      "the "
      "model will be used on (--dataset) give a better result");
  return {.name = data.description,
          .content_hash = hash_hex(datasets::builtin_text()),
          .packed_by_default = true,
          .draw_pieces = true,
          .open = datasets::builtin_documents};
}

Source file_source(const CalibrationRequest& request, CalibrationData& data) {
  datasets::DatasetFiles found = datasets::find_dataset_files(request.dataset, request.split);
  data.description = found.description;
  data.notes = std::move(found.notes);
  Source source{.name = fmt::format("the dataset {}", request.dataset), .content_hash = "", .open = nullptr};
  switch (found.kind) {
    case FileKind::kText:
      source.packed_by_default = source.draw_pieces = true;
      source.open = [files = found.files] { return datasets::text_documents(files); };
      break;
    case FileKind::kJson:
      source.open = [files = found.files, column = request.text_column] {
        return datasets::json_documents(files, column);
      };
      break;
    case FileKind::kParquet:
      source.open = [files = found.files, column = request.text_column] {
        return datasets::parquet_documents(files, column);
      };
      break;
    case FileKind::kNpy:
    case FileKind::kSafetensors:
      source.token_ids = true;
      source.open = [files = found.files, length = request.max_seq_length] {
        return datasets::token_documents(files, length);
      };
      break;
  }
  if (request.cache && !source.token_ids) source.content_hash = datasets::hash_of_files(found.files);
  return source;
}

// Everything that the samples depend on; another version of the program may tokenize otherwise.
std::string cache_key(const Source& source, const CalibrationRequest& request, const CalibrationData& data,
                      const Tokenizer& tokenizer, uint64_t vocab_size) {
  return hash_hex(fmt::format("{}\n{}\n{:016x}\n{} {} {} {} {} {}\n{}\n", version(), source.content_hash,
                              tokenizer.content_hash(), request.samples, request.max_seq_length,
                              request.shuffle ? request.seed : 0, request.shuffle, data.packed, vocab_size,
                              request.text_column));
}

std::string counted(size_t count, std::string_view noun) {
  return fmt::format("{} {}{}", format_count(count), noun, count == 1 ? "" : "s");
}

datasets::CachedSamples make_samples(const Source& source, const CalibrationRequest& request, bool packed,
                                     const Tokenizer& tokenizer, uint64_t vocab_size) {
  const Documents documents = source.open();
  return {datasets::draw_samples(documents, tokenizer,
                                 {.samples = request.samples,
                                  .max_seq_length = request.max_seq_length,
                                  .packing = packed,
                                  .shuffle = request.shuffle,
                                  .draw_pieces = request.shuffle && source.draw_pieces,
                                  .seed = request.seed},
                                 vocab_size),
          documents.count};
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
  CalibrationData data;
  const Source source = request.dataset.empty() ? builtin_source(request, data) : file_source(request, data);
  data.packed = !source.token_ids && request.packing.value_or(source.packed_by_default);
  const uint64_t vocab_size = request.vocab_size != 0 ? request.vocab_size : tokenizer.id_limit();

  std::filesystem::path cache_file;
  if (request.cache && !source.token_ids)
    cache_file = datasets::token_cache_file(cache_key(source, request, data, tokenizer, vocab_size));
  bool damaged = false;
  std::optional<datasets::CachedSamples> made = datasets::read_token_cache(cache_file, damaged);
  if (damaged) data.notes.push_back(fmt::format("{} was damaged: tokenized anew", cache_file.string()));
  if (!made) {
    made = make_samples(source, request, data.packed, tokenizer, vocab_size);
    if (made->samples.ids.empty()) {
      throw input_error(
          made->documents == 0
              ? fmt::format("{} holds no documents", source.name)
              : fmt::format("{} holds no usable text: none of its {} has {} tokens or more", source.name,
                            counted(made->documents, "document"), kMinSampleTokens),
          "give a dataset with text like that which the model will be used on");
    }
    datasets::write_token_cache(cache_file, *made);
  }
  data.samples = std::move(made->samples.ids);
  data.documents = made->documents;
  data.asked = request.samples;
  if (made->samples.too_short > 0)
    data.notes.push_back(fmt::format("{} with fewer than {} tokens left out",
                                     counted(made->samples.too_short, "document"), kMinSampleTokens));
  if (data.samples.size() < request.samples)
    data.notes.push_back(fmt::format("{} has {}, {} were asked for", source.name,
                                     counted(data.samples.size(), "sample"), format_count(request.samples)));
  for (const auto& ids : data.samples) data.tokens += ids.size();
  data.hash = hash_samples(data.samples);
  return data;
}

}  // namespace tersor
