#include "tersor/cli/run.h"

#include "temp_folder.h"
#include "toy_checkpoint.h"
#include <gtest/gtest.h>

namespace tersor {
namespace {

// What `tersor inspect FOLDER` and more words print on stdout.
std::string inspected(const std::string& folder, std::vector<const char*> more) {
  std::vector<const char*> words = {"tersor", "inspect", folder.c_str()};
  words.insert(words.end(), more.begin(), more.end());
  testing::internal::CaptureStdout();
  const int status = run(static_cast<int>(words.size()), words.data());
  EXPECT_EQ(status, 0);
  return testing::internal::GetCapturedStdout();
}

TEST(Run, ControlCharactersInNamesAreShownInTextAndStayInJson) {
  const TempFolder folder;
  const toy::Sizes sizes;
  auto tensors = toy::llama_tensors(sizes);
  tensors.push_back(toy::random_tensor("model.a\x1b[31m\x7f\xC2\x9B.weight", {4}, 1));
  toy::write_checkpoint(folder / "model", toy::llama_config(sizes), tensors, 1);
  const std::string path = (folder / "model").string();
  EXPECT_NE(inspected(path, {}).find("model.a\\x1B[31m\\x7F\\xC2\\x9B"), std::string::npos);
  const std::string json = inspected(path, {"--json"});
  EXPECT_NE(parse_json(json, "stdout").dump().find("model.a\\u001b[31m"), std::string::npos) << json;
}

// What a command that fails prints on stderr.
std::string refused(std::vector<const char*> words, int expected_status) {
  words.insert(words.begin(), "tersor");
  testing::internal::CaptureStderr();
  EXPECT_EQ(run(static_cast<int>(words.size()), words.data()), expected_status);
  return testing::internal::GetCapturedStderr();
}

TEST(Run, NamesTooLongAreNoDefectOfTheProgram) {
  const TempFolder folder;
  const toy::Sizes sizes;
  toy::write_checkpoint(folder / "model", toy::llama_config(sizes), toy::llama_tensors(sizes), 1);
  const std::string model = (folder / "model").string(), name(300, 'x'), path = (folder / name).string();
  EXPECT_EQ(refused({"compress", model.c_str(), "-o", path.c_str(), "--scheme", "W8A8", "--quiet"}, 1),
            "error: cannot look at " + path + ": File name too long\n");
  EXPECT_EQ(refused({"plan", model.c_str(), "--recipe", path.c_str()}, 2),
            "error: there is no recipe " + path + "\nhelp: check the path given to `--recipe`\n");
}

}  // namespace
}  // namespace tersor
