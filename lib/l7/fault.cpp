#include "culvert/l7/fault.hpp"

#include <algorithm>

namespace culvert::l7 {
namespace {

std::optional<std::uint32_t> number_in(const std::vector<std::string>& names,
                                       std::string_view name) {
  const auto found = std::ranges::find(names, name);
  if (found == names.end()) return std::nullopt;
  return static_cast<std::uint32_t>(found - names.begin());
}

}  // namespace

const std::vector<std::string>& grpc_status_names() {
  static const std::vector<std::string> names = {"OK",
                                                 "CANCELLED",
                                                 "UNKNOWN",
                                                 "INVALID_ARGUMENT",
                                                 "DEADLINE_EXCEEDED",
                                                 "NOT_FOUND",
                                                 "ALREADY_EXISTS",
                                                 "PERMISSION_DENIED",
                                                 "RESOURCE_EXHAUSTED",
                                                 "FAILED_PRECONDITION",
                                                 "ABORTED",
                                                 "OUT_OF_RANGE",
                                                 "UNIMPLEMENTED",
                                                 "INTERNAL",
                                                 "UNAVAILABLE",
                                                 "DATA_LOSS",
                                                 "UNAUTHENTICATED"};
  return names;
}

const std::vector<std::string>& http2_error_names() {
  static const std::vector<std::string> names = {"NO_ERROR",
                                                 "PROTOCOL_ERROR",
                                                 "INTERNAL_ERROR",
                                                 "FLOW_CONTROL_ERROR",
                                                 "SETTINGS_TIMEOUT",
                                                 "STREAM_CLOSED",
                                                 "FRAME_SIZE_ERROR",
                                                 "REFUSED_STREAM",
                                                 "CANCEL",
                                                 "COMPRESSION_ERROR",
                                                 "CONNECT_ERROR",
                                                 "ENHANCE_YOUR_CALM",
                                                 "INADEQUATE_SECURITY",
                                                 "HTTP_1_1_REQUIRED"};
  return names;
}

std::optional<std::uint32_t> grpc_status_number(std::string_view name) {
  return number_in(grpc_status_names(), name);
}

std::optional<std::uint32_t> http2_error_number(std::string_view name) {
  return number_in(http2_error_names(), name);
}

}  // namespace culvert::l7
