// From documents to samples: order, encoding, cutting. Internal to datasets/.
//
// The order is the documents' own, or Fisher and Yates' shuffle driven by SplitMix64 (Steele, Lea and Flood,
// "Fast splittable pseudorandom number generators", 2014): defined here to the last bit, where std::shuffle
// leaves the choice to each standard library.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tersor/datasets/document.h"
#include "tersor/tokenizer/tokenizer.h"

namespace tersor::datasets {

// 0 to count - 1, shuffled by `seed`: for i from count - 1 down to 1, i and a number in [0, i] change places.
std::vector<size_t> shuffled_order(size_t count, uint64_t seed);

struct SamplingOptions {
  size_t samples = 0;
  size_t max_seq_length = 0;
  bool packing = false;
  bool shuffle = false;
  // With packing and shuffle: cut all documents and draw from the pieces, for datasets of few long documents.
  bool draw_pieces = false;
  uint64_t seed = 0;
};

struct Samples {
  std::vector<std::vector<int32_t>> ids;
  size_t documents_read = 0;
  size_t too_short = 0;  // documents (packed: none) left out for having fewer than kMinSampleTokens tokens
};

// Reads documents until there are enough samples.
//
// Not packed: a document's ids with the tokenizer's special tokens around them, the text cut off so that both
// fit into max_seq_length. Messages go through the chat template and get no more special tokens.
//
// Packed: the same ids, uncut, one document after the other; a sample is max_seq_length of them. Where one
// starts inside a document, the tokens that the tokenizer puts before every text (BOS) are put there too,
// since models that were trained with it compute nonsense without. What is left at the end makes a last
// sample when it is the only one.
//
// Throws Error(kInput): see load_calibration.
Samples draw_samples(const Documents& documents, const Tokenizer& tokenizer, const SamplingOptions& options,
                     uint64_t vocab_size);

}  // namespace tersor::datasets
