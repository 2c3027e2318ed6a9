// The view that `culvert status` and `culvert lab status` share.
#pragma once

#include <string>

namespace culvert::cli {

/// Prints a lab's state as a table, JSON or YAML; returns the exit status: 0 when it is healthy.
int show_status(const std::string& name, const std::string& format);

}  // namespace culvert::cli
