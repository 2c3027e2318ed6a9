// Tables of the pages under docs/.
#pragma once

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

namespace culvert::l7::test {

/// The lines of docs/NAME, in the tree that this binary was built in.
inline std::vector<std::string> page(const std::string& name) {
  auto folder = std::filesystem::read_symlink("/proc/self/exe").parent_path();
  while (!std::filesystem::exists(folder / "docs" / name)) {
    REQUIRE(folder.has_relative_path());
    folder = folder.parent_path();
  }
  std::ifstream file(folder / "docs" / name);
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  return lines;
}

/// "| a | b |" as its two cells.
inline std::pair<std::string, std::string> cells(const std::string& line) {
  const auto bar = line.find(" | ");
  return {line.substr(2, bar - 2), line.substr(bar + 3, line.rfind(" |") - bar - 3)};
}

/// The rows of the table of docs/NAME that has this line as its head, without the line below it.
inline std::vector<std::pair<std::string, std::string>> table(const std::string& name,
                                                              const std::string& head) {
  std::vector<std::pair<std::string, std::string>> rows;
  bool there = false;
  for (const auto& line : page(name)) {
    if (there && line.starts_with("| ")) rows.push_back(cells(line));
    there = (there && !line.empty()) || line == head;
  }
  return rows;
}

}  // namespace culvert::l7::test
