// Megabytes of text per second that one thread turns into tokens.
//
//   tokenizer_bench TOKENIZER_FOLDER TEXT [ROUNDS]
//
// The text is encoded in documents of 4 kB, cut at line ends, `ROUNDS` times; the fastest round counts.
// Prints MB/s and the number of tokens, which bench/tokenizer_bench.py compares with the tokenizers
// library's.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "tersor/base/error.h"
#include "tersor/io/file.h"
#include "tersor/tokenizer/tokenizer.h"

namespace {

constexpr size_t kDocumentBytes = 4000;

std::vector<std::string_view> documents_of(std::string_view text) {
  std::vector<std::string_view> documents;
  while (!text.empty()) {
    const size_t line_end =
        text.size() <= kDocumentBytes ? std::string_view::npos : text.find('\n', kDocumentBytes);
    const size_t size = line_end == std::string_view::npos ? text.size() : line_end + 1;
    documents.push_back(text.substr(0, size));
    text.remove_prefix(size);
  }
  return documents;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fputs("usage: tokenizer_bench TOKENIZER_FOLDER TEXT [ROUNDS]\n", stderr);
    return 2;
  }
  try {
    const tersor::Tokenizer tokenizer = tersor::Tokenizer::load(argv[1]);
    const std::string text = tersor::read_file(argv[2], uint64_t{1} << 30);
    const auto documents = documents_of(text);
    const int rounds = argc > 3 ? std::atoi(argv[3]) : 5;
    double first = 0, best = 1e30;
    size_t tokens = 0;
    for (int round = 0; round < rounds; ++round) {
      const auto start = std::chrono::steady_clock::now();
      tokens = 0;
      for (const std::string_view document : documents) tokens += tokenizer.encode(document).size();
      const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
      if (round == 0) first = seconds;
      best = std::min(best, seconds);
    }
    const double megabytes = static_cast<double>(text.size()) / 1e6;
    std::printf("%.2f MB/s at first, %.2f MB/s, %zu tokens\n", megabytes / first, megabytes / best, tokens);
  } catch (const tersor::Error& e) {
    std::fprintf(stderr, "error: %s\n", e.what());
    return static_cast<int>(e.code());
  }
  return 0;
}
