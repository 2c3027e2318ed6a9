// The view that `culvert status` and `culvert lab status` share.
#pragma once

#include <string>

namespace culvert::cli {

/// Prints a lab's state; returns the exit status: 0 when it is healthy.
int show_status(const std::string& name, bool json);

}  // namespace culvert::cli
