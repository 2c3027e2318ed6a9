// What a Context holds; private to lib/tls.
#pragma once

#include "culvert/tls/context.hpp"
#include "openssl_ptr.hpp"
#include "verified_peers.hpp"

namespace culvert::tls {

struct Context::Impl {
  Role role;
  Records records;
  SslCtxPtr ssl_ctx;
  Digest trust{};  // SHA-256 of the role and the roots
  std::string identity;
  std::string trust_domain;
  std::chrono::system_clock::time_point not_after;
};

}  // namespace culvert::tls
