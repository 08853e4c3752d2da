#include "tersor/datasets/calibration_data.h"

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <map>
#include <numeric>
#include <utility>

#include "temp_folder.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tersor/base/error.h"
#include "tersor/datasets/builtin_text.h"
#include "tersor/datasets/records.h"
#include "tersor/datasets/sampling.h"
#include "tersor/io/file.h"

namespace tersor {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using Ids = std::vector<int32_t>;

const Tokenizer& tiny() {
  static const Tokenizer tokenizer = Tokenizer::load(std::string(TERSOR_SOURCE_DIR) + "/models/tiny");
  return tokenizer;
}

CalibrationRequest request_of(const std::filesystem::path& dataset, size_t samples = 4, size_t length = 32) {
  CalibrationRequest request;
  request.dataset = dataset.string();
  request.samples = samples;
  request.max_seq_length = length;
  request.cache = false;
  return request;
}

CalibrationData load(const CalibrationRequest& request) { return load_calibration(request, tiny()); }

struct Refusal {
  ErrorCode code;
  std::string message, help;
};
Refusal refusal_of(const std::function<void()>& work) {
  try {
    work();
  } catch (const Error& e) {
    return {e.code(), e.what(), e.help()};
  }
  ADD_FAILURE() << "nothing was refused";
  return {};
}

std::string sentence(size_t n) {
  std::string text = "Chapter " + std::to_string(n) + ".\n\nMrs. Bennet was " + std::to_string(n) +
                     " times vexed, and nobody wondered at it; ";
  for (size_t i = 0; i < n % 7; ++i) text += "the carriage came round again, and they all went to Meryton. ";
  return text + "\n";
}

// One after the other, `before` at the start of each sample that starts inside a document.
std::vector<Ids> packed_by_hand(const std::vector<Ids>& documents, const Ids& before, size_t length) {
  std::vector<Ids> samples;
  Ids sample;
  for (const Ids& document : documents) {
    for (size_t at = 0; at < document.size(); ++at) {
      if (sample.empty() && at > 0) sample = before;
      sample.push_back(document[at]);
      if (sample.size() == length) samples.push_back(std::exchange(sample, {}));
    }
  }
  return samples;
}

TEST(Calibration, RecordsGiveOneSampleEachCutAtTheLength) {
  const TempFolder folder;
  const auto file = folder.write("a.jsonl",
                                 "{\"text\": \"Mr. Darcy smiled, but he said nothing at all to "
                                 "her that evening; it was late.\", \"n\": NaN}\r\n"
                                 "\n"
                                 "{\"text\": \"It is a truth universally acknowledged, that\"}");
  const CalibrationData data = load(request_of(file, 4, 12));
  Ids first = tiny().encode("Mr. Darcy smiled, but he said nothing at all to her that evening; it was late.");
  ASSERT_GT(first.size(), 12u);
  first.resize(12);
  Ids second = tiny().encode("It is a truth universally acknowledged, that");
  second.resize(std::min<size_t>(12, second.size()));
  EXPECT_THAT(data.samples, ElementsAre(first, second));
  EXPECT_EQ(data.documents, 2u);
  EXPECT_EQ(data.asked, 4u);
  EXPECT_EQ(data.tokens, first.size() + second.size());
  EXPECT_FALSE(data.packed);
  EXPECT_THAT(data.notes, ElementsAre(HasSubstr("a.jsonl has 2 samples, 4 were asked for")));
  EXPECT_EQ(data.hash, hash_samples(data.samples));
}

TEST(Calibration, MessagesGoThroughTheChatTemplate) {
  const TempFolder folder;
  const std::string user = "Are the Bingleys at home this morning?", reply = "They are gone to town, sir.";
  const auto file =
      folder.write("chat.jsonl", R"({"messages": [{"role": "user", "content": ")" + user +
                                     R"("}, {"role": "assistant", "content": ")" + reply + "\"}]}\n" +
                                     R"({"conversations": [{"from": "human", "value": ")" + user +
                                     R"("}, {"from": "gpt", "value": ")" + reply + "\"}]}\n");
  const CalibrationData data = load(request_of(file));
  const Ids expected = tiny().encode("<s>" + user + "\n" + reply + "</s>", false);
  EXPECT_THAT(data.samples, ElementsAre(expected, expected));
}

