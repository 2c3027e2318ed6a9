// A signing request that was judged; private to lib/certs.
#pragma once

#include <string_view>

#include "culvert/base/error.hpp"
#include "openssl_ptr.hpp"

namespace culvert::certs {

/// The checks of check_signing_request; the request's key is P-256 and signed it.
Result<tls::X509ReqPtr> read_request(std::string_view request_pem);

}  // namespace culvert::certs
