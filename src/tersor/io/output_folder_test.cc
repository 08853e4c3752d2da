#include "tersor/io/output_folder.h"

#include <csignal>

#include "temp_folder.h"
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tersor/base/error.h"

namespace tersor {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

std::vector<std::string> names_in(const fs::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) names.push_back(entry.path().filename());
  return names;
}

std::string error_of(const fs::path& path, bool overwrite, ErrorCode code) {
  try {
    OutputFolder(path, overwrite);
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), code);
    return fmt::format("{} | {}", e.what(), e.help());
  }
  return "";
}

class OutputFolderTest : public ::testing::Test {
 protected:
  // A file of the staging folder.
  static void put(const OutputFolder& out, const std::string& name, const std::string& contents) {
    const fs::path path = out.staging() / name;
    fs::create_directories(path.parent_path());
    std::ofstream(path) << contents;
  }
  static std::string get(const fs::path& path) { return read_file(path, 1000); }

  TempFolder folder;
  fs::path out_path = folder / "a/b/out";
};

TEST_F(OutputFolderTest, AppearsUnderItsNameWhenCommitted) {
  OutputFolder out(out_path / "", false);  // a trailing slash changes nothing
  EXPECT_EQ(out.final_path(), out_path);
  EXPECT_EQ(out.staging(), folder / "a/b/out.partial");
  put(out, "config.json", "{}");
  put(out, "sub/x", "y");
  put(out, ".tersor-journal", "z");
  EXPECT_FALSE(fs::exists(out_path));
  out.commit();
  EXPECT_THAT(names_in(out_path), UnorderedElementsAre("config.json", "sub"));
  EXPECT_EQ(get(out_path / "sub/x"), "y");
  EXPECT_THAT(names_in(out_path.parent_path()), UnorderedElementsAre("out"));
}

TEST_F(OutputFolderTest, StagingOutlivesARunThatWroteSomething) {
  {
    const OutputFolder out(out_path, false);
  }
  EXPECT_TRUE(fs::is_empty(out_path.parent_path()));  // nothing written, nothing left
  {
    const OutputFolder out(out_path, false);
    put(out, "x", "1");
  }
  OutputFolder out(out_path, false);
  EXPECT_EQ(get(out.staging() / "x"), "1");
  put(out, "sub/y", "1");
  out.clear();
  EXPECT_THAT(names_in(out.staging()), UnorderedElementsAre(".tersor-lock"));
  put(out, "z", "1");
  OutputFolder moved = std::move(out);
  moved.commit();
  EXPECT_THAT(names_in(out_path), UnorderedElementsAre("z"));
}

TEST_F(OutputFolderTest, ReplacesAnOldFolderOnlyWhenToldTo) {
  folder.write("a/b/out/config.json", "old");
  folder.write("a/b/out/left", "old");
  EXPECT_THAT(error_of(out_path, false, ErrorCode::kUsage),
              HasSubstr("out exists and is not empty | give another"));
  OutputFolder out(out_path, true);
  put(out, "config.json", "new");
  EXPECT_EQ(get(out_path / "config.json"), "old");
  out.commit();
  EXPECT_THAT(names_in(out_path), UnorderedElementsAre("config.json"));
  EXPECT_EQ(get(out_path / "config.json"), "new");
  EXPECT_THAT(names_in(out_path.parent_path()), UnorderedElementsAre("out"));
}

