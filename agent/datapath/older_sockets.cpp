#include "older_sockets.hpp"

#include <fmt/format.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <functional>
#include <span>

#include "culvert/abi/maps.h"
#include "culvert/base/fd.hpp"
#include "culvert/bpf/address.hpp"
#include "culvert/bpf/netns.hpp"
#include "culvert/bpf/syscall.hpp"

namespace culvert::agent {
namespace {

// The kernel's numbers (include/net/tcp_states.h), by ss's names. Left out: TIME_WAIT, CLOSE and
// LISTEN, which carry nothing.
constexpr struct {
  std::uint8_t state;
  const char* name;
} kStates[] = {{1, "ESTAB"},      {2, "SYN-SENT"},   {3, "SYN-RECV"},
               {4, "FIN-WAIT-1"}, {5, "FIN-WAIT-2"}, {8, "CLOSE-WAIT"},
               {9, "LAST-ACK"},   {11, "CLOSING"},   {12, "SYN-RECV"}};
constexpr std::size_t kAnswerBytes = 64U << 10;

const char* state_name(std::uint8_t state) {
  for (const auto& row : kStates)
    if (row.state == state) return row.name;
  return nullptr;
}

struct Found {
  OlderSocket socket;
  std::uint8_t family = 0;
  inet_diag_sockid id{};
};

struct DumpRequest {
  nlmsghdr header{};
  inet_diag_req_v2 ask{};
  nlattr storages{};
  struct {
    nlattr header{};
    std::uint32_t fd = 0;
  } maps[2];
};

// Asks for every TCP socket of one family, with what the two maps hold of it.
DumpRequest dump_request(std::uint8_t family, const ExemptMaps& maps) {
  DumpRequest out;
  out.header = {.nlmsg_len = sizeof out,
                .nlmsg_type = SOCK_DIAG_BY_FAMILY,
                .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP};
  out.ask.sdiag_family = family;
  out.ask.sdiag_protocol = IPPROTO_TCP;
  for (const auto& row : kStates) out.ask.idiag_states |= 1U << row.state;
  out.storages = {.nla_len = sizeof out.storages + sizeof out.maps,
                  .nla_type = INET_DIAG_REQ_SK_BPF_STORAGES | NLA_F_NESTED};
  const int fds[] = {maps.mark, maps.listens};
  for (std::size_t i = 0; i < std::size(fds); i++)
    out.maps[i] = {{sizeof out.maps[i], SK_DIAG_BPF_STORAGE_REQ_MAP_FD},
                   static_cast<std::uint32_t>(fds[i])};
  return out;
}

IpAddress address_of(std::uint8_t family, const __be32 (&words)[4]) {
  IpAddress out;
  if (family == AF_INET) {
    std::uint8_t b[4];
    std::memcpy(b, words, sizeof b);
    return IpAddress::v4(b[0], b[1], b[2], b[3]);
  }
  std::memcpy(out.bytes.data(), words, out.bytes.size());
  return out;
}

// Whether an attribute of this type is among them.
bool has_storage(std::span<const std::uint8_t> attributes) {
  while (attributes.size() >= sizeof(nlattr)) {
    nlattr head{};
    std::memcpy(&head, attributes.data(), sizeof head);
    if (head.nla_len < sizeof head || head.nla_len > attributes.size()) return false;
    // An empty nest: the socket has nothing in these maps.
    if ((head.nla_type & NLA_TYPE_MASK) == INET_DIAG_SK_BPF_STORAGES)
      return head.nla_len > sizeof head;
    attributes =
        attributes.subspan(std::min(NLA_ALIGN(head.nla_len) + std::size_t{0}, attributes.size()));
  }
  return false;
}

bool excluded(const ExemptMaps& maps, const SocketAddress& remote) {
  std::uint32_t value = 0;
  cv_exclude_key range{};
  range.kind = CV_EXCLUDE_ADDRESS;
  range.prefix_bits = CV_EXCLUDE_KIND_BITS + 128;
  range.data.ip = bpf::to_abi(remote.ip);
  if (bpf::map_lookup(maps.exclude, &range, &value).value_or(false)) return true;
  cv_exclude_key port{};
  port.kind = CV_EXCLUDE_PORT;
  port.prefix_bits = CV_EXCLUDE_KIND_BITS + 16;
  port.data.port_be = htobe16(remote.port);
  return bpf::map_lookup(maps.exclude, &port, &value).value_or(false);
}

bool kubelets(const ExemptMaps& maps, const OlderSocket& socket) {
  cv_tuple_key key{};
  key.source = bpf::to_abi(socket.remote.ip);
  key.target = bpf::to_abi(socket.local.ip);
  key.source_port = socket.remote.port;
  key.target_port = socket.local.port;
  std::uint32_t value = 0;
  return bpf::map_lookup(maps.kubelet, &key, &value).value_or(false);
}

bool may_stay(const ExemptMaps& maps, const OlderSocket& socket) {
  const IpAddress& to = socket.remote.ip;
  return to.is_loopback() || socket.local.ip.is_loopback() || to == socket.local.ip ||
         to.is_link_local() || excluded(maps, socket.remote) || kubelets(maps, socket);
}

// One inet_diag_msg and its attributes.
void take(const nlmsghdr& header, const ExemptMaps& maps, std::vector<Found>& out) {
  if (header.nlmsg_len < NLMSG_LENGTH(sizeof(inet_diag_msg))) return;
  inet_diag_msg message{};
  std::memcpy(&message, NLMSG_DATA(&header), sizeof message);
  const char* state = state_name(message.idiag_state);
  if (state == nullptr || out.size() >= kMaxOlderSockets) return;
  const auto* attributes =
      reinterpret_cast<const std::uint8_t*>(&header) + NLMSG_SPACE(sizeof message);
  const std::size_t before = NLMSG_SPACE(sizeof message);
  if (header.nlmsg_len > before && has_storage({attributes, header.nlmsg_len - before})) return;
  const inet_diag_sockid& id = message.id;
  Found found{.family = message.idiag_family, .id = id};
  found.socket = {.local = {address_of(message.idiag_family, id.idiag_src), ntohs(id.idiag_sport)},
                  .remote = {address_of(message.idiag_family, id.idiag_dst), ntohs(id.idiag_dport)},
                  .state = state,
                  .uid = message.idiag_uid};
  if (!may_stay(maps, found.socket)) out.push_back(std::move(found));
}

Outcome<void> read_dump(int fd, const ExemptMaps& maps, std::vector<Found>& out) {
  std::vector<std::uint8_t> answer(kAnswerBytes);
  while (true) {
    const ssize_t size = ::recv(fd, answer.data(), answer.size(), 0);
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) return problem(fmt::format("read the pod's sockets: {}", strerror(errno)));
    std::size_t at = 0;
    while (at + sizeof(nlmsghdr) <= static_cast<std::size_t>(size)) {
      const auto* header = reinterpret_cast<const nlmsghdr*>(answer.data() + at);
      if (header->nlmsg_len < sizeof *header || at + header->nlmsg_len > answer.size()) break;
      at += NLMSG_ALIGN(header->nlmsg_len);
      if (header->nlmsg_type == NLMSG_DONE) return {};
      if (header->nlmsg_type == NLMSG_ERROR) {
        const int rc = static_cast<const nlmsgerr*>(NLMSG_DATA(header))->error;
        return problem(fmt::format("list the pod's sockets: {}", strerror(-rc)));
      }
      take(*header, maps, out);
    }
  }
}

Outcome<std::vector<Found>> find_here(int fd, const ExemptMaps& maps) {
  std::vector<Found> out;
  for (const std::uint8_t family : {AF_INET, AF_INET6}) {
    const DumpRequest request = dump_request(family, maps);
    if (::send(fd, &request, sizeof request, 0) < 0)
      return problem(fmt::format("ask for the pod's sockets: {}", strerror(errno)));
    if (auto ok = read_dump(fd, maps, out); !ok) return std::unexpected(ok.error());
  }
  return out;
}

// 0, or the errno of the kernel's answer.
int destroy(int fd, const Found& found) {
  struct {
    nlmsghdr header;
    inet_diag_req_v2 ask;
  } request{};
  request.header = {.nlmsg_len = sizeof request,
                    .nlmsg_type = SOCK_DESTROY,
                    .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK};
  request.ask.sdiag_family = found.family;
  request.ask.sdiag_protocol = IPPROTO_TCP;
  request.ask.idiag_states = ~0U;
  request.ask.id = found.id;
  if (::send(fd, &request, sizeof request, 0) < 0) return errno;
  alignas(nlmsghdr) std::uint8_t answer[1024];
  const ssize_t size = ::recv(fd, answer, sizeof answer, 0);
  if (size < static_cast<ssize_t>(NLMSG_LENGTH(sizeof(nlmsgerr)))) return size < 0 ? errno : EIO;
  const auto* reply = reinterpret_cast<const nlmsghdr*>(answer);
  return -static_cast<const nlmsgerr*>(NLMSG_DATA(reply))->error;
}

// Runs `work` inside the namespace with a socket for sock_diag.
Outcome<void> with_diag(int netns_fd, const std::function<Outcome<void>(int fd)>& work) {
  Outcome<void> done;
  const auto entered = bpf::in_netns(netns_fd, [&]() -> Result<void> {
    const UniqueFd fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG));
    if (!fd.valid()) return fail_errno(errno, "open a sock_diag socket in the pod");
    done = work(fd.get());
    return {};
  });
  if (!entered) return problem("look at the pod's sockets", entered.error());
  return done;
}

}  // namespace

Outcome<std::vector<OlderSocket>> older_sockets(int netns_fd, const ExemptMaps& maps) {
  std::vector<OlderSocket> out;
  auto done = with_diag(netns_fd, [&](int fd) -> Outcome<void> {
    auto found = find_here(fd, maps);
    if (!found) return std::unexpected(found.error());
    for (Found& one : *found) out.push_back(one.socket);
    return {};
  });
  if (!done) return std::unexpected(done.error());
  return out;
}

Outcome<EndedSockets> end_older_sockets(int netns_fd, const ExemptMaps& maps) {
  EndedSockets out;
  auto done = with_diag(netns_fd, [&](int fd) -> Outcome<void> {
    auto found = find_here(fd, maps);
    if (!found) return std::unexpected(found.error());
    for (const Found& one : *found) {
      const int rc = destroy(fd, one);
      out.unsupported = out.unsupported || rc == EOPNOTSUPP;
      // ENOENT: it has ended by itself meanwhile.
      (rc == 0 || rc == ENOENT ? out.ended : out.left)++;
    }
    return {};
  });
  if (!done) return std::unexpected(done.error());
  return out;
}

}  // namespace culvert::agent