TEST(Calibration, MessagesKeepTheOrderOfTheirKeysForTemplatesThatPrintThem) {
  const datasets::Document document = datasets::line_document(
      R"({"messages": [{"role": "user", "content": "x", "b": {"z": 1, "a": 2}}]})", 0, "text", "a.jsonl:1");
  EXPECT_EQ(std::get<datasets::Messages>(document.content).json,
            R"([{"role":"user","content":"x","b":{"z":1,"a":2}}])");
}

TEST(Calibration, TextFilesArePacked) {
  const TempFolder folder;
  for (size_t i = 0; i < 5; ++i) folder.write("text/" + std::to_string(i) + ".txt", sentence(i + 1));
  folder.write("text/README.md", "what this is");
  folder.write("text/.hidden.txt", "not this");
  const CalibrationData data = load(request_of(folder / "text", 100, 40));
  std::vector<Ids> documents;
  for (size_t i = 0; i < 5; ++i) documents.push_back(tiny().encode(sentence(i + 1)));
  EXPECT_EQ(data.samples, packed_by_hand(documents, tiny().encode(""), 40));
  EXPECT_EQ(data.documents, 5u);
  EXPECT_TRUE(data.packed);
}

TEST(Calibration, AnyListOfShuffledDocumentsIsAPermutation) {
  for (const size_t count : {0, 1, 2, 3, 100}) {
    std::vector<size_t> order = datasets::shuffled_order(count, 7);
    std::ranges::sort(order);
    std::vector<size_t> all(count);
    std::iota(all.begin(), all.end(), size_t{0});
    EXPECT_EQ(order, all);
  }
  // All 24 orders of 4 are alike: of 24000 seeds about 1000 each; six standard deviations are 190.
  std::map<std::vector<size_t>, int> seen;
  for (uint64_t seed = 0; seed < 24000; ++seed) ++seen[datasets::shuffled_order(4, seed)];
  ASSERT_EQ(seen.size(), 24u);
  for (const auto& [order, times] : seen) EXPECT_NEAR(times, 1000, 190);
  // Written down: the same on every machine.
  EXPECT_THAT(datasets::shuffled_order(8, 0), ElementsAre(2, 5, 0, 3, 4, 6, 1, 7));
}

TEST(Calibration, ShuffleDrawsFromTheWholeDataset) {
  const TempFolder folder;
  std::string lines;
  for (size_t i = 0; i < 50; ++i)
    lines += R"({"text": "Chapter )" + std::to_string(i) +
             R"( in which nothing happens to anybody at all."})"
             "\n";
  const auto file = folder.write("a.jsonl", lines);
  CalibrationRequest request = request_of(file, 10, 64);
  const CalibrationData first = load(request);
  request.shuffle = true;
  const CalibrationData shuffled = load(request);
  const std::vector<size_t> order = datasets::shuffled_order(50, 0);
  for (size_t i = 0; i < 10; ++i) {
    EXPECT_EQ(shuffled.samples[i], tiny().encode("Chapter " + std::to_string(order[i]) +
                                                 " in which nothing happens to anybody at all."));
  }
  EXPECT_EQ(shuffled.hash, load(request).hash);
  request.seed = 1;
  EXPECT_NE(shuffled.hash, load(request).hash);
  EXPECT_NE(shuffled.hash, first.hash);
}

TEST(Calibration, ShuffleOfOneTextFileDrawsPieces) {
  const TempFolder folder;
  std::string text;
  for (size_t i = 0; i < 40; ++i) text += sentence(i);
  CalibrationRequest request = request_of(folder.write("a.txt", text), 1000, 16);
  std::vector<Ids> all = load(request).samples;
  request.shuffle = true;
  std::vector<Ids> shuffled = load(request).samples;
  EXPECT_NE(all, shuffled);
  std::ranges::sort(all);
  std::ranges::sort(shuffled);
  EXPECT_EQ(all, shuffled);
}

