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

}  // namespace
}  // namespace tersor
