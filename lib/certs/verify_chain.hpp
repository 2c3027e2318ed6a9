// Whether a certificate leads to given roots at a given time; private to lib/certs.
#pragma once

#include <chrono>
#include <span>

#include "openssl_ptr.hpp"

namespace culvert::certs {

/// X509_V_OK or the X509_V_ERR_* of X509_verify_cert(3), without any purpose check.
int verify_chain(X509& certificate, std::span<const tls::X509Ptr> intermediates,
                 std::span<const tls::X509Ptr> roots, std::chrono::system_clock::time_point now);

}  // namespace culvert::certs
