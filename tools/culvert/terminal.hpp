// How the CLI prints: aligned tables, and color on a terminal unless NO_COLOR is set
// (no-color.org).
#pragma once

#include <string>
#include <vector>

namespace culvert::cli {

enum class Color { kGreen, kYellow, kRed, kBold };
/// The text in a color when standard output is a terminal and NO_COLOR is unset or empty.
std::string colored(const std::string& text, Color color);

class Table {
 public:
  explicit Table(std::vector<std::string> head) : rows_{std::move(head)} {}
  void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
  /// Columns two blanks apart; colors do not count as width.
  std::string to_string() const;

 private:
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace culvert::cli
