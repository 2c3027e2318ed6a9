// Folders of pins.
#pragma once

#include <string>
#include <vector>

namespace culvert::agent {

/// Names of the entries in a folder, sorted; empty when it cannot be read.
std::vector<std::string> pinned_names(const std::string& folder);

}  // namespace culvert::agent
