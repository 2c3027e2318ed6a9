// ztunnel's calls on the capture maps (bpf/README.md has the hooks on their other side).
#include "culvert/bpf/socket_maps.hpp"

#include "culvert/abi/maps.h"
#include "culvert/bpf/address.hpp"
#include "culvert/bpf/syscall.hpp"

namespace culvert::bpf {
namespace {

static_assert(kListenerSlots == CV_LISTENER_SLOTS);
static_assert(static_cast<int>(ListenerKind::kPlaintext) == CV_PLAINTEXT);

Result<cv_listener_key> listener_key(std::uint64_t netns_cookie, ListenerKind kind, int family,
                                     unsigned slot) {
  if ((family != AF_INET && family != AF_INET6) || slot >= kListenerSlots)
    return fail(ErrorCode::kInvalid, "listener slot");
  cv_listener_key key{};
  key.netns_cookie = netns_cookie;
  key.kind = static_cast<__u8>(kind);
  key.family = static_cast<__u8>(family);
  key.slot = static_cast<__u8>(slot);
  return key;
}

Result<void> check_layout(const std::string& pin_dir) {
  auto layout = open_pinned(pin_dir + "/cv_layout");
  if (!layout) return std::unexpected(layout.error());
  const __u32 key = 0;
  cv_layout_value value{};
  auto there = map_lookup(layout->get(), &key, &value);
  if (!there) return std::unexpected(there.error());
  if (!*there || value.version == 0)  // pinned a moment ago: the agent writes it last
    return fail(ErrorCode::kNotFound, "the agent is still making the BPF maps");
  if (CV_SOCKETS_OF(value.version) != CV_SOCKETS_VERSION)
    return fail(ErrorCode::kInvalid,
                "the pinned BPF maps are another ztunnel's; upgrade agent and ztunnel together");
  return {};
}

}  // namespace

Result<SocketMaps> SocketMaps::open(const std::string& pin_dir) {
  if (auto ok = check_layout(pin_dir); !ok) return std::unexpected(ok.error());
  SocketMaps maps;
  const struct {
    const char* name;
    UniqueFd* fd;
  } wanted[] = {{"cv_listener", &maps.listener_},
                {"cv_origin_sk", &maps.origin_sk_},
                {"cv_mark", &maps.mark_},
                {"cv_listens", &maps.listens_}};
  for (const auto& want : wanted) {
    auto fd = open_pinned(pin_dir + "/" + want.name);
    if (!fd) return std::unexpected(fd.error());
    *want.fd = std::move(*fd);
  }
  if (auto fd = open_pinned(pin_dir + "/cv_health")) maps.health_ = std::move(*fd);
  return maps;
}

Result<void> SocketMaps::set_listener(std::uint64_t netns_cookie, ListenerKind kind, int family,
                                      unsigned slot, int listener_fd) {
  auto key = listener_key(netns_cookie, kind, family, slot);
  if (!key) return std::unexpected(key.error());
  // Outbound ones are reached by the pod's own loopback alone, where no guard stands.
  const __u32 one = 1;
  if (kind != ListenerKind::kOutbound) {
    if (auto ok = map_update(listens_.get(), &listener_fd, &one); !ok) return ok;
  }
  const __u64 value = static_cast<__u64>(listener_fd);
  return map_update(listener_.get(), &*key, &value);
}

Result<bool> SocketMaps::has_listener(std::uint64_t netns_cookie, ListenerKind kind, int family,
                                      unsigned slot) const {
  auto key = listener_key(netns_cookie, kind, family, slot);
  if (!key) return std::unexpected(key.error());
  __u64 socket_cookie = 0;  // what a lookup in a sockhash with 8-byte values gives (5.8)
  return map_lookup(listener_.get(), &*key, &socket_cookie);
}

Result<void> SocketMaps::clear_listener(std::uint64_t netns_cookie, ListenerKind kind, int family,
                                        unsigned slot) {
  auto key = listener_key(netns_cookie, kind, family, slot);
  if (!key) return std::unexpected(key.error());
  auto deleted = map_delete(listener_.get(), &*key);
  if (!deleted) return std::unexpected(deleted.error());
  return {};
}

Result<std::optional<SocketAddress>> SocketMaps::original_destination(int accepted_fd) const {
  cv_origin_value value{};
  auto there = map_lookup(origin_sk_.get(), &accepted_fd, &value);
  if (!there) return std::unexpected(there.error());
  if (!*there || (value.flags & CV_ORIGIN_ACCEPTED) == 0) return std::nullopt;
  return from_abi(value.origin);
}

Result<void> SocketMaps::mark(int fd, const std::optional<SocketAddress>& client) const {
  cv_mark_value value{};
  if (client) {
    value.client = to_abi(*client);
    value.flags |= CV_MARK_HAS_CLIENT;
  }
  return map_update(mark_.get(), &fd, &value);
}

void SocketMaps::measure(int fd) const {
  const cv_health_value nothing{};
  if (health_.valid()) (void)map_update(health_.get(), &fd, &nothing);
}

std::optional<TcpHealth> SocketMaps::health(int fd) const {
  cv_health_value value{};
  if (!health_.valid()) return std::nullopt;
  const auto there = map_lookup(health_.get(), &fd, &value);
  if (!there || !*there) return std::nullopt;
  return TcpHealth{value.srtt_us,     value.rtt_sum_us,    value.rtt_samples, value.segments,
                   value.retransmits, value.delivery_rate, value.rate_sum,    value.rate_samples};
}

}  // namespace culvert::bpf