TEST_F(OutputFolderTest, RefusesPlacesThatCannotBecomeTheResult) {
  folder.write("file", "x");
  EXPECT_THAT(error_of(folder / "file", true, ErrorCode::kUsage), HasSubstr("is no folder"));
  folder.write("home/letters.txt", "x");
  EXPECT_THAT(error_of(folder / "home", true, ErrorCode::kUsage), HasSubstr("it is no checkpoint"));
  fs::create_symlink("nowhere", folder / "link");
  EXPECT_THAT(error_of(folder / "link", true, ErrorCode::kUsage), HasSubstr("is a link to nothing"));
  EXPECT_THAT(error_of("/proc", true, ErrorCode::kUsage), HasSubstr("is a mount point"));
  EXPECT_THAT(error_of("", true, ErrorCode::kUsage), HasSubstr("empty"));
  EXPECT_THAT(error_of(folder / "file/out", false, ErrorCode::kRuntime), HasSubstr("cannot make the folder"));
  folder.write("taken.partial", "x");
  EXPECT_THAT(error_of(folder / "taken", false, ErrorCode::kRuntime),
              HasSubstr("taken.partial exists and is no folder"));
  EXPECT_THAT(error_of("/proc/out", false, ErrorCode::kRuntime), HasSubstr("/proc/out.partial"));
}

TEST_F(OutputFolderTest, AnEmptyFolderAndALinkAreTaken) {
  fs::create_directories(folder / "disk/empty");
  fs::create_directory_symlink("disk/empty", folder / "link");
  OutputFolder out(folder / "link", false);
  EXPECT_EQ(out.staging(), folder / "disk/empty.partial");
  put(out, "x", "1");
  out.commit();
  EXPECT_EQ(get(folder / "link/x"), "1");
}

TEST_F(OutputFolderTest, AFolderThatAppearsMeanwhileIsNotLost) {
  OutputFolder out(out_path, false);
  put(out, "x", "new");
  put(out, ".tersor-journal", "z");
  folder.write("a/b/out/x", "somebody's");
  try {
    out.commit();
    FAIL() << "committed over it";
  } catch (const Error& e) {
    EXPECT_THAT(e.what(), HasSubstr("has come into being"));
  }
  EXPECT_EQ(get(out_path / "x"), "somebody's");
  EXPECT_EQ(get(out.staging() / "x"), "new");
  EXPECT_EQ(get(out.staging() / ".tersor-journal"), "z");
}

TEST_F(OutputFolderTest, ASecondRunIsKeptOutUntilTheFirstIsGone) {
  const OutputFolder out(out_path, false);
  EXPECT_THAT(error_of(out_path, false, ErrorCode::kRuntime),
              HasSubstr(fmt::format("is being written by another run (process {} on", ::getpid())));
}

// kill -9 leaves no lock that would keep the next run out.
TEST_F(OutputFolderTest, TheLockDiesWithTheProcess) {
  int ready[2];
  ASSERT_EQ(::pipe(ready), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    const OutputFolder out(out_path, false);
    put(out, "x", "1");
    (void)!::write(ready[1], "r", 1);
    for (;;) ::pause();
  }
  char byte = 0;
  ASSERT_EQ(::read(ready[0], &byte, 1), 1);
  EXPECT_THAT(error_of(out_path, false, ErrorCode::kRuntime), HasSubstr(fmt::format("process {} on", child)));
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  OutputFolder out(out_path, false);
  EXPECT_EQ(get(out.staging() / "x"), "1");
  ::close(ready[0]);
  ::close(ready[1]);
}

TEST_F(OutputFolderTest, WorkingFilesOfAKilledRunGo) {
  const fs::path final_path = folder / "done";
  fs::create_directories(final_path);
  for (const char* name : {"config.json", ".tersor", ".tersor-lock", ".tersor-journal"})
    write_file_atomically(final_path / name, "{}");
  EXPECT_TRUE(finish_for_the_dead(final_path));
  EXPECT_THAT(names_in(final_path), UnorderedElementsAre("config.json", ".tersor"));
  EXPECT_FALSE(finish_for_the_dead(final_path));
  EXPECT_THAT(error_of(final_path, false, ErrorCode::kUsage), HasSubstr("is not empty"));
}

TEST(FreeDiskBytes, AnswersForPathsThatDoNotExistYet) {
  const TempFolder folder;
  EXPECT_GT(free_disk_bytes(folder.path()), 0u);
  EXPECT_GT(free_disk_bytes(folder / "not/there/yet"), 0u);
  EXPECT_GT(free_disk_bytes("relative/not/there"), 0u);
}

}  // namespace
}  // namespace tersor
