// Between the map's form of addresses (abi/address.h) and base's: the same bytes.
#pragma once

#include "culvert/abi/address.h"
#include "culvert/base/ip.hpp"

namespace culvert::bpf {

cv_address to_abi(const IpAddress& ip);
cv_endpoint to_abi(const SocketAddress& address);
IpAddress from_abi(const cv_address& address);
SocketAddress from_abi(const cv_endpoint& endpoint);

}  // namespace culvert::bpf