TEST(Calibration, LongTextIsEncodedOnlyAsFarAsNeededWithTheSameTokens) {
  const TempFolder folder;
  std::string text;
  for (size_t i = 0; text.size() < 400'000; ++i) text += sentence(i);
  const auto file = folder.write("long.txt", text);
  const Ids all = tiny().encode(text);
  CalibrationRequest request = request_of(file, 3, 50);
  const CalibrationData packed = load(request);
  std::vector<Ids> expected = packed_by_hand({all}, tiny().encode(""), 50);
  expected.resize(3);
  EXPECT_EQ(packed.samples, expected);
  request.packing = false;
  EXPECT_THAT(load(request).samples, ElementsAre(Ids(all.begin(), all.begin() + 50)));
}

TEST(Calibration, SpecialTokensOfTheTokenizerStandAroundDocumentsAndBeforeEverySample) {
  const std::string golden = std::string(TERSOR_SOURCE_DIR) + "/tests/tokenizer/golden/mistral.json";
  const Tokenizer mistral = Tokenizer::from_json(read_file(golden, 1 << 20), golden);  // <s> text </s>
  const Ids one = mistral.encode("a b c d a b c d", true), body = mistral.encode("a b c d a b c d", false);
  ASSERT_EQ(one.size(), body.size() + 2);
  ASSERT_GE(body.size(), 8u);
  const TempFolder folder;
  const auto file =
      folder.write("a.jsonl", "{\"text\": \"a b c d a b c d\"}\n{\"text\": \"a b c d a b c d\"}\n");
  CalibrationRequest request = request_of(file, 100, 9);
  Ids cut = {one.front()};
  cut.insert(cut.end(), body.begin(), body.begin() + 7);
  cut.push_back(one.back());
  EXPECT_THAT(load_calibration(request, mistral).samples, ElementsAre(cut, cut));

  request.packing = true;
  EXPECT_EQ(load_calibration(request, mistral).samples, packed_by_hand({one, one}, {one.front()}, 9));
}

TEST(Calibration, JsonFilesMayHoldOneListAndTokenIds) {
  const TempFolder folder;
  const auto file = folder.write("a.json", R"([
    {"text": [9, 8, 7, 6, 5, 4, 3, 2, 1, 0]},
    {"input_ids": [0, 1, 1, 1, 1, 1, 1, 1, 1, 0], "attention_mask": [0, 1, 1, 1, 1, 1, 1, 1, 1, 0]},
    {"text": null}, {"text": ""}])");
  const CalibrationData data = load(request_of(file, 4, 9));
  EXPECT_THAT(data.samples, ElementsAre(Ids{9, 8, 7, 6, 5, 4, 3, 2, 1}, Ids{1, 1, 1, 1, 1, 1, 1, 1}));
  EXPECT_THAT(data.notes, ElementsAre("2 documents with fewer than 8 tokens left out",
                                      HasSubstr("a.json has 2 samples, 4 were asked for")));
}

TEST(Calibration, SplitsAreChosenByName) {
  const TempFolder folder;
  const auto record = [](const char* word) {
    return "{\"text\": \"" + std::string(word) + " one two three four five six seven eight nine\"}\n";
  };
  folder.write("d/data/train-00000-of-00002.jsonl", record("first"));
  folder.write("d/data/train-00001-of-00002.jsonl", record("second"));
  folder.write("d/data/test-00000-of-00001.jsonl", record("held out"));
  CalibrationRequest request = request_of(folder / "d");
  CalibrationData data = load(request);
  EXPECT_EQ(data.documents, 2u);
  EXPECT_THAT(data.notes[0], HasSubstr("read the split `train` of `test` and `train`"));
  request.split = "test";
  data = load(request);
  EXPECT_EQ(data.samples[0], tiny().encode("held out one two three four five six seven eight nine"));
  request.split = "dev";
  const Refusal none = refusal_of([&] { load(request); });
  EXPECT_THAT(none.message, HasSubstr("there is no split `dev`"));
  EXPECT_THAT(none.help, HasSubstr("`test` and `train`"));
}

