// Prints log files, and follows them as they grow.
#pragma once

#include <string>
#include <vector>

namespace culvert::cli {

/// The last `tail` lines of each (all when negative), each line led by its file's name when there
/// are several; then, with `follow`, what is appended, until interrupted. Returns the exit status.
int print_logs(const std::vector<std::string>& paths, int tail, bool follow);

/// The last `lines` lines of `text`.
std::string last_lines(const std::string& text, int lines);

}  // namespace culvert::cli
