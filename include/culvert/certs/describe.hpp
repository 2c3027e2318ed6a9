// What people are told of certificates. Pure; any thread.
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "culvert/base/error.hpp"

namespace culvert::certs {

struct CertificateSummary {
  std::string pem;
  std::string serial;  // decimal
  std::chrono::system_clock::time_point not_before;
  std::chrono::system_clock::time_point not_after;
};

/// The certificates of a PEM text in their order. kInvalid: one cannot be read.
Result<std::vector<CertificateSummary>> describe(std::string_view pem);

/// Base64 with padding (RFC 4648 section 4).
std::string base64(std::string_view bytes);

}  // namespace culvert::certs
