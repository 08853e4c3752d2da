#include "tersor/pipelines/kv_statistics.h"

#include <algorithm>

#include "tersor/pipelines/input_statistics.h"
#include "tersor/quantization/qparams.h"

namespace tersor {

KvStatistics::KvStatistics(Backend& backend, const AttentionConfig& attention,
                           std::optional<QuantizationArgs> scheme)
    : backend_(backend), scheme_(std::move(scheme)), heads_(1) {
  if (scheme_ && scheme_->strategy == Strategy::kAttnHead)
    heads_ = attention.mla ? attention.heads : attention.kv_heads;
  if (scheme_) needs_.add(*scheme_);
  for (size_t h = 0; h < heads_; ++h) {
    keys_.emplace_back(needs_);
    values_.emplace_back(needs_);
  }
}

void KvStatistics::add(std::span<const SequenceSpan> sequences, const DeviceTensor& keys,
                       const DeviceTensor& values) {
  add(sequences, keys, keys_);
  add(sequences, values, values_);
}

void KvStatistics::add(std::span<const SequenceSpan> sequences, const DeviceTensor& x,
                       std::vector<ActivationStatistics>& heads) {
  const std::vector<MinMax> rows = ranges_of_rows(backend_, x.reshaped(x.rows * heads_, x.cols / heads_));
  for (const SequenceSpan& span : sequences) {
    for (size_t h = 0; h < heads_; ++h) {
      const MinMax* first = rows.data() + span.begin * heads_ + h;
      MinMax range = first[0];
      for (size_t r = 0; r < span.rows; ++r)
        range = {std::min(range.min, first[r * heads_].min), std::max(range.max, first[r * heads_].max)};
      heads[h].add_sample(range);
    }
  }
  if (!needs_.looks_at_values()) return;
  std::vector<float> all(x.rows * x.cols);
  backend_.copy_out(x, all.data());
  const size_t width = x.cols / heads_;
  for (size_t i = 0; i < x.rows * heads_; ++i)
    heads[i % heads_].add_values(std::span(all).subspan(i * width, width), width);
}

std::vector<std::byte> KvStatistics::scales(bool keys, DType dtype) const {
  std::vector<MinMax> ranges;
  for (const ActivationStatistics& head : keys ? keys_ : values_)
    ranges.push_back(head.range(*scheme_, dtype));
  QParams qparams;
  compute_qparams(*scheme_, dtype, ranges, 0, qparams);
  return qparams.stored;
}

}  // namespace tersor
