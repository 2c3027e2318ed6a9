// A folder that is there for one test.
#pragma once

#include <stdlib.h>

#include <filesystem>
#include <string>

namespace culvert::testing {

struct TemporaryFolder {
  TemporaryFolder() {
    std::string name = "/tmp/culvert_test.XXXXXX";
    path = ::mkdtemp(name.data());
  }
  ~TemporaryFolder() { std::filesystem::remove_all(path); }
  std::string path;
};

}  // namespace culvert::testing
