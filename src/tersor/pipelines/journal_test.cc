#include "tersor/pipelines/journal.h"

#include "temp_folder.h"
#include <gtest/gtest.h>

namespace tersor {
namespace {

JournalRecord record(uint32_t item) {
  return {.item = item,
          .statistics = {.squared_error = 0.5 * item, .squared_norm = 2.0 * item, .zero_groups = item},
          .extents = {{.file = 1, .offset = 10 * item, .length = 7, .hash = 0x1234567890ABCDEF},
                      {.file = 2, .offset = 5, .length = 0, .hash = item}}};
}

TEST(Journal, RoundTripsRecords) {
  const TempFolder folder;
  EXPECT_FALSE(Journal::read(folder.path()).exists);
  Journal journal = Journal::create(folder.path(), "abc");
  for (uint32_t i = 0; i < 20; ++i) journal.append(record(i));
  const Journal::Previous previous = Journal::read(folder.path());
  ASSERT_TRUE(previous.exists);
  EXPECT_EQ(previous.fingerprint, "abc");
  ASSERT_EQ(previous.records.size(), 20u);
  EXPECT_EQ(previous.records[7].item, 7u);
  EXPECT_EQ(previous.records[7].statistics.squared_error, 3.5);
  EXPECT_EQ(previous.records[7].extents[0].offset, 70u);
  EXPECT_EQ(previous.records[7].extents[1].hash, 7u);
}

// A run may be stopped in the middle of an append: whatever the length of the file, a prefix of the records
// is read, and the journal goes on after it.
TEST(Journal, EveryTruncationGivesAPrefix) {
  const TempFolder folder;
  {
    Journal journal = Journal::create(folder.path(), "abc");
    for (uint32_t i = 0; i < 3; ++i) journal.append(record(i));
  }
  const std::string whole = read_file(folder / kJournalName, 1 << 20);
  size_t last = 0;
  for (size_t length = 0; length <= whole.size(); ++length) {
    folder.write(kJournalName, std::string_view(whole).substr(0, length));
    const Journal::Previous previous = Journal::read(folder.path());
    EXPECT_GE(previous.records.size(), last);
    last = previous.records.size();
    if (!previous.exists) continue;
    Journal::resume(folder.path(), previous).append(record(9));
    const Journal::Previous again = Journal::read(folder.path());
    ASSERT_EQ(again.records.size(), previous.records.size() + 1);
    EXPECT_EQ(again.records.back().item, 9u);
  }
  EXPECT_EQ(last, 3u);
}

TEST(Journal, ADamagedByteEndsTheReadablePart) {
  const TempFolder folder;
  {
    Journal journal = Journal::create(folder.path(), "abc");
    for (uint32_t i = 0; i < 3; ++i) journal.append(record(i));
  }
  const std::string whole = read_file(folder / kJournalName, 1 << 20);
  const size_t header = whole.find('\n') + 1;
  for (size_t at = header; at < whole.size(); ++at) {
    std::string damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x20);
    folder.write(kJournalName, damaged);
    const auto records = Journal::read(folder.path()).records;
    ASSERT_LT(records.size(), 3u) << at;
    for (uint32_t i = 0; i < records.size(); ++i) EXPECT_EQ(records[i].item, i);
  }
}

}  // namespace
}  // namespace tersor
