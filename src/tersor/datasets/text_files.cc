#include "tersor/datasets/text_files.h"

#include <algorithm>
#include <memory>

#include <fmt/format.h>

#include "tersor/base/text.h"
#include "tersor/base/utf8.h"
#include "tersor/io/file.h"
#include "tersor/tokenizer/tokenizer.h"

namespace tersor::datasets {
namespace {

std::string read_text(const std::filesystem::path& path) {
  const File file(path, File::Open::kRead);
  const uint64_t size = file.size();
  std::string text(std::min(size, Tokenizer::kMaxTextBytes), '\0');
  file.read_at(0, std::as_writable_bytes(std::span(text)));
  if (text.size() < size) {
    // Characters are whole before a line end.
    const size_t line_end = text.rfind('\n');
    if (line_end == text.npos)
      throw input_error(fmt::format("{}: the first {} hold no line end", path.string(),
                                    format_bytes(Tokenizer::kMaxTextBytes)),
                        "this is no text, or one that has to be cut into several files");
    text.resize(line_end + 1);
  }
  if (text.starts_with("\xEF\xBB\xBF")) text.erase(0, 3);  // a byte order mark is no part of the text
  return text;
}

// How a file begins that is text in another encoding, or no text at all.
std::string_view likely_kind(std::string_view text) {
  if (text.starts_with("\xFF\xFE") || text.starts_with("\xFE\xFF")) return "UTF-16 text";
  if (text.starts_with("\x1F\x8B")) return "a gzip file";
  if (text.starts_with("\x28\xB5\x2F\xFD")) return "a zstd file";
  if (text.starts_with("PK\x03\x04")) return "a zip file";
  return "";
}

}  // namespace

void require_utf8(std::string_view text, uint64_t offset, const std::string& place) {
  const size_t valid = valid_utf8_prefix(text);
  if (valid == text.size()) return;
  const std::string_view kind = likely_kind(text);
  throw input_error(fmt::format("{}: not UTF-8 at byte {}: 0x{:02x}", place, offset + valid,
                                static_cast<unsigned char>(text[valid])),
                    kind.empty() ? "convert the text, for instance `iconv -f latin1 -t utf-8 IN > OUT`"
                                 : fmt::format("it looks like {}: unpack or convert it first", kind));
}

Documents text_documents(std::vector<std::filesystem::path> files) {
  const auto shared = std::make_shared<const std::vector<std::filesystem::path>>(std::move(files));
  return {shared->size(), [shared](size_t i) {
            const std::filesystem::path& path = (*shared)[i];
            std::string text = read_text(path);
            require_utf8(text, 0, path.string());
            return Document{Text{std::move(text)}, path.string()};
          }};
}

}  // namespace tersor::datasets
