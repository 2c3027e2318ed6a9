// A directory that goes with its scope, for tests.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>

namespace culvert::test {

class TemporaryDir {
 public:
  TemporaryDir()
      : path_((std::filesystem::temp_directory_path() / "culvert-test-XXXXXX").string()) {
    if (::mkdtemp(path_.data()) == nullptr) std::abort();
  }
  TemporaryDir(const TemporaryDir&) = delete;
  TemporaryDir& operator=(const TemporaryDir&) = delete;
  ~TemporaryDir() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace culvert::test
