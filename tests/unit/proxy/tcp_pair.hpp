// TCP connections on loopback, and what is heard on them.
#pragma once

#include <doctest/doctest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>
#include <string_view>

#include "culvert/base/fd.hpp"
#include "culvert/base/ip.hpp"
#include "culvert/io/socket.hpp"
#include "culvert/io/task.hpp"

namespace culvert::proxy::testing {

struct Tcp {
  UniqueFd ours, theirs;
};

/// A connected TCP pair on loopback: unlike a socketpair it knows RST.
inline Tcp tcp_pair() {
  UniqueFd listener(::socket(AF_INET, SOCK_STREAM, 0));
  sockaddr_storage raw{};
  SocketAddress address{IpAddress::v4(127, 0, 0, 1), 0};
  REQUIRE(::bind(listener.get(), reinterpret_cast<sockaddr*>(&raw), address.to_sockaddr(raw)) == 0);
  REQUIRE(::listen(listener.get(), 1) == 0);
  socklen_t size = sizeof raw;
  ::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&raw), &size);
  Tcp out;
  out.theirs = UniqueFd(::socket(AF_INET, SOCK_STREAM, 0));
  REQUIRE(::connect(out.theirs.get(), reinterpret_cast<sockaddr*>(&raw), size) == 0);
  out.ours = UniqueFd(::accept(listener.get(), nullptr, nullptr));
  return out;
}

inline void say(const UniqueFd& fd, std::string_view text) {
  REQUIRE(::write(fd.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size()));
}

/// What arrives: the text, then "|FIN" or "|RST".
inline io::Task<std::string> hear(int fd, io::Clock::duration patience = std::chrono::seconds(5)) {
  std::string out;
  while (true) {
    auto part = co_await io::recv(fd, io::in(patience));
    if (!part) co_return out + (part.error().code == ErrorCode::kReset ? "|RST" : "|?");
    if (part->empty()) co_return out + "|FIN";
    out.append(reinterpret_cast<const char*>(part->bytes().data()), part->bytes().size());
  }
}

}  // namespace culvert::proxy::testing
