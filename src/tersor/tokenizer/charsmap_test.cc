#include "tersor/tokenizer/charsmap.h"

#include <cstring>
#include <random>

#include <gtest/gtest.h>

#include "tersor/base/error.h"

namespace tersor::tokenizer {
namespace {

// A trie by hand with two keys: "A" → "a" (at 0), and "A\xCC\x81" → "x" (at 2).
std::string tiny_map() {
  constexpr uint32_t kLeaf = 1u << 31;
  std::vector<uint32_t> trie(600, 0);
  const auto edge = [&](uint32_t label, uint32_t offset, bool leaf) {
    return label | offset << 10 | (leaf ? 0x100u : 0u);
  };
  trie[0] = 1u << 10;  // the root's children are at 1 ^ label
  const uint32_t a = 1 ^ 'A';
  trie[a] = edge('A', a ^ 128, true);  // its children are at 128 ^ label, the leaf at 128
  trie[128] = kLeaf | 0;
  const uint32_t cc = 128 ^ 0xCC;
  trie[cc] = edge(0xCC, cc ^ 256, false);
  const uint32_t x81 = 256 ^ 0x81;
  trie[x81] = edge(0x81, x81 ^ 512, true);
  trie[512] = kLeaf | 2;
  std::string blob(4 + trie.size() * 4, '\0');
  const auto bytes = static_cast<uint32_t>(trie.size() * 4);
  std::memcpy(blob.data(), &bytes, 4);
  std::memcpy(blob.data() + 4, trie.data(), bytes);
  return blob + std::string("a\0x\0", 4);
}

TEST(Charsmap, FindsTheShortestKey) {
  const Charsmap map(tiny_map(), "f");
  EXPECT_EQ(map.find("A"), "a");
  EXPECT_EQ(map.find("A\u0301"), "a");
  EXPECT_FALSE(map.find("B"));
  EXPECT_FALSE(map.find(""));
  EXPECT_FALSE(map.find(std::string_view("\0", 1)));
}

TEST(Charsmap, RewritesClusters) {
  const Charsmap map(tiny_map(), "f");
  std::string out;
  map.append_rewritten("BA!A\u0301\r\nA\u0301\u0301\u0301", out, 1 << 20);
  // The last cluster is 7 bytes, too long to be looked up as one.
  EXPECT_EQ(out, "Ba!a\r\na\u0301\u0301\u0301");
}

TEST(Charsmap, BrokenBlobs) {
  EXPECT_NO_THROW(Charsmap("", "f"));
  EXPECT_THROW(Charsmap("abc", "f"), Error);
  EXPECT_THROW(Charsmap(std::string("\xFF\xFF\xFF\x7F", 4), "f"), Error);
  EXPECT_THROW(Charsmap(std::string("\x03\0\0\0abc", 7), "f"), Error);
}

TEST(Charsmap, HostileTriesEndAndStayInside) {
  std::mt19937 random(11);
  for (int i = 0; i < 300; ++i) {
    std::string blob = tiny_map();
    for (int flips = 0; flips < 40; ++flips)
      blob[4 + random() % (blob.size() - 4)] = static_cast<char>(random());
    const Charsmap map(blob, "f");
    std::string out;
    map.append_rewritten("ABC A\u0301\u0301 \u4E2D\u6587", out, 1 << 20);
  }
}

TEST(Base64, Decodes) {
  EXPECT_EQ(decode_base64(""), "");
  EXPECT_EQ(decode_base64("TQ=="), "M");
  EXPECT_EQ(decode_base64("TWE="), "Ma");
  EXPECT_EQ(decode_base64("TWFu"), "Man");
  EXPECT_EQ(decode_base64("+/+/"), "\xFB\xFF\xBF");
  EXPECT_FALSE(decode_base64("T"));
  EXPECT_FALSE(decode_base64("TW!u"));
}

}  // namespace
}  // namespace tersor::tokenizer
