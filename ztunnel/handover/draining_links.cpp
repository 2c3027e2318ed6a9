#include "ztunnel/handover/draining_links.hpp"

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

std::set<handover::PodId> ids_of(const PodRegistry& registry) {
  std::set<handover::PodId> out;
  for (const auto& pod : registry.pods()) out.insert(handover::id_of(*pod));
  return out;
}

void remove_leftovers(const std::string& path) {
  ::unlink(path.c_str());
  ::unlink(std::filesystem::path(path).replace_extension(".admin").c_str());
}

}  // namespace

Task<> DrainingLinks::run() {
  io::Scope links;
  std::error_code ignored;
  for (const auto& entry :
       std::filesystem::directory_iterator(handover::draining_folder(state_dir_), ignored)) {
    if (entry.path().extension() == ".sock")
      links.spawn(&DrainingLinks::tell, this, entry.path().string());
  }
  co_await links.join();
}

// Everything once, then what goes.
Task<> DrainingLinks::tell(DrainingLinks* self, std::string path) {
  while (!self->complete_()) {
    if (!co_await io::sleep_until(io::in(kCompareEvery))) co_return;
  }
  auto fd = connect_unix(path, SOCK_SEQPACKET);
  if (!fd) {
    if (fd.error().code == ErrorCode::kRefused) remove_leftovers(path);
    co_return;
  }
  auto told = ids_of(self->registry_);
  for (const auto& pod : told) {
    if (!co_await handover::say(fd->get(), handover::pod_words(handover::kKeep, pod))) co_return;
  }
  if (!co_await handover::say(fd->get(), std::string(handover::kKept))) co_return;
  while (co_await io::sleep_until(io::in(kCompareEvery))) {
    auto now = ids_of(self->registry_);
    for (const auto& pod : told) {
      if (now.contains(pod)) continue;
      if (!co_await handover::say(fd->get(), handover::pod_words(handover::kRemove, pod))) {
        co_return;
      }
    }
    // A pod that came again under the same name in the same namespace is told again when it goes.
    told = std::move(now);
  }
}

}  // namespace culvert::ztunnel
