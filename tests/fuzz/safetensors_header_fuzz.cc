// A safetensors file of any bytes is refused with an Error or read; what was read is consistent and survives
// being written again.
#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "tersor/base/error.h"
#include "tersor/io/safetensors/safetensors_header.h"

namespace {

using namespace tersor;

class MemorySource : public ByteSource {
 public:
  explicit MemorySource(std::span<const std::byte> bytes) : bytes_(bytes) {}
  uint64_t size() const override { return bytes_.size(); }
  void read_at(uint64_t offset, std::span<std::byte> out) const override {
    if (offset > bytes_.size() || out.size() > bytes_.size() - offset) std::abort();  // read past the end
    std::ranges::copy(bytes_.subspan(offset, out.size()), out.begin());
  }
  void will_need(uint64_t /*offset*/, uint64_t /*length*/) const override {}
  void done_with(uint64_t /*offset*/, uint64_t /*length*/) const override {}
  std::string fingerprint() const override { return ""; }
  bool changed() const override { return false; }
  const std::string& name() const override { return name_; }

 private:
  std::span<const std::byte> bytes_;
  std::string name_ = "fuzz";
};

void require(bool condition) {
  if (!condition) std::abort();
}

void check(const SafetensorsHeader& header, uint64_t file_size) {
  uint64_t end = header.data_begin;
  for (const TensorInfo& t : header.tensors) {
    require(t.begin == end && t.end >= t.begin && num_bytes(t.shape, t.dtype) == t.bytes());
    end = t.end;
  }
  require(end == file_size);

  std::vector<TensorInfo> again = header.tensors;
  const std::string bytes = layout_safetensors(again, header.metadata);
  const uint64_t size = bytes.size() + (file_size - header.data_begin);
  const SafetensorsHeader second = parse_safetensors_header(bytes.substr(8), bytes.size(), size, "again");
  require(second.metadata == header.metadata && second.tensors.size() == header.tensors.size());
  for (size_t i = 0; i < again.size(); ++i) {
    const TensorInfo &a = header.tensors[i], &b = second.tensors[i];
    require(a.name == b.name && a.dtype == b.dtype && a.shape == b.shape && a.bytes() == b.bytes());
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::span bytes(reinterpret_cast<const std::byte*>(data), size);
  try {
    check(read_safetensors_header(MemorySource(bytes)), size);
  } catch (const Error&) {
  }
  // The same without a length to guess: the JSON begins at byte 8, and the data is as long as the first bytes
  // say.
  if (size < 8) return 0;
  uint16_t data_bytes = 0;
  std::memcpy(&data_bytes, data, sizeof(data_bytes));
  const std::string_view json(reinterpret_cast<const char*>(data) + 8, size - 8);
  try {
    check(parse_safetensors_header(json, size, size + data_bytes, "fuzz"), size + data_bytes);
  } catch (const Error&) {
  }
  return 0;
}
