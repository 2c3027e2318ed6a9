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

}  // namespace culvert::l7::test
