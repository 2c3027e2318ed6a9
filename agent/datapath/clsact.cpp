#include "clsact.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string_view>

#include "culvert/base/fd.hpp"

namespace culvert::agent {
namespace {

constexpr std::size_t kRequestBytes = 512;
constexpr std::uint32_t kEgress = TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_EGRESS);

// One request: header, tcmsg, attributes. The sizes used here stay far below kRequestBytes.
class Request {
 public:
  Request(std::uint16_t type, std::uint16_t flags, const tcmsg& message) {
    header()->nlmsg_len = NLMSG_LENGTH(sizeof message);
    header()->nlmsg_type = type;
    header()->nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | NLM_F_ACK | flags);
    std::memcpy(NLMSG_DATA(header()), &message, sizeof message);
  }
  rtattr* add(std::uint16_t type, const void* data, std::size_t size) {
    auto* attribute = reinterpret_cast<rtattr*>(bytes_ + NLMSG_ALIGN(header()->nlmsg_len));
    attribute->rta_type = type;
    attribute->rta_len = static_cast<std::uint16_t>(RTA_LENGTH(size));
    if (size > 0) std::memcpy(RTA_DATA(attribute), data, size);
    header()->nlmsg_len = static_cast<std::uint32_t>(NLMSG_ALIGN(header()->nlmsg_len) +
                                                     RTA_ALIGN(attribute->rta_len));
    return attribute;
  }
  void add_text(std::uint16_t type, std::string_view text) {
    add(type, std::string(text).c_str(), text.size() + 1);
  }
  void add_number(std::uint16_t type, std::uint32_t value) { add(type, &value, sizeof value); }
  // Attributes from here on are inside this one, until close().
  rtattr* open(std::uint16_t type) { return add(type, nullptr, 0); }
  void close(rtattr* outer) {
    outer->rta_len = static_cast<std::uint16_t>(bytes_ + header()->nlmsg_len -
                                                reinterpret_cast<std::uint8_t*>(outer));
  }

  /// 0, or the errno of the kernel's answer.
  int send() {
    const UniqueFd fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
    if (!fd.valid()) return errno;
    if (::send(fd.get(), bytes_, header()->nlmsg_len, 0) < 0) return errno;
    alignas(nlmsghdr) std::uint8_t answer[4096];
    const ssize_t size = ::recv(fd.get(), answer, sizeof answer, 0);
    if (size < static_cast<ssize_t>(NLMSG_LENGTH(sizeof(nlmsgerr)))) return size < 0 ? errno : EIO;
    const auto* reply = reinterpret_cast<const nlmsghdr*>(answer);
    if (reply->nlmsg_type != NLMSG_ERROR) return EIO;
    return -static_cast<const nlmsgerr*>(NLMSG_DATA(reply))->error;
  }

 private:
  nlmsghdr* header() { return reinterpret_cast<nlmsghdr*>(bytes_); }
  alignas(nlmsghdr) std::uint8_t bytes_[kRequestBytes] = {};
};

tcmsg qdisc(unsigned ifindex) {
  return {.tcm_family = AF_UNSPEC,
          .tcm_ifindex = static_cast<int>(ifindex),
          .tcm_handle = TC_H_MAKE(TC_H_CLSACT, 0),
          .tcm_parent = TC_H_CLSACT};
}

tcmsg filter(unsigned ifindex) {
  return {.tcm_family = AF_UNSPEC,
          .tcm_ifindex = static_cast<int>(ifindex),
          .tcm_handle = kGuardHandle,
          .tcm_parent = kEgress,
          .tcm_info = TC_H_MAKE(kGuardPriority << 16, htons(ETH_P_ALL))};
}

// 0, or an errno: EEXIST with NLM_F_EXCL when our filter is there.
int write_filter(int program_fd, unsigned ifindex, std::uint16_t flags) {
  Request request(RTM_NEWTFILTER, static_cast<std::uint16_t>(NLM_F_CREATE | flags),
                  filter(ifindex));
  request.add_text(TCA_KIND, "bpf");
  rtattr* options = request.open(TCA_OPTIONS);
  request.add_number(TCA_BPF_FD, static_cast<std::uint32_t>(program_fd));
  request.add_text(TCA_BPF_NAME, "cv_guard");
  request.add_number(TCA_BPF_FLAGS, TCA_BPF_FLAG_ACT_DIRECT);
  request.close(options);
  return request.send();
}

}  // namespace

Outcome<void> attach_clsact(int program_fd, unsigned ifindex, ClsactChange& change) {
  Request add_qdisc(RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL, qdisc(ifindex));
  add_qdisc.add_text(TCA_KIND, "clsact");
  const int added = add_qdisc.send();
  if (added != 0 && added != EEXIST)
    return problem(fmt::format("add a clsact qdisc in the pod: {}", strerror(added)),
                   "modprobe sch_ingress, or use a kernel with tcx (6.6)");
  change.made_qdisc = change.made_qdisc || added == 0;
  int rc = write_filter(program_fd, ifindex, NLM_F_EXCL);
  if (rc == 0) change.put_on = true;
  if (rc == EEXIST) rc = write_filter(program_fd, ifindex, 0);
  if (rc != 0)
    return problem(fmt::format("add the guard's filter in the pod: {}", strerror(rc)),
                   "modprobe cls_bpf, or use a kernel with tcx (6.6)");
  return {};
}

Outcome<void> remove_clsact(bool made_qdisc) {
  struct if_nameindex* all = ::if_nameindex();
  if (all == nullptr) return problem(fmt::format("list interfaces: {}", strerror(errno)));
  int failed = 0;
  for (const struct if_nameindex* at = all; at->if_index != 0; at++) {
    Request del_filter(RTM_DELTFILTER, 0, filter(at->if_index));
    del_filter.add_text(TCA_KIND, "bpf");
    const int rc = del_filter.send();
    // ENOENT, EINVAL, EOPNOTSUPP: no such filter, or nothing that could hold one.
    if (rc != 0 && rc != ENOENT && rc != EINVAL && rc != EOPNOTSUPP) failed = rc;
    if (rc != 0 || !made_qdisc) continue;
    Request del_qdisc(RTM_DELQDISC, 0, qdisc(at->if_index));
    if (const int gone = del_qdisc.send(); gone != 0 && gone != ENOENT) failed = gone;
  }
  ::if_freenameindex(all);
  if (failed != 0) return problem(fmt::format("remove the guard's filter: {}", strerror(failed)));
  return {};
}

}  // namespace culvert::agent
