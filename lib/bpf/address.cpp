// Conversion between abi/address.h and base/ip.hpp.
#include "culvert/bpf/address.hpp"

#include <cstring>

namespace culvert::bpf {

cv_address to_abi(const IpAddress& ip) {
  cv_address out;
  static_assert(sizeof out == sizeof ip.bytes);
  std::memcpy(&out, ip.bytes.data(), sizeof out);
  return out;
}

cv_endpoint to_abi(const SocketAddress& address) {
  return {.ip = to_abi(address.ip), .port = address.port, .pad = 0};
}

IpAddress from_abi(const cv_address& address) {
  IpAddress out;
  std::memcpy(out.bytes.data(), &address, sizeof address);
  return out;
}

SocketAddress from_abi(const cv_endpoint& endpoint) {
  return {.ip = from_abi(endpoint.ip), .port = endpoint.port};
}

}  // namespace culvert::bpf
