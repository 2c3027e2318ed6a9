// A node without a kernel: namespaces are names with cookies, capture is a set, steps can be made
// fail.
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "capture.hpp"

namespace culvert::agent::testing {

class PretendedNode final : public Capture {
 public:
  std::map<std::string, std::uint64_t> namespaces;  // by path
  std::set<std::uint64_t> in_kernel;
  std::set<std::uint64_t> freed;
  std::string pods_json;
  std::vector<std::string> steps;  // "save", "capture 7", "release 7"
  bool fail_capture = false;
  bool fail_save = false;
  bool out_of_descriptors = false;
  std::function<void(std::uint64_t cookie)> during_capture;  // on the capturing thread

  std::expected<OpenNetns, NetnsProblem> open_netns(const std::string& path) override {
    if (out_of_descriptors) return std::unexpected(NetnsProblem{false, {"open: EMFILE", ""}});
    const auto found = namespaces.find(path);
    if (found == namespaces.end()) return std::unexpected(NetnsProblem{true, {"open: ENOENT", ""}});
    return OpenNetns{UniqueFd(), found->second};
  }
  std::uint64_t own_netns_cookie() override { return 1; }
  Outcome<void> capture(int, const PodSpec& spec) override {
    const std::uint64_t cookie = namespaces.at(spec.netns);
    if (during_capture) during_capture(cookie);
    const std::lock_guard lock(mutex_);
    steps.push_back("capture " + std::to_string(cookie));
    if (fail_capture) return problem("attach: EPERM", "run as root");
    in_kernel.insert(cookie);
    return {};
  }
  Outcome<void> release(std::uint64_t cookie, int) override {
    const std::lock_guard lock(mutex_);
    steps.push_back("release " + std::to_string(cookie));
    in_kernel.erase(cookie);
    return {};
  }
  Outcome<std::vector<CapturedNetns>> captured() override {
    std::vector<CapturedNetns> out;
    const std::lock_guard lock(mutex_);
    for (const std::uint64_t cookie : in_kernel) out.push_back({cookie, true});
    return out;
  }
  Outcome<std::vector<OlderSocket>> past_ztunnel(int) override {
    return std::vector<OlderSocket>{};
  }
  bool netns_freed(std::uint64_t cookie) override { return freed.contains(cookie); }
  std::vector<MapFill> fills;
  Outcome<std::vector<MapFill>> map_fill() override { return fills; }
  Outcome<void> restore_excludes() override {
    steps.emplace_back("excludes");
    return {};
  }
  Outcome<std::vector<std::string>> check_order() override { return std::vector<std::string>{}; }
  Outcome<void> save(const std::string& text) override {
    const std::lock_guard lock(mutex_);
    steps.push_back("save");
    if (fail_save) return problem("write pods.json: ENOSPC");
    pods_json = text;
    return {};
  }

 private:
  std::mutex mutex_;  // of what pods that are captured side by side change
};

inline PodSpec spec_of(const std::string& uid, const std::string& netns) {
  return {uid, "shop", "web-" + uid, "web", netns, {IpAddress::v4(10, 0, 0, 5)}};
}

}  // namespace culvert::agent::testing
