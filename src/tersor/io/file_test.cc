#include "tersor/io/file.h"

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <memory>
#include <thread>
#include <vector>

#include "temp_folder.h"
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tersor/base/error.h"
#include "tersor/io/byte_source.h"

namespace tersor {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

template <typename Body>
std::string error_of(ErrorCode code, Body body) {
  try {
    body();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), code);
    return fmt::format("{} | {}", e.what(), e.help());
  }
  return "";
}

std::span<const std::byte> bytes_of(std::string_view text) { return std::as_bytes(std::span(text)); }

TEST(File, WritesAndReadsAtPlaces) {
  const TempFolder folder;
  const File file(folder / "f", File::Open::kCreateReadWrite);
  file.allocate(10);
  EXPECT_EQ(file.size(), 10u);
  file.write_at(4, bytes_of("abc"));
  file.start_writeback(0, 10);
  file.start_writeback(0, 0);
  file.sync();
  EXPECT_EQ(read_file(folder / "f", 10), std::string("\0\0\0\0abc\0\0\0", 10));
  std::string part(3, ' ');
  file.read_at(4, std::as_writable_bytes(std::span(part)));
  EXPECT_EQ(part, "abc");
  EXPECT_THAT(error_of(ErrorCode::kInput, [&] { file.read_at(8, std::as_writable_bytes(std::span(part))); }),
              HasSubstr("f ends at byte 10, but bytes 8 to 11 were expected in it"));
  EXPECT_THAT(error_of(ErrorCode::kInput, [&] { (void)read_file(folder / "f", 9); }),
              HasSubstr("has 10 bytes"));
}

TEST(File, WhatMayNotBeReadSaysHowToMendIt) {
  const Error error = io_error(ErrorCode::kInput, "open", "/m/model.safetensors", EACCES);
  EXPECT_STREQ(error.what(), "cannot open /m/model.safetensors: Permission denied");
  EXPECT_THAT(error.help(), HasSubstr("`chmod u+r /m/model.safetensors`"));
  EXPECT_THAT(io_error(ErrorCode::kRuntime, "open", "/m/x", EACCES).help(), HasSubstr("or give another one"));
}

TEST(File, StreamsAreReadToTheirEnd) {
  const TempFolder folder;
  const std::string pipe = folder / "pipe", text(200'000, 'x');
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  auto read_from_pipe = [&](uint64_t max_bytes) {
    const std::jthread writer([&] {
      if (const std::unique_ptr<std::FILE, int (*)(std::FILE*)> to(std::fopen(pipe.c_str(), "w"),
                                                                   std::fclose);
          to)
        std::fwrite(text.data(), 1, text.size(), to.get());
    });
    return read_stream(pipe, max_bytes);
  };
  EXPECT_EQ(read_from_pipe(text.size()), text);
  EXPECT_EQ(read_stream("/dev/null", 1), "");
  EXPECT_THAT(error_of(ErrorCode::kInput, [&] { read_stream(folder.path(), 9); }), HasSubstr("is a folder"));
  EXPECT_THAT(error_of(ErrorCode::kInput, [&] { read_stream(folder / "none", 9); }),
              HasSubstr("cannot open"));
  EXPECT_THAT(error_of(ErrorCode::kInput, [&] { read_stream("/dev/zero", 9); }), HasSubstr("at most 9 were"));
}

TEST(File, RefusesWhatIsNoFileAndDoesNotWaitForIt) {
  const TempFolder folder;
  auto open = [](const std::filesystem::path& path, File::Open how) {
    return [=] { const File file(path, how); };
  };
  EXPECT_THAT(error_of(ErrorCode::kInput, open(folder.path(), File::Open::kRead)), HasSubstr("is a folder"));
  EXPECT_THAT(error_of(ErrorCode::kRuntime, open(folder.path(), File::Open::kReadWrite)),
              HasSubstr("is a folder"));
  ASSERT_EQ(::mkfifo((folder / "pipe").c_str(), 0600), 0);
  EXPECT_THAT(error_of(ErrorCode::kInput, open(folder / "pipe", File::Open::kRead)), HasSubstr("is a pipe"));
  EXPECT_THAT(error_of(ErrorCode::kInput, open("/dev/null", File::Open::kRead)), HasSubstr("is a device"));
  EXPECT_THAT(error_of(ErrorCode::kInput, open(folder / "absent", File::Open::kRead)),
              HasSubstr("absent: No such file or directory"));
}

TEST(File, AFullDiskIsReportedWithThePathAndWhatToDo) {
  const File full("/dev/full", File::Open::kReadWrite);
  EXPECT_THAT(error_of(ErrorCode::kRuntime, [&] { full.write_at(0, bytes_of("x")); }),
              StartsWith("cannot write /dev/full: No space left on device | free some space"));
}

// A limit on file sizes stops resize, allocate and write half way, as a full disk does.
TEST(File, ALimitOnFileSizesIsReported) {
  const TempFolder folder;
  const auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
  rlimit old_limit{};
  ::getrlimit(RLIMIT_FSIZE, &old_limit);
  rlimit limit = old_limit;
  limit.rlim_cur = 4096;
  ::setrlimit(RLIMIT_FSIZE, &limit);
  const File file(folder / "f", File::Open::kCreateReadWrite);
  const std::vector<std::byte> data(5000);
  const std::string write = error_of(ErrorCode::kRuntime, [&] { file.write_at(0, data); });
  const std::string resize = error_of(ErrorCode::kRuntime, [&] { file.resize(5000); });
  const std::string allocate = error_of(ErrorCode::kRuntime, [&] { file.allocate(5000); });
  const std::string atomic = error_of(
      ErrorCode::kRuntime, [&] { write_file_atomically(folder / "config.json", std::string(5000, 'x')); });
  ::setrlimit(RLIMIT_FSIZE, &old_limit);
  std::signal(SIGXFSZ, old_handler);
  EXPECT_THAT(write,
              HasSubstr("cannot write " + (folder / "f").string() + ": File too large | the limit is"));
  EXPECT_THAT(resize, HasSubstr("cannot set the size of " + (folder / "f").string()));
  EXPECT_THAT(allocate, HasSubstr((folder / "f").string() + ": File too large"));
  EXPECT_THAT(atomic, HasSubstr("config.json.tmp: File too large"));
  EXPECT_FALSE(std::filesystem::exists(folder / "config.json.tmp"));
  EXPECT_FALSE(std::filesystem::exists(folder / "config.json"));
}

TEST(File, AtomicWritesReplaceTheWholeFile) {
  const TempFolder folder;
  write_file_atomically(folder / "f", "long contents");
  write_file_atomically(folder / "f", "short");
  EXPECT_EQ(read_file(folder / "f", 100), "short");
  EXPECT_THAT(error_of(ErrorCode::kRuntime, [&] { write_file_atomically(folder / "no/f", "x"); }),
              HasSubstr("no/f.tmp"));
}

TEST(File, ReservesDescriptors) {
  rlimit old{};
  ::getrlimit(RLIMIT_NOFILE, &old);
  rlimit low = old;
  low.rlim_cur = 300;
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &low), 0);
  reserve_descriptors(10);
  rlimit now{};
  ::getrlimit(RLIMIT_NOFILE, &now);
  EXPECT_EQ(now.rlim_cur, 300u);  // enough as it was
  reserve_descriptors(200);
  ::getrlimit(RLIMIT_NOFILE, &now);
  EXPECT_EQ(now.rlim_cur, std::min<rlim_t>(456, old.rlim_max));
  reserve_descriptors(UINT32_MAX);
  ::getrlimit(RLIMIT_NOFILE, &now);
  EXPECT_EQ(now.rlim_cur, std::min<rlim_t>(UINT32_MAX + 256ull, old.rlim_max));
  ::setrlimit(RLIMIT_NOFILE, &old);
}

