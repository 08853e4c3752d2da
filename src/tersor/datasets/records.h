// Records with named columns, from JSON: each is one document. Internal to datasets/.
//
//   {"text": "…"}                                                    plain text
//   {"messages": [{"role": "user", "content": "…"}, …]}              a conversation, for the chat template
//   {"conversations": [{"from": "human", "value": "…"}, …]}          the same as ShareGPT spells it
//   {"input_ids": [1, 17, …], "attention_mask": [1, 1, …]}           token ids; the mask may be absent
#pragma once

#include <array>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "tersor/datasets/document.h"
#include "tersor/io/json.h"

namespace tersor::datasets {

// Where the text is looked for when no column was named and there is no "text".
inline constexpr std::array<const char*, 3> kOtherColumns = {"messages", "conversations", "input_ids"};

// The document of one record; `place` names it in errors. Throws Error(kInput) when there is no column of
// that name (naming those that there are) or it holds something else.
Document record_document(const OrderedJson& record, const std::string& text_column, const std::string& place);

// One line of a JSONL file. Throws Error(kInput) for a line that is not UTF-8 or no JSON object. `offset`:
// where in the file the line starts.
Document line_document(std::string_view line, uint64_t offset, const std::string& text_column,
                       const std::string& place);

// Files of JSON lines, and .json files that hold one list of records. Lines that are blank do not count.
// The files are read through once, for the places of their lines; a record is parsed when it is asked for.
Documents json_documents(const std::vector<std::filesystem::path>& files, const std::string& text_column);

}  // namespace tersor::datasets
