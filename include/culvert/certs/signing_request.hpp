// Keys and certificate signing requests of workloads (PKCS #10). Pure but for randomness; any
// thread. Making a key and a request costs about 100 microseconds.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "culvert/base/error.hpp"
#include "culvert/tls/secret.hpp"

namespace culvert::certs {

inline constexpr std::size_t kMaxRequestPemBytes = 16U << 10;

struct KeyAndRequest {
  tls::Secret private_key;  // PEM, PKCS8, ECDSA P-256
  std::string request;      // PEM
};

/// A new key, and a request with an empty subject and `identity` as its only SAN. kInvalid:
/// `identity` is no SPIFFE id of a workload (spiffe://TD/ns/NS/sa/SA).
Result<KeyAndRequest> make_signing_request(std::string_view identity);

/// What a request proves and asks. The name is a wish only: identity comes from who asks.
struct RequestFacts {
  std::string requested_identity;  // its single URI SAN; empty when it has none or no SPIFFE id
};
/// kLimit: over 16 KiB. kInvalid: no PEM request, a key that is not P-256, or a signature that is
/// not made with that key (proof of possession).
Result<RequestFacts> check_signing_request(std::string_view request_pem);

}  // namespace culvert::certs