TEST(ByteSource, ReadsAFileAndTellsWhenItChanged) {
  const TempFolder folder;
  const auto path = folder.write("f", "0123456789");
  const auto source = open_file_source(path, CacheUse::kDrop);
  EXPECT_EQ(source->size(), 10u);
  EXPECT_EQ(source->name(), path.string());
  std::string part(4, ' ');
  source->read_at(6, std::as_writable_bytes(std::span(part)));
  EXPECT_EQ(part, "6789");
  source->done_with(0, 10);
  source->read_at(0, std::as_writable_bytes(std::span(part)));  // only advice
  EXPECT_EQ(part, "0123");
  EXPECT_EQ(open_file_source(path)->fingerprint(), source->fingerprint());
  std::filesystem::last_write_time(path,
                                   std::filesystem::last_write_time(path) + std::chrono::nanoseconds(1));
  EXPECT_NE(open_file_source(path)->fingerprint(), source->fingerprint());
  EXPECT_EQ(cache_use_for(1), CacheUse::kKeep);
  EXPECT_EQ(cache_use_for(UINT64_MAX), CacheUse::kDrop);
}

// Pages of the file that are in the kernel's cache.
size_t cached_pages(const std::filesystem::path& path, size_t bytes) {
  const File file(path, File::Open::kRead);
  void* map = ::mmap(nullptr, bytes, PROT_READ, MAP_SHARED, file.fd(), 0);
  EXPECT_NE(map, MAP_FAILED);
  const auto page = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
  std::vector<unsigned char> in_cache((bytes + page - 1) / page);
  EXPECT_EQ(::mincore(map, bytes, in_cache.data()), 0);
  ::munmap(map, bytes);
  return static_cast<size_t>(std::ranges::count_if(in_cache, [](unsigned char c) { return (c & 1) != 0; }));
}

TEST(ByteSource, FetchesWhatIsReadSoon) {
  const TempFolder folder;
  constexpr size_t kBytes = size_t{4} << 20, kWanted = size_t{1} << 20;
  const auto path = folder.write("f", std::string(kBytes, 'x'));
  File(path, File::Open::kReadWrite).sync();
  const auto source = open_file_source(path, CacheUse::kDrop);
  source->done_with(0, kBytes);
  if (cached_pages(path, kBytes) > 0) GTEST_SKIP() << "this file system keeps its pages";
  source->will_need(kBytes / 2, kWanted);
  const size_t wanted = kWanted / static_cast<size_t>(::sysconf(_SC_PAGESIZE));
  for (int i = 0; i < 500 && cached_pages(path, kBytes) < wanted; ++i) ::usleep(10'000);
  EXPECT_GE(cached_pages(path, kBytes), wanted);
}

}  // namespace
}  // namespace tersor
