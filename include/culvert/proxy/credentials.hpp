// Credentials: what a process has to prove who it is, made from a certificate of control's. Values;
// any thread.
#pragma once

#include <string>

#include "culvert/tls/context.hpp"

namespace culvert::proxy {

/// Both roles of one workload certificate.
struct Credentials {
  tls::Context client;
  tls::Context server;
};

/// Whom a certificate's holder believes: what came with it from the CA, in PEM.
struct Issuers {
  std::string intermediates;
  std::string roots;
};

}  // namespace culvert::proxy
