// For tests of handovers that break off.
#pragma once

#include <string_view>

namespace culvert::ztunnel {

/// When the environment variable CULVERT_TEST_STOP_FILE names a file that holds this step's name,
/// the process stops itself (SIGSTOP), so that a test can end one of the two at a certain step.
void stop_for_test(std::string_view step);

}  // namespace culvert::ztunnel
