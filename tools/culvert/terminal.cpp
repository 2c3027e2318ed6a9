#include "culvert/terminal.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>

namespace culvert::cli {
namespace {

// Characters on the screen: neither escape sequences nor UTF-8 continuation bytes.
std::size_t width(const std::string& text) {
  std::size_t out = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\x1b') {
      i = text.find('m', i);
      if (i == std::string::npos) break;
    } else if ((static_cast<unsigned char>(text[i]) & 0xc0) != 0x80) {
      ++out;
    }
  }
  return out;
}

}  // namespace

std::string colored(const std::string& text, Color color) {
  const char* no_color = std::getenv("NO_COLOR");
  const bool plain = (no_color != nullptr && *no_color != '\0') || ::isatty(STDOUT_FILENO) == 0;
  if (plain) return text;
  const char* code = color == Color::kGreen    ? "32"
                     : color == Color::kYellow ? "33"
                     : color == Color::kRed    ? "31"
                                               : "1";
  return std::string("\x1b[") + code + "m" + text + "\x1b[0m";
}

std::string Table::to_string() const {
  std::vector<std::size_t> widths;
  for (const auto& row : rows_)
    for (std::size_t i = 0; i < row.size(); ++i) {
      if (i == widths.size()) widths.push_back(0);
      widths[i] = std::max(widths[i], width(row[i]));
    }
  std::string out;
  for (const auto& row : rows_) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      out += row[i];
      if (i + 1 < row.size()) out.append(widths[i] - width(row[i]) + 2, ' ');
    }
    out += '\n';
  }
  return out;
}

}  // namespace culvert::cli
