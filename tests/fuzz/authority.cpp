// The target of a CONNECT: one form a target, and never a loop-hole between name and address.
#include "culvert/hbone/authority.hpp"

#include <algorithm>

#include "property.hpp"

using namespace culvert;
using fuzz::require;
using hbone::Authority;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto text = fuzz::text_of({data, size});
  if (const auto prefix = IpPrefix::parse(text)) {
    require(IpPrefix::parse(prefix->to_string()) == prefix, "a prefix is read as it was written");
    require(prefix->contains(prefix->address), "a network has its own address");
  }
  if (const auto socket = SocketAddress::parse(text)) {
    require(SocketAddress::parse(socket->to_string()) == socket,
            "a socket's address is read as it was written");
    sockaddr_storage raw{};
    socket->to_sockaddr(raw);
    require(SocketAddress::from_sockaddr(reinterpret_cast<const sockaddr*>(&raw)) == socket,
            "the kernel's form of an address is the same address");
  }
  const auto authority = Authority::parse(text);
  if (!authority) return 0;
  const auto again = Authority::parse(authority->to_string());
  require(again && *again == *authority, "what was written is read as it was");
  if (const auto* address = authority->address()) {
    require(address->port != 0, "no target has port 0");
    require(SocketAddress::parse(authority->to_string()) == *address,
            "an address is the same for all who read it");
  } else {
    const auto& host = *authority->host();
    require(host.port != 0, "no target has port 0");
    require(hbone::is_host_name(host.host) && !IpAddress::parse(host.host),
            "a host name is no address");
    require(std::ranges::none_of(host.host, [](char c) { return c >= 'A' && c <= 'Z'; }),
            "host names are in lower case");
  }
  return 0;
}
