// ztunnel's ZDS state machine.
#include "culvert/zds/client.hpp"

#include <cassert>
#include <utility>

namespace culvert::zds {

std::string Client::connected() {
  connected_ = true;
  snapshot_done_ = false;
  snapshot_.clear();
  return encode_hello();
}

void Client::disconnected() {
  connected_ = false;
}

void Client::erase(std::map<std::string, Entry>::iterator it) {
  if (!it->second.running) --pending_count_;
  workloads_.erase(it);
}

void Client::set_running(Entry& entry, bool running) {
  if (entry.running == running) return;
  entry.running = running;
  running ? --pending_count_ : ++pending_count_;
}

Result<Step> Client::on_packet(std::span<const std::byte> packet,
                               std::optional<std::uint64_t> netns_cookie) {
  assert(starting_.empty());  // finish() comes first
  auto request = decode_request(packet);
  if (!request) return std::unexpected(request.error());
  const auto* add = std::get_if<Add>(&*request);
  if ((add != nullptr) != netns_cookie.has_value()) {
    return fail(ErrorCode::kProtocol, add != nullptr ? "ZDS add without a network namespace"
                                                     : "ZDS request with a stray descriptor");
  }
  if (add != nullptr) return on_add(add->workload, *netns_cookie);
  if (const auto* keep = std::get_if<Keep>(&*request)) {
    if (snapshot_done_) return fail(ErrorCode::kProtocol, "ZDS keep after the snapshot");
    snapshot_.insert(keep->uid);
    return Step{};
  }
  if (const auto* del = std::get_if<Del>(&*request)) {
    if (!snapshot_done_) return fail(ErrorCode::kProtocol, "ZDS del before the snapshot");
    Step step;
    if (const auto it = workloads_.find(del->uid); it != workloads_.end()) {
      step.stop.push_back(del->uid);
      erase(it);
    }
    return step;
  }
  if (snapshot_done_) return fail(ErrorCode::kProtocol, "ZDS snapshot sent twice");
  return on_snapshot();
}

Result<Step> Client::on_add(const Workload& workload, std::uint64_t netns_cookie) {
  if (!snapshot_done_) snapshot_.insert(workload.uid);
  Step step;
  if (const auto it = workloads_.find(workload.uid); it != workloads_.end()) {
    const Entry& entry = it->second;
    if (entry.running && entry.netns_cookie == netns_cookie && entry.workload == workload) {
      return step;
    }
    step.stop.push_back(workload.uid);
    erase(it);
  }
  workloads_.emplace(workload.uid, Entry{.workload = workload, .netns_cookie = netns_cookie});
  ++pending_count_;
  starting_ = workload.uid;
  step.start = workload;
  return step;
}

Step Client::on_snapshot() {
  Step step;
  for (auto it = workloads_.begin(); it != workloads_.end();) {
    const auto current = it++;
    if (snapshot_.contains(current->first)) continue;
    step.stop.push_back(current->first);
    erase(current);
  }
  snapshot_.clear();
  snapshot_done_ = true;
  return step;
}

std::string Client::finish(std::string_view start_error) {
  const std::string uid = std::exchange(starting_, {});
  if (uid.empty()) return encode_ack({});
  set_running(workloads_.at(uid), start_error.empty());
  return encode_ack(start_error);
}

std::vector<Workload> Client::pending() const {
  std::vector<Workload> out;
  for (const auto& [uid, entry] : workloads_) {
    if (!entry.running && uid != starting_) out.push_back(entry.workload);
  }
  return out;
}

bool Client::retried(const std::string& uid) {
  const auto it = workloads_.find(uid);
  if (it == workloads_.end()) return false;
  set_running(it->second, true);
  return true;
}

}  // namespace culvert::zds
