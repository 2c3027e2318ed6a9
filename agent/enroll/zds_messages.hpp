// ZDS messages to and from bytes (one protobuf a packet, no length prefix). Pure.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "conversation.hpp"
#include "culvert/base/error.hpp"

namespace culvert::agent {

std::string encode(const Step& step);
/// Whether it is a ZdsHello of version 1. kProtocol else.
Result<void> decode_hello(std::span<const std::uint8_t> packet);
/// The error that ztunnel acknowledges with, empty for success. kProtocol: no WorkloadResponse{ack}.
Result<std::string> decode_ack(std::span<const std::uint8_t> packet);

}  // namespace culvert::agent
