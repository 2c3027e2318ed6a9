// Packets of SOCK_SEQPACKET Unix sockets with descriptors beside them (unix(7), SCM_RIGHTS).
#include <cstring>

#include "culvert/io/socket.hpp"

namespace culvert::io {

recv_packet::recv_packet(int socket, std::span<std::uint8_t> into, Deadline deadline)
    : SocketOperation(deadline) {
  kind = IoKind::kRecvMsg;
  fd = socket;
  flags = MSG_CMSG_CLOEXEC;
  vector_ = {into.data(), into.size()};
  message_.msg_iov = &vector_;
  message_.msg_iovlen = 1;
  message_.msg_control = control_.data();
  message_.msg_controllen = control_.size();
  message = &message_;
}

Result<Packet> recv_packet::await_resume() {
  if (failed()) return failure("receive packet");
  Packet out;
  out.size = static_cast<std::size_t>(result_);
  out.truncated = (message_.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0;
  for (cmsghdr* header = CMSG_FIRSTHDR(&message_); header != nullptr;
       header = CMSG_NXTHDR(&message_, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int descriptor = -1;
      std::memcpy(&descriptor, CMSG_DATA(header) + i * sizeof(int), sizeof descriptor);
      UniqueFd owned(descriptor);
      if (out.passed.valid()) {
        out.truncated = true;  // more than one: not ours to keep
      } else {
        out.passed = std::move(owned);
      }
    }
  }
  return out;
}

send_packet::send_packet(int socket, std::span<const std::uint8_t> bytes, int passed_fd,
                         Deadline deadline)
    : SocketOperation(deadline) {
  kind = IoKind::kSendMsg;
  fd = socket;
  flags = MSG_NOSIGNAL;
  vector_ = {const_cast<std::uint8_t*>(bytes.data()), bytes.size()};
  message_.msg_iov = &vector_;
  message_.msg_iovlen = 1;
  if (passed_fd >= 0) {
    message_.msg_control = control_.data();
    message_.msg_controllen = control_.size();
    cmsghdr* header = CMSG_FIRSTHDR(&message_);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(header), &passed_fd, sizeof passed_fd);
  }
  message = &message_;
}

Result<void> send_packet::await_resume() {
  if (failed()) return failure("send packet");
  return {};
}

}  // namespace culvert::io
