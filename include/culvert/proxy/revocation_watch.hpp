// The file of CRLs (--crl-file): looked at again and again, judged by whom this node's own
// certificates trust, published when it holds. On the control loop's thread.
#pragma once

#include <chrono>
#include <ctime>
#include <functional>
#include <map>
#include <string>
#include <tuple>

#include "culvert/io/task.hpp"
#include "culvert/tls/revocation.hpp"

namespace culvert::proxy {

inline constexpr auto kRevocationPoll = std::chrono::seconds(1);

class RevocationWatch {
 public:
  using Publish = std::function<void(const tls::RevocationListPtr& revoked)>;

  /// `path` empty: no file, nothing is revoked.
  RevocationWatch(std::string path, Publish publish)
      : path_(std::move(path)), publish_(std::move(publish)) {}

  /// Looks at the file every kRevocationPoll until its fiber is stopped.
  io::Task<> run();
  /// CRLs are believed that a root or an intermediate of these signed: those that came with
  /// `identity`'s certificate, in PEM. What the file says is in force when this returns, so that no
  /// handshake with that certificate comes before it.
  void trust(const std::string& identity, const std::string& intermediates,
             const std::string& roots);
  void forget(const std::string& identity);
  /// Reads the file if it, or whom to believe, changed. A file that is missing, broken or not by
  /// whom we trust changes nothing: what held before holds.
  void look();

  /// Why the file as it is now does not count; empty when it does.
  const std::string& problem() const { return problem_; }

 private:
  using Seen = std::tuple<ino_t, off_t, time_t, long>;  // inode, size, seconds and nanoseconds
  void refuse(std::string why);

  const std::string path_;
  Publish publish_;
  std::map<std::string, std::pair<std::string, std::string>> trusted_;  // intermediates, roots
  Seen seen_{};
  std::string judged_by_;  // the issuers of the last judgement
  std::string problem_;
};

}  // namespace culvert::proxy