TEST(Calibration, BrokenDataIsRefusedWithItsPlace) {
  const TempFolder folder;
  const std::string good = R"({"text": "Mr. Bingley was good looking and gentlemanlike, all said."})"
                           "\n";
  const struct {
    const char *name, *contents;
    ErrorCode code;
    const char *message, *help;
  } cases[] = {
      {"cut.jsonl", "{\"text\": \"Mr. Bin", ErrorCode::kInput, "cut.jsonl:2: not valid JSON at column",
       "cut short"},
      {"two.jsonl", "{\"text\": \"a\"} {\"text\": \"b\"}", ErrorCode::kInput, "two.jsonl:2: not valid JSON",
       ""},
      {"nul.jsonl", "{\"text\": \"a\\u0000\"}\x01", ErrorCode::kInput, "nul.jsonl:2: not valid JSON", ""},
      {"list.jsonl", "[1]", ErrorCode::kInput, "list.jsonl:2: expected a JSON object, found an array", ""},
      {"column.jsonl", R"({"prompt": "a", "answer": "b"})", ErrorCode::kInput,
       "column.jsonl:2: there is no column `text`; the record has `prompt` and `answer`", "--text-column"},
      {"number.jsonl", R"({"text": 3})", ErrorCode::kInput, "the column `text` holds a number", ""},
      {"strings.jsonl", R"({"text": ["a"]})", ErrorCode::kInput, "holds a list of strings", ""},
      {"mixed.jsonl", R"({"text": [1, "a"]})", ErrorCode::kInput, "`text`[1] is no whole number", ""},
      {"utf8.jsonl", "{\"text\": \"\xE9t\xE9\"}", ErrorCode::kInput,
       "utf8.jsonl:2: not UTF-8 at byte 80: 0xe9", "iconv"},
      {"ids.jsonl", R"({"input_ids": [5, 6, 1536]})", ErrorCode::kInput,
       "ids.jsonl:2: token id 1536 at position 2, but the model has 1,536 tokens", "another model"},
      {"mask.jsonl", R"({"input_ids": [5, 6], "attention_mask": [1]})", ErrorCode::kInput,
       "`attention_mask` is no list of as many numbers", ""},
      {"below.jsonl", R"({"input_ids": [5, -1]})", ErrorCode::kInput, "token id -1 at position 1", ""},
      {"above.jsonl", R"({"input_ids": [18446744073709551615]})", ErrorCode::kInput, "at position 0", ""},
      {"roles.jsonl", R"({"messages": [{"speaker": "user", "said": "x"}]})", ErrorCode::kInput,
       "roles.jsonl:2: chat template `default`", ""},
      {"twice.jsonl", R"({"text": "a", "text": "b"})", ErrorCode::kInput, "twice.jsonl:2", ""},
  };
  for (const auto& c : cases) {
    const auto file = folder.write(c.name, good + c.contents);
    const Refusal refusal = refusal_of([&] { load(request_of(file)); });
    EXPECT_EQ(refusal.code, c.code) << c.name;
    EXPECT_THAT(refusal.message, HasSubstr(c.message)) << c.name;
    EXPECT_THAT(refusal.help, HasSubstr(c.help)) << c.name;
  }
}

