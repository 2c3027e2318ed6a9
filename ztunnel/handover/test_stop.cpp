#include "ztunnel/handover/test_stop.hpp"

#include <csignal>
#include <cstdlib>

#include "culvert/base/fd.hpp"
#include "culvert/base/log.hpp"

namespace culvert::ztunnel {

void stop_for_test(std::string_view step) {
  const char* path = std::getenv("CULVERT_TEST_STOP_FILE");
  if (path == nullptr) return;
  const auto wanted = read_file(path, 64);
  if (!wanted || *wanted != step) return;
  log::warn("stopped for a test at step \"{}\"", step);
  (void)std::raise(SIGSTOP);
}

}  // namespace culvert::ztunnel
