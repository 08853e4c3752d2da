#include "tersor/cli/table.h"

#include <algorithm>

#include "tersor/base/text.h"
#include "tersor/base/utf8.h"

namespace tersor {
void Table::add(std::vector<std::string> row) {
  for (std::string& cell : row) cell = one_line(std::move(cell));  // whatever stands in a tensor's name
  rows_.push_back(std::move(row));
}

std::string Table::text() const {
  std::vector<size_t> widths(alignment_.size(), 0);
  for (const auto& row : rows_) {
    for (size_t c = 0; c < row.size(); ++c) widths[c] = std::max(widths[c], count_code_points(row[c]));
  }
  std::string out;
  for (const auto& row : rows_) {
    std::string line;
    for (size_t c = 0; c < row.size(); ++c) {
      const std::string pad(widths[c] - count_code_points(row[c]), ' ');
      line += "  " + (alignment_[c] == '>' ? pad + row[c] : row[c] + pad);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out += line + "\n";
  }
  return out;
}

}  // namespace tersor
