// Calibration data: what a dataset's name stands for, as token ids that a model can be run on.
//
//   dataset ─ files ─ documents ─ (shuffled) ─ token ids ─ cut or packed ─ samples
//
// No sample is padded: each has its own length, so padding can never enter a statistic. The same data,
// tokenizer and options give the same samples on every machine.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tersor/tokenizer/tokenizer.h"

namespace tersor {

// Samples with fewer tokens than this say nothing about a model: they are left out.
inline constexpr size_t kMinSampleTokens = 8;

struct CalibrationRequest {
  // What to read:
  //   empty           the built-in calibration text (builtin_text.h)
  //   FILE            .jsonl, .json, .parquet: one document a record; .npy, .safetensors: token ids;
  //                   everything else: UTF-8 text, one document a file
  //   FOLDER          the files of one kind below it, in order of their paths
  //   org/name[@rev]  a dataset in the local Hugging Face cache; nothing is downloaded
  std::string dataset;
  // Of records: the column that holds the text, a list of chat messages (they go through the model's chat
  // template) or token ids. A record without a "text" is looked at for "messages", "conversations" and
  // "input_ids".
  std::string text_column = "text";
  // Of folders and Hub datasets: the split to read; empty: "train" where there is one.
  std::string split;
  size_t samples = 128;
  size_t max_seq_length = 2048;  // tokens of a sample, at most
  uint64_t seed = 0;             // of the shuffle
  // Draws the samples from the whole dataset; without it they are its first ones.
  bool shuffle = false;
  // Whether documents are joined and cut into samples of max_seq_length, or each gives one sample, cut off at
  // max_seq_length. Unset: text files are packed, records are not (as llm-compressor does it). Files of token
  // ids are taken as they are.
  std::optional<bool> packing;
  // Rows of the model's embedding: every id must be below. 0: the tokenizer's id_limit().
  uint64_t vocab_size = 0;
  // Keep the tokens on disk for the next run with the same data, tokenizer and options (token_cache.h).
  bool cache = true;
};

struct CalibrationData {
  std::vector<std::vector<int32_t>> samples;  // each of kMinSampleTokens to max_seq_length ids
  std::string description;                    // "the text file notes.txt", for the model card and the summary
  uint64_t hash = 0;                          // of the samples: equal exactly when the tokens are
  size_t documents = 0;                       // that the dataset has
  size_t asked = 0;   // samples asked for; samples.size() is less when the dataset has too little
  size_t tokens = 0;  // of all samples
  bool packed = false;
  bool builtin = false;  // no dataset was given
  // For the user, a sentence each: too few samples, documents left out, the split that was chosen.
  std::vector<std::string> notes;
};

// Reads the dataset and tokenizes what is needed of it. Throws Error(kUsage) for a request that cannot be
// met (no such split or column, an empty folder, a kind of file that this build cannot read), Error(kInput)
// for data that is broken, naming file, line and byte: invalid UTF-8, a line that is no JSON object, messages
// that the chat template refuses, ids that are no tokens of the model, documents that are all too short.
CalibrationData load_calibration(const CalibrationRequest& request, const Tokenizer& tokenizer);

// The hash that CalibrationData::hash holds, of samples in memory.
uint64_t hash_samples(const std::vector<std::vector<int32_t>>& samples);

}  // namespace tersor
