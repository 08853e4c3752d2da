// Stands in for parquet_files.cc in a build without Apache Arrow.
#include <fmt/format.h>

#include "tersor/base/error.h"
#include "tersor/datasets/parquet_files.h"

namespace tersor::datasets {

Documents parquet_documents(const std::vector<std::filesystem::path>& files,
                            const std::string& /*text_column*/) {
  throw usage_error(fmt::format("{}: this build of tersor reads no Parquet files", files.front().string()),
                    "convert it to JSON lines: `python3 -c \"import pandas; pandas.read_parquet('IN.parquet')"
                    ".to_json('OUT.jsonl', orient='records', lines=True)\"`, or build tersor where Apache "
                    "Arrow (libparquet-dev) "
                    "is installed");
}

}  // namespace tersor::datasets
