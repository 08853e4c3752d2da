#include "tersor/modeling/layer_ranges.h"

#include <algorithm>
#include <tuple>

#include <fmt/format.h>

namespace tersor {

std::vector<ByteRange> layer_ranges(const Checkpoint& checkpoint, const ModelConfig& model, size_t index) {
  const std::string prefix = fmt::format("{}{}.", model.layer_prefix, index);
  std::vector<ByteRange> tensors;
  for (auto it = checkpoint.tensors.lower_bound(prefix);
       it != checkpoint.tensors.end() && it->first.starts_with(prefix); ++it) {
    const TensorInfo& info = checkpoint.info(it->second);
    tensors.push_back({it->second.shard, info.begin, info.end});
  }
  std::ranges::sort(tensors, {}, [](const ByteRange& r) { return std::tuple(r.shard, r.begin); });
  std::vector<ByteRange> ranges;
  for (const ByteRange& tensor : tensors) {
    if (!ranges.empty() && ranges.back().shard == tensor.shard && ranges.back().end == tensor.begin) {
      ranges.back().end = tensor.end;
    } else {
      ranges.push_back(tensor);
    }
  }
  return ranges;
}

}  // namespace tersor
