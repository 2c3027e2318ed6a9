// Tells that files in the folders of the pods' network namespaces were removed (inotify(7)), so
// that a pod which went away is noticed at once. Only a hint: what is true is read by
// Enrollment::check().
#pragma once

#include <set>
#include <string>

#include "culvert/base/error.hpp"
#include "culvert/base/fd.hpp"

namespace culvert::agent {

class NetnsWatch {
 public:
  static Result<NetnsWatch> create();
  /// For poll(2): readable when something was removed.
  int fd() const { return fd_.get(); }
  /// Watches these folders too; the ones that do not exist are left out. Idempotent.
  void watch(const std::set<std::string>& folders);
  /// Takes all events off; true when there were any.
  bool drain();

 private:
  explicit NetnsWatch(UniqueFd fd) : fd_(std::move(fd)) {}
  UniqueFd fd_;
};

}  // namespace culvert::agent