TEST(Calibration, DatasetsThatGiveNothingAreRefused) {
  const TempFolder folder;
  std::filesystem::create_directories(folder / "empty");
  folder.write("pictures/a.png", "x");
  folder.write("packed/a.jsonl.gz", "x");
  const struct {
    std::filesystem::path dataset;
    ErrorCode code;
    const char* message;
  } cases[] = {
      {folder / "empty", ErrorCode::kUsage, "is a folder without files"},
      {folder / "pictures", ErrorCode::kUsage, "no file that can be read, such as a.png"},
      {folder / "packed", ErrorCode::kUsage, "compressed files are not read"},
      {folder / "packed/a.jsonl.gz", ErrorCode::kUsage, "compressed files are not read"},
      {folder.write("a.csv", "x"), ErrorCode::kUsage, ".csv files are not read"},
      {folder.write("none.jsonl", "\n \n"), ErrorCode::kInput, "holds no documents"},
      {folder.write("short.jsonl", "{\"text\": \"too short\"}\n"), ErrorCode::kInput,
       "none of its 1 document has 8 tokens or more"},
      {folder.write("none.txt", ""), ErrorCode::kInput, "no usable text"},
      {folder.write("latin1.txt", "caf\xE9 au lait"), ErrorCode::kInput, "not UTF-8 at byte 3: 0xe9"},
      {folder / "absent/../dataset name", ErrorCode::kInput, "there is no file or folder"},
  };
  for (const auto& c : cases) {
    const Refusal refusal = refusal_of([&] { load(request_of(c.dataset)); });
    EXPECT_EQ(refusal.code, c.code) << c.dataset;
    EXPECT_THAT(refusal.message, HasSubstr(c.message));
    EXPECT_NE(refusal.help, "");
  }
}

TEST(Calibration, RequestsThatCannotBeMetAreRefused) {
  const TempFolder folder;
  const auto file = folder.write("a.txt", "It is a truth universally acknowledged, that a single man");
  for (const auto& [samples, length] : std::vector<std::pair<size_t, size_t>>{
           {0, 2048}, {1, 0}, {1, 7}, {SIZE_MAX, 2048}, {1, SIZE_MAX}, {size_t{1} << 33, size_t{1} << 33}}) {
    EXPECT_EQ(refusal_of([&] { load(request_of(file, samples, length)); }).code, ErrorCode::kUsage);
  }
  CalibrationRequest request = request_of(file);
  request.split = "train";
  EXPECT_THAT(refusal_of([&] { load(request); }).message, HasSubstr("is one file"));
  request.split = "";
  request.vocab_size = 100;  // smaller than the tokenizer's
  EXPECT_THAT(refusal_of([&] { load(request); }).message,
              HasSubstr("but the model has 100 tokens (0 to 99)"));
}

TEST(Calibration, MessagesNeedAChatTemplate) {
  const TempFolder folder;
  const std::string golden = std::string(TERSOR_SOURCE_DIR) + "/tests/tokenizer/golden/gpt2.json";
  const Tokenizer gpt2 = Tokenizer::from_json(read_file(golden, 1 << 20), golden);
  const auto file = folder.write("a.jsonl", R"({"messages": [{"role": "user", "content": "x"}]})");
  const Refusal refusal = refusal_of([&] { load_calibration(request_of(file), gpt2); });
  EXPECT_THAT(refusal.message, HasSubstr("a.jsonl:1: chat messages, but the model has no chat template"));
  EXPECT_THAT(refusal.help, HasSubstr("--text-column"));
}

TEST(Calibration, HubDatasetsAreFoundInTheLocalCache) {
  const TempFolder folder;
  const auto repository = std::filesystem::path("hub/datasets--org--chats");
  folder.write((repository / "refs/main").string(), "abc123");
  folder.write((repository / "snapshots/abc123/train.jsonl").string(),
               "{\"text\": \"one two three four five six seven eight nine ten\"}\n");
  ::setenv("HF_HUB_CACHE", (folder / "hub").c_str(), 1);
  const CalibrationData data = load(request_of("org/chats"));
  const Refusal absent = refusal_of([&] { load(request_of("org/other")); });
  ::unsetenv("HF_HUB_CACHE");
  EXPECT_EQ(data.samples.size(), 1u);
  EXPECT_EQ(data.description, "org/chats (1 JSON file)");
  EXPECT_THAT(absent.message, HasSubstr("holds no dataset of that name"));
  EXPECT_THAT(absent.help, HasSubstr("hf download --repo-type dataset org/other"));
}

