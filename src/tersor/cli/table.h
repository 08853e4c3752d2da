// Aligned columns of text.
#pragma once

#include <string>
#include <vector>

namespace tersor {

class Table {
 public:
  // `alignment`: one '<' (left) or '>' (right) per column.
  explicit Table(std::string alignment) : alignment_(std::move(alignment)) {}

  // Line ends in a cell show as \x0A.
  void add(std::vector<std::string> row);
  bool empty() const { return rows_.empty(); }
  // Every row on its line, two spaces before it and between columns; no trailing blanks.
  std::string text() const;

 private:
  std::string alignment_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace tersor
