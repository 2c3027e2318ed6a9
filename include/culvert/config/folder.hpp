// The files of a folder as objects. Reading it again parses only what may have changed. Owned by
// control, on its one thread.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "culvert/base/error.hpp"
#include "culvert/config/parse.hpp"

namespace culvert::config {

inline constexpr std::size_t kMaxFiles = 10'000;

/// *.yaml, *.yml and *.json that are not hidden.
bool is_config_name(std::string_view name);

class Folder {
 public:
  explicit Folder(std::string dir) : dir_(std::move(dir)) {}

  /// Looks at every file, and reads those whose inode, size or times are not what they were; `but`
  /// stay as they were read. A file that cannot be read is incomplete with a diagnostic. Errors:
  /// the folder itself cannot be read, or holds more than kMaxFiles: nothing has changed then.
  Result<void> read(const std::set<std::string>& but = {});
  /// Reads these, whatever they seem to be; one that does not exist is gone. Of the others only
  /// those that could not be read last, or were read so soon after a write that a later one cannot
  /// be told from it. `but` and errors as above.
  Result<void> read_named(const std::set<std::string>& names,
                          const std::set<std::string>& but = {});

  /// In the order of their names.
  std::vector<ParsedFilePtr> files() const;
  /// Files parsed in all.
  std::uint64_t parsed() const { return parsed_; }

 private:
  /// stat(2)'s; equal ones mean equal content, but for what is written within the clock's grain.
  struct Stamp {
    std::uint64_t device = 0, inode = 0, size = 0;
    std::int64_t modified_ns = 0, changed_ns = 0;
    bool operator==(const Stamp&) const = default;
  };
  struct Known {
    Stamp stamp;
    bool settled = false;  // the stamp was old enough when the text was read; false without text
    std::uint64_t checksum = 0;
    std::size_t bytes = 0;
    ParsedFilePtr file;
  };
  enum class Look : std::uint8_t {
    kChanged,  // reads it when it is not what it was
    kAnyway,
    kAgain,  // anyway, but that it is missing is for others to tell: it may be on its way back
  };
  void take(const std::string& name, Look look);

  const std::string dir_;
  std::map<std::string, Known> known_;
  std::uint64_t parsed_ = 0;
};

}  // namespace culvert::config