TEST(Calibration, WithoutADatasetTheBuiltInTextIsUsedAndSaid) {
  CalibrationRequest request = request_of("", 200, 512);
  const CalibrationData data = load(request);
  EXPECT_EQ(data.samples.size(), 200u);
  for (const Ids& ids : data.samples) EXPECT_EQ(ids.size(), 512u);
  EXPECT_TRUE(data.packed);
  EXPECT_TRUE(data.builtin);
  EXPECT_EQ(data.description, "the built-in calibration text");
  EXPECT_THAT(data.notes, ElementsAre(HasSubstr("no dataset was given")));

  const std::string file = std::string(TERSOR_SOURCE_DIR) + "/data/calibration/builtin.txt";
  EXPECT_EQ(datasets::builtin_text(), read_file(file, 1 << 22));
  const datasets::Documents documents = datasets::builtin_documents();
  EXPECT_EQ(documents.count, data.documents);
  EXPECT_GT(documents.count, 100u);
  std::string joined;
  for (size_t i = 0; i < documents.count; ++i)
    joined += (i == 0 ? "" : "\n\f\n") + std::get<datasets::Text>(documents.read(i).content).utf8;
  EXPECT_EQ(joined, datasets::builtin_text());
}

TEST(Calibration, TokensAreKeptForTheNextRunUntilSomethingChanges) {
  const TempFolder folder;
  ::setenv("XDG_CACHE_HOME", (folder / "cache").c_str(), 1);
  const auto cached_files = [&] {
    std::vector<std::filesystem::path> files;
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(folder / "cache/tersor/calibration", error))
      files.push_back(entry.path());
    return files;
  };
  std::string text;
  for (size_t i = 0; i < 10; ++i) text += sentence(i);
  CalibrationRequest request = request_of(folder.write("a.txt", text), 4, 16);
  const CalibrationData without = load(request);
  EXPECT_TRUE(cached_files().empty());
  request.cache = true;
  const CalibrationData made = load(request), found = load(request);
  EXPECT_EQ(made.hash, without.hash);
  ASSERT_EQ(cached_files().size(), 1u);
  EXPECT_EQ(found.samples, made.samples);
  EXPECT_EQ(found.documents, made.documents);
  EXPECT_EQ(found.notes, made.notes);

  // A damaged cache is found, said and made anew.
  const std::filesystem::path file = cached_files().front();
  std::string bytes = read_file(file, 1 << 20);
  bytes[bytes.size() / 2] ^= 1;
  folder.write(file.lexically_relative(folder.path()).string(), bytes);
  const CalibrationData again = load(request);
  EXPECT_EQ(again.samples, made.samples);
  EXPECT_THAT(again.notes, Contains(HasSubstr("was damaged: tokenized anew")));
  EXPECT_THAT(load(request).notes, testing::Not(Contains(HasSubstr("damaged"))));

  // Other data, options or tokenizers never meet it.
  folder.write("a.txt", "Other words. " + text);
  EXPECT_NE(load(request).hash, made.hash);
  request.max_seq_length = 17;
  load(request);
  request.shuffle = true;
  load(request);
  EXPECT_EQ(cached_files().size(), 4u);
  ::unsetenv("XDG_CACHE_HOME");
}

TEST(Calibration, TokenizersAreToldApartByTheirContents) {
  const std::string path = std::string(TERSOR_SOURCE_DIR) + "/models/tiny/tokenizer.json";
  const std::string json = read_file(path, 1 << 24);
  const Tokenizer bare = Tokenizer::from_json(json, path);
  EXPECT_EQ(bare.content_hash(), Tokenizer::from_json(json, "elsewhere").content_hash());
  EXPECT_NE(bare.content_hash(), Tokenizer::from_json(json + "\n", path).content_hash());
  EXPECT_NE(bare.content_hash(), tiny().content_hash());  // it has a chat template
  EXPECT_EQ(tiny().content_hash(),
            Tokenizer::load(std::string(TERSOR_SOURCE_DIR) + "/models/tiny").content_hash());
}

}  // namespace
}  // namespace tersor
