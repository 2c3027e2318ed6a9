// Drives the capture library for tests/e2e/capture: `agent` keeps a Datapath and takes commands on
// standard input, `ztunnel` offers listeners in one pod. Answers and events are JSON lines.
#include <fcntl.h>
#include <fmt/format.h>

#include <cstdio>
#include <iostream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "culvert/bpf/netns.hpp"
#include "datapath.hpp"
#include "fake_ztunnel.hpp"

using namespace culvert;
using namespace culvert::agent;

namespace {

using Options = std::multimap<std::string, std::string>;

std::string option(const Options& options, const std::string& name) {
  const auto it = options.find(name);
  return it == options.end() ? "" : it->second;
}

void say(const std::string& json) {
  fmt::print("{}\n", json);
  std::fflush(stdout);
}

void say_problem(const Problem& problem) {
  say(fmt::format(R"({{"error":"{}","next":"{}"}})", problem.what, problem.next));
}

DatapathSettings settings_of(const Options& options) {
  DatapathSettings settings{.pin_dir = option(options, "--pin-dir"),
                            .cgroup = option(options, "--cgroup"),
                            .kubelet_cgroup = option(options, "--kubelet-cgroup")};
  if (options.contains("--block"))
    settings.block_first = parse_block(option(options, "--block")).value();
  if (option(options, "--guard-hook") == "clsact") settings.guard_hook = GuardHook::kClsact;
  if (options.contains("--max-handshakes"))
    settings.max_handshakes = static_cast<unsigned>(std::stoi(option(options, "--max-handshakes")));
  const auto [first, last] = options.equal_range("--exclude-cidr");
  for (auto it = first; it != last; ++it)
    settings.exclude_ranges.push_back(*IpPrefix::parse(it->second));
  const auto [from, to] = options.equal_range("--exclude-port");
  for (auto it = from; it != to; ++it)
    settings.exclude_ports.push_back(static_cast<std::uint16_t>(std::stoi(it->second)));
  return settings;
}

void enroll(Datapath& datapath, std::istringstream& words) {
  std::string netns, ip;
  words >> netns;
  std::vector<IpAddress> ips;
  GuardMode guard = GuardMode::kStrict;
  while (words >> ip) {
    if (const auto mode = parse_guard_mode(ip))
      guard = *mode;
    else
      ips.push_back(*IpAddress::parse(ip));
  }
  const UniqueFd fd(open(netns.c_str(), O_RDONLY | O_CLOEXEC));
  auto cookie = datapath.enroll(fd.get(), pod_addresses(ips), guard);
  if (!cookie) return say_problem(cookie.error());
  say(fmt::format(R"({{"cookie":{}}})", *cookie));
}

void unenroll(Datapath& datapath, std::istringstream& words) {
  std::string netns;
  words >> netns;
  const UniqueFd fd(open(netns.c_str(), O_RDONLY | O_CLOEXEC));
  const auto cookie = bpf::netns_cookie(fd.get());
  if (!cookie) return say(R"({"error":"no such netns"})");
  auto done = datapath.unenroll(*cookie, fd.get());
  if (!done) return say_problem(done.error());
  say("{}");
}

void list(const Datapath& datapath) {
  auto pods = datapath.list();
  if (!pods) return say_problem(pods.error());
  std::string out;
  for (const EnrolledPod& pod : *pods)
    out +=
        fmt::format(R"({}{{"cookie":{},"ready":{},"linked":{},"unguarded":{}}})",
                    out.empty() ? "" : ",", pod.netns_cookie, pod.ready, pod.linked, pod.unguarded);
  say(fmt::format(R"({{"pods":[{}]}})", out));
}

void sockets(Datapath& datapath, std::istringstream& words) {
  std::string netns;
  words >> netns;
  const UniqueFd fd(open(netns.c_str(), O_RDONLY | O_CLOEXEC));
  auto found = datapath.past_ztunnel(fd.get());
  if (!found) return say_problem(found.error());
  std::string out;
  for (const OlderSocket& socket : *found)
    out += fmt::format(R"({}["{}","{}","{}"])", out.empty() ? "" : ",", socket.local.to_string(),
                       socket.remote.to_string(), socket.state);
  say(fmt::format(R"({{"sockets":[{}]}})", out));
}

void order(Datapath& datapath) {
  auto warnings = datapath.check_order();
  if (!warnings) return say_problem(warnings.error());
  say(fmt::format(R"({{"warnings":{},"text":"{}"}})", warnings->size(),
                  warnings->empty() ? "" : warnings->front()));
}

int run_agent(const Options& options) {
  auto datapath = Datapath::open(settings_of(options));
  if (!datapath) {
    say_problem(datapath.error());
    return 1;
  }
  say(fmt::format(R"({{"ready":true,"placement":"{}"}})", placement_name(datapath->placement())));
  std::string line;
  while (std::getline(std::cin, line)) {
    std::istringstream words(line);
    std::string command;
    words >> command;
    if (command == "enroll") enroll(*datapath, words);
    if (command == "unenroll") unenroll(*datapath, words);
    if (command == "list") list(*datapath);
    if (command == "sockets") sockets(*datapath, words);
    if (command == "order") order(*datapath);
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  for (int i = 2; i + 1 < argc; i += 2) options.emplace(argv[i], argv[i + 1]);
  const std::string command = argc > 1 ? argv[1] : "";
  if (command == "agent") return run_agent(options);
  if (command == "ztunnel")
    return test::run_fake_ztunnel(option(options, "--pin-dir"), option(options, "--netns"),
                                  option(options, "--mode") == "relay");
  if (command == "unload") {
    auto removed = unload(option(options, "--pin-dir"));
    if (!removed) return say_problem(removed.error()), 1;
    say(fmt::format(R"({{"links":{}}})", *removed));
    return 0;
  }
  fmt::print(stderr, "usage: capture_driver agent|ztunnel|unload --pin-dir DIR ...\n");
  return 2;
}
