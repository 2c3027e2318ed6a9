#include "ztunnel/handover/draining_links.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>
#include <set>

#include "culvert/base/log.hpp"
#include "culvert/base/unix_socket.hpp"
#include "culvert/io/scope.hpp"
#include "ztunnel/handover/words.hpp"

namespace culvert::ztunnel {

using io::Task;

namespace {

// How often the pods are compared: a removed pod's connections end so much later at a draining
// process.
constexpr auto kCompareEvery = std::chrono::milliseconds(200);
constexpr auto kCountEvery = std::chrono::seconds(1);

std::set<handover::PodId> ids_of(const PodRegistry& registry) {
  std::set<handover::PodId> out;
  for (const auto& pod : registry.pods()) out.insert(handover::id_of(*pod));
  return out;
}

void remove_leftovers(const std::string& path) {
  ::unlink(path.c_str());
  ::unlink(std::filesystem::path(path).replace_extension(".admin").c_str());
}

// A version that does not know the question goes on without it.
enum class Answer : std::uint8_t { kTold, kSilent, kGone };

Task<Answer> ask_counts(int fd, CountsTaker& counts) {
  if (!co_await handover::say(fd, std::string(handover::kCountsAsked))) co_return Answer::kGone;
  auto took = CountsTaker::Took::kPart;
  while (took != CountsTaker::Took::kAll) {
    const auto packet =
        co_await handover::hear(fd, io::in(handover::kAnswerWait), handover::kMaxCountsPacketBytes);
    if (!packet) {
      co_return packet.error().code == ErrorCode::kTimeout ? Answer::kSilent : Answer::kGone;
    }
    took = counts.take(*packet);
    if (took == CountsTaker::Took::kNothing) co_return Answer::kGone;
  }
  // Not by a fiber's operation: nobody may stop us between counting it and saying so.
  const auto had = handover::kHad;
  const auto sent = ::send(fd, had.data(), had.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  co_return sent == static_cast<ssize_t>(had.size()) ? Answer::kTold : Answer::kGone;
}

}  // namespace

struct DrainingLinks::Link {
  UniqueFd fd;
  CountsTaker counts;
  bool said_all = false;
  std::set<handover::PodId> told;  // pods
};

Task<> DrainingLinks::run() {
  io::Scope links;
  std::error_code ignored;
  for (const auto& entry :
       std::filesystem::directory_iterator(handover::draining_folder(state_dir_), ignored)) {
    if (entry.path().extension() == ".sock")
      links.spawn(&DrainingLinks::keep, this, entry.path().string());
  }
  co_await links.join();
}

OpenNow DrainingLinks::open() const {
  OpenNow out;
  for (const Link* link : links_) out += link->counts.open();
  return out;
}

Task<> DrainingLinks::keep(DrainingLinks* self, std::string path) {
  auto fd = connect_unix(path, SOCK_SEQPACKET);
  if (!fd) {
    if (fd.error().code == ErrorCode::kRefused) remove_leftovers(path);
    co_return;
  }
  Link link{std::move(*fd), CountsTaker(self->metrics_, self->trust_), false, {}};
  const auto position = self->links_.insert(self->links_.end(), &link);
  auto ask_at = io::Clock::now();
  bool tells_counts = true, there = true;
  while (there) {
    if (self->complete_()) there = co_await self->tell_pods(link);
    if (there && tells_counts && io::Clock::now() >= ask_at) {
      const Answer answer = co_await ask_counts(link.fd.get(), link.counts);
      there = answer != Answer::kGone;
      tells_counts = answer == Answer::kTold;
      ask_at = io::in(kCountEvery);
    }
    there = there && co_await io::sleep_until(io::in(kCompareEvery));
  }
  self->links_.erase(position);
}

// Everything once, then what goes. False: the link has ended.
Task<bool> DrainingLinks::tell_pods(Link& link) const {
  auto now = ids_of(registry_);
  if (!link.said_all) {
    for (const auto& pod : now) {
      if (!co_await handover::say(link.fd.get(), handover::pod_words(handover::kKeep, pod)))
        co_return false;
    }
    if (!co_await handover::say(link.fd.get(), std::string(handover::kKept))) co_return false;
    link.said_all = true;
  }
  for (const auto& pod : link.told) {
    if (now.contains(pod)) continue;
    if (!co_await handover::say(link.fd.get(), handover::pod_words(handover::kRemove, pod)))
      co_return false;
  }
  // A pod that came again under the same name in the same namespace is told again when it goes.
  link.told = std::move(now);
  co_return true;
}

}  // namespace culvert::ztunnel
