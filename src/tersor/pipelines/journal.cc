#include "tersor/pipelines/journal.h"

#include <algorithm>
#include <cstring>
#include <optional>

#include "tersor/io/hash.h"

namespace tersor {
namespace {

constexpr std::string_view kMagic = "tersor journal 2 ";
constexpr uint32_t kMaxPayload = 1 << 20;  // no piece has a thousand extents

template <typename T>
void put(std::string& out, T value) {
  char bytes[sizeof(T)];
  std::memcpy(bytes, &value, sizeof(T));
  out.append(bytes, sizeof(T));
}

// Reads values off the front of a string; `ok` turns false when it ends early.
struct Reader {
  std::string_view rest;
  bool ok = true;

  template <typename T>
  T get() {
    T value{};
    if (rest.size() < sizeof(T)) {
      ok = false;
      return value;
    }
    std::memcpy(&value, rest.data(), sizeof(T));
    rest.remove_prefix(sizeof(T));
    return value;
  }
};

uint64_t hash_text(std::string_view text) { return hash64(std::as_bytes(std::span(text))); }

std::string encode(const JournalRecord& record) {
  std::string payload;
  put(payload, record.item);
  put(payload, record.statistics.squared_error);
  put(payload, record.statistics.squared_norm);
  put(payload, record.statistics.zero_groups);
  put(payload, record.statistics.output_error);
  put(payload, record.statistics.rounding_output_error);
  put(payload, record.statistics.output_norm);
  put(payload, record.statistics.tokens);
  put(payload, record.state);
  put(payload, static_cast<uint32_t>(record.extents.size()));
  for (const Extent& e : record.extents) {
    put(payload, e.file);
    put(payload, e.offset);
    put(payload, e.length);
    put(payload, e.hash);
  }
  std::string out;
  put(out, static_cast<uint32_t>(payload.size()));
  out += payload;
  put(out, hash_text(payload));
  return out;
}

std::optional<JournalRecord> decode(std::string_view payload) {
  Reader r{payload};
  JournalRecord record;
  record.item = r.get<uint32_t>();
  record.statistics.squared_error = r.get<double>();
  record.statistics.squared_norm = r.get<double>();
  record.statistics.zero_groups = r.get<uint64_t>();
  record.statistics.output_error = r.get<double>();
  record.statistics.rounding_output_error = r.get<double>();
  record.statistics.output_norm = r.get<double>();
  record.statistics.tokens = r.get<uint64_t>();
  record.state = r.get<uint64_t>();
  const auto extents = r.get<uint32_t>();
  for (uint32_t i = 0; i < extents && r.ok; ++i) {
    Extent e;
    e.file = r.get<uint32_t>();
    e.offset = r.get<uint64_t>();
    e.length = r.get<uint64_t>();
    e.hash = r.get<uint64_t>();
    record.extents.push_back(e);
  }
  if (!r.ok || !r.rest.empty()) return std::nullopt;
  return record;
}

}  // namespace

Journal::Previous Journal::read(const std::filesystem::path& folder) {
  Previous previous;
  const std::filesystem::path path = folder / kJournalName;
  if (!std::filesystem::exists(path)) return previous;
  const std::string text = read_file(path, uint64_t{1} << 36);
  const size_t line = text.find('\n');
  if (!text.starts_with(kMagic) || line == std::string::npos) return previous;
  previous.exists = true;
  previous.fingerprint = text.substr(kMagic.size(), line - kMagic.size());
  std::string_view rest = std::string_view(text).substr(line + 1);
  for (;;) {
    previous.readable_bytes = text.size() - rest.size();
    Reader r{rest};
    const auto length = r.get<uint32_t>();
    if (!r.ok || length > kMaxPayload || r.rest.size() < length + sizeof(uint64_t)) break;
    const std::string_view payload = r.rest.substr(0, length);
    r.rest.remove_prefix(length);
    if (r.get<uint64_t>() != hash_text(payload)) break;
    auto record = decode(payload);
    if (!record) break;
    previous.records.push_back(std::move(*record));
    rest = r.rest;
  }
  return previous;
}

Journal Journal::create(const std::filesystem::path& folder, const std::string& fingerprint) {
  File file(folder / kJournalName, File::Open::kCreateReadWrite);
  file.resize(0);
  const std::string line = std::string(kMagic) + fingerprint + "\n";
  file.write_at(0, std::as_bytes(std::span(line)));
  return {std::move(file), line.size()};
}

Journal Journal::resume(const std::filesystem::path& folder, const Previous& previous) {
  File file(folder / kJournalName, File::Open::kReadWrite);
  file.resize(previous.readable_bytes);
  return {std::move(file), previous.readable_bytes};
}

void Journal::append(const JournalRecord& record) {
  const std::string bytes = encode(record);
  const std::lock_guard lock(*mutex_);
  file_.write_at(end_, std::as_bytes(std::span(bytes)));
  end_ += bytes.size();
}

}  // namespace tersor
