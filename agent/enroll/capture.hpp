// The seam between enrollment and the node: network namespaces by path, their capture, and the file
// that remembers. KernelCapture is the real one; unit tests put a pretended node behind it.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <vector>

#include "culvert/base/fd.hpp"
#include "map_fill.hpp"
#include "older_sockets.hpp"
#include "pod.hpp"
#include "problem.hpp"

namespace culvert::agent {

struct OpenNetns {
  UniqueFd fd;
  std::uint64_t cookie = 0;
};
struct NetnsProblem {
  bool gone = false;  // certain: no file, or one that is no network namespace any more
  Problem problem;
};

struct CapturedNetns {
  std::uint64_t cookie = 0;
  bool complete = false;   // false: some part is missing, and it refuses
  bool unguarded = false;  // not certain that its guard stands: capture it again
};

/// Called by Enrollment. open_netns(), capture(), release() and past_ztunnel() of different
/// namespaces come from several threads at once; the others come from one at a time.
class Capture {
 public:
  virtual ~Capture() = default;
  virtual std::expected<OpenNetns, NetnsProblem> open_netns(const std::string& path) = 0;
  /// The cookie of the agent's own namespace, which is nobody's pod.
  virtual std::uint64_t own_netns_cookie() = 0;
  /// Idempotent; on failure the pod refuses, it never passes.
  virtual Outcome<void> capture(int netns_fd, const PodSpec& spec) = 0;
  /// `netns_fd` is -1 when the namespace has no name any more.
  virtual Outcome<void> release(std::uint64_t cookie, int netns_fd) = 0;
  /// The namespaces that the kernel captures now.
  virtual Outcome<std::vector<CapturedNetns>> captured() = 0;
  /// True when it is certain that the kernel has freed the captured namespace.
  virtual bool netns_freed(std::uint64_t cookie) = 0;
  /// The pod's connections that go past ztunnel.
  virtual Outcome<std::vector<OlderSocket>> past_ztunnel(int netns_fd) = 0;
  /// How full the capture maps are.
  virtual Outcome<std::vector<MapFill>> map_fill() = 0;
  /// Writes the excluded ranges and ports anew, and takes others out.
  virtual Outcome<void> restore_excludes() = 0;
  /// Moves our hooks to the front again where it can; what still comes before them.
  virtual Outcome<std::vector<std::string>> check_order() = 0;
  /// Writes pods.json; it is on disk, or the old one is.
  virtual Outcome<void> save(const std::string& pods_json) = 0;
};

}  // namespace culvert::agent
