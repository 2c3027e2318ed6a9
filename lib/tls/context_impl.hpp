// What a Context holds; private to lib/tls.
#pragma once

#include "culvert/tls/context.hpp"
#include "openssl_ptr.hpp"

namespace culvert::tls {

struct Context::Impl {
  Role role;
  Records records;
  SslCtxPtr ssl_ctx;
  std::string identity;
  std::string trust_domain;
  std::chrono::system_clock::time_point not_after;
};

}  // namespace culvert::tls
