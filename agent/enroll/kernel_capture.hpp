// Capture on the real node: namespaces by path and cookie, the BPF datapath, the state file.
#pragma once

#include <string>

#include "capture.hpp"
#include "datapath.hpp"

namespace culvert::agent {

class KernelCapture final : public Capture {
 public:
  /// `guard` is the mode of pods that wish for none.
  KernelCapture(Datapath datapath, std::string pods_file, GuardMode guard);

  std::expected<OpenNetns, NetnsProblem> open_netns(const std::string& path) override;
  std::uint64_t own_netns_cookie() override { return own_netns_cookie_; }
  Outcome<void> capture(int netns_fd, const PodSpec& spec) override;
  Outcome<void> release(std::uint64_t cookie, int netns_fd) override;
  Outcome<std::vector<CapturedNetns>> captured() override;
  bool netns_freed(std::uint64_t cookie) override;
  Outcome<std::vector<OlderSocket>> past_ztunnel(int netns_fd) override {
    return datapath_.past_ztunnel(netns_fd);
  }
  Outcome<std::vector<MapFill>> map_fill() override { return datapath_.fill(); }
  Outcome<void> restore_excludes() override { return datapath_.write_excludes(); }
  Outcome<std::vector<std::string>> check_order() override { return datapath_.check_order(); }
  Outcome<void> save(const std::string& pods_json) override;

 private:
  Datapath datapath_;
  std::string pods_file_;
  GuardMode guard_;
  std::uint64_t own_netns_cookie_;  // 0: not known
};

/// Opens a namespace file and reads its cookie. Any thread. Anything but a network namespace is
/// `gone`; a failure of this process (descriptors, rights) is not.
std::expected<OpenNetns, NetnsProblem> open_netns_file(const std::string& path);

}  // namespace culvert::agent
