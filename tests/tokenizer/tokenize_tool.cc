// Encodes documents with a tokenizer.json, for tests that compare with another implementation.
//
//   tokenize_tool TOKENIZER DOCS OUT [--plain] [--decode] [--folder]
//
// DOCS: for every document, u32 little-endian size and its bytes. OUT: for every document, u32 count and i32
// ids; with
// --decode also u32 size and the bytes of the ids' text. --plain adds no special tokens. TOKENIZER is a
// tokenizer.json, or with --folder a folder that holds one.
#include <cstdint>
#include <cstring>
#include <fstream>
#include <iostream>
#include <set>
#include <string>
#include <vector>

#include "tersor/base/error.h"
#include "tersor/io/file.h"
#include "tersor/tokenizer/tokenizer.h"

namespace {

constexpr uint64_t kMaxFileBytes = uint64_t{1} << 30;

void append_u32(std::string& out, size_t value) {
  const auto v = static_cast<uint32_t>(value);
  out.append(reinterpret_cast<const char*>(&v), sizeof(v));
}

void run(const std::vector<std::string>& files, const std::set<std::string>& flags) {
  const tersor::Tokenizer tokenizer =
      flags.contains("--folder")
          ? tersor::Tokenizer::load(files[0])
          : tersor::Tokenizer::from_json(tersor::read_file(files[0], kMaxFileBytes), files[0]);
  const std::string docs = tersor::read_file(files[1], kMaxFileBytes);
  std::string out;
  for (size_t at = 0; at + 4 <= docs.size();) {
    uint32_t size = 0;
    std::memcpy(&size, docs.data() + at, sizeof(size));
    at += sizeof(size);
    const std::vector<int32_t> ids =
        tokenizer.encode(std::string_view(docs).substr(at, size), !flags.contains("--plain"));
    at += size;
    append_u32(out, ids.size());
    out.append(reinterpret_cast<const char*>(ids.data()), ids.size() * sizeof(int32_t));
    if (flags.contains("--decode")) {
      const std::string text = tokenizer.decode(ids, false);
      append_u32(out, text.size());
      out += text;
    }
  }
  std::ofstream(files[2], std::ios::binary) << out;
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::string> files;
  std::set<std::string> flags;
  for (int i = 1; i < argc; ++i) {
    if (std::string_view(argv[i]).starts_with("--"))
      flags.insert(argv[i]);
    else
      files.emplace_back(argv[i]);
  }
  if (files.size() != 3) {
    std::cerr << "usage: tokenize_tool TOKENIZER DOCS OUT [--plain] [--decode] [--folder]\n";
    return 2;
  }
  try {
    run(files, flags);
  } catch (const tersor::Error& e) {
    std::cerr << "error: " << e.what() << "\n" << e.help() << "\n";
    return static_cast<int>(e.code());
  }
  return 0;
}
