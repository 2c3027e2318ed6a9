#include "culvert/maps_diff.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace culvert::cli {
namespace {

std::string entry_words(const PodEntry& entry) {
  return fmt::format("{} {} {}", entry.ip4, entry.ip6, entry.ready ? "redirected" : "refused");
}

// Gathers the differences of one comparison; knows how namespaces are called.
class Comparison {
 public:
  explicit Comparison(const Wishes& wishes) : wishes_(wishes) {}

  void add(std::string map, std::string entry, std::string state, std::string kernel,
           std::string want, std::string why, bool by_agent = true) {
    out_.push_back({std::move(map), std::move(entry), std::move(state), std::move(kernel),
                    std::move(want), std::move(why), by_agent});
  }
  std::string name(std::uint64_t cookie) const {
    const auto found = wishes_.names.find(cookie);
    return found == wishes_.names.end() ? fmt::format("netns {}", cookie)
                                        : fmt::format("{} (netns {})", found->second, cookie);
  }
  bool ending(std::uint64_t cookie) const { return wishes_.ending.contains(cookie); }

  void layout(const CaptureMaps& kernel);
  void excludes(const CaptureMaps& kernel);
  void pods(const CaptureMaps& kernel);
  void counters(const CaptureMaps& kernel);
  void listeners(const CaptureMaps& kernel);
  std::vector<MapDifference> take() { return std::move(out_); }

 private:
  const Wishes& wishes_;
  std::vector<MapDifference> out_;
};

void Comparison::layout(const CaptureMaps& kernel) {
  if (kernel.block_first == wishes_.maps.block_first) return;
  add("cv_layout", "block", "different", std::to_string(kernel.block_first),
      std::to_string(wishes_.maps.block_first),
      "the agent's --outbound-ports; it is written when it starts", false);
}

void Comparison::excludes(const CaptureMaps& kernel) {
  for (const std::string& text : wishes_.maps.excludes)
    if (!kernel.excludes.contains(text))
      add("cv_exclude", text, "missing", "", "excluded", "the agent was started with it");
  for (const std::string& text : kernel.excludes)
    if (!wishes_.maps.excludes.contains(text))
      add("cv_exclude", text, "extra", "excluded", "", "the agent was not started with it");
}

void Comparison::pods(const CaptureMaps& kernel) {
  for (const auto& [cookie, want] : wishes_.maps.pods) {
    const auto found = kernel.pods.find(cookie);
    if (found == kernel.pods.end()) {
      add("cv_pod", name(cookie), "missing", "", entry_words(want),
          "the pod is enrolled; without the entry its connections are not captured");
    } else if (found->second != want) {
      add("cv_pod", name(cookie), "different", entry_words(found->second), entry_words(want),
          "the pod is enrolled with these addresses");
    }
  }
  for (const auto& [cookie, entry] : kernel.pods)
    if (!wishes_.maps.pods.contains(cookie) && !ending(cookie))
      add("cv_pod", name(cookie), "extra", entry_words(entry), "",
          "no pod of this node has this namespace");
}

void Comparison::counters(const CaptureMaps& kernel) {
  for (const std::uint64_t cookie : wishes_.maps.counters)
    if (!kernel.counters.contains(cookie))
      add("cv_counter", name(cookie), "missing", "", "counters",
          "the pod is enrolled; nothing is counted");
  for (const std::uint64_t cookie : kernel.counters)
    if (!wishes_.maps.counters.contains(cookie) && !ending(cookie))
      add("cv_counter", name(cookie), "extra", "counters", "",
          "no pod of this node has this namespace");
}

void Comparison::listeners(const CaptureMaps& kernel) {
  const std::set<std::string> none;
  for (const auto& [cookie, want] : wishes_.maps.listeners) {
    const auto found = kernel.listeners.find(cookie);
    const std::set<std::string>& have = found == kernel.listeners.end() ? none : found->second;
    for (const std::string& slot : want)
      if (!have.contains(slot))
        add("cv_listener", name(cookie) + " " + slot, "missing", "", "a socket",
            "ztunnel offers it; without it connections are refused", false);
  }
  for (const auto& [cookie, have] : kernel.listeners)
    if (!wishes_.maps.listeners.contains(cookie) && !ending(cookie))
      add("cv_listener", name(cookie), "extra", fmt::format("{} sockets", have.size()), "",
          "no pod of this node has this namespace", false);
}

}  // namespace

std::vector<MapDifference> diff_maps(const Wishes& wishes, const CaptureMaps& kernel) {
  Comparison comparison(wishes);
  comparison.layout(kernel);
  comparison.excludes(kernel);
  comparison.pods(kernel);
  comparison.counters(kernel);
  comparison.listeners(kernel);
  return comparison.take();
}

Json difference_json(const MapDifference& d) {
  return {{"map", d.map},
          {"entry", d.entry},
          {"state", d.state},
          {"kernel", d.kernel},
          {"wanted", d.want},
          {"why", d.why},
          {"mended_by", d.by_agent ? "agent" : "ztunnel"}};
}

}  // namespace culvert::cli
