// A certificate's name as CRLs use it; for lib/tls and lib/certs.
#pragma once

#include "culvert/base/error.hpp"
#include "culvert/tls/revocation.hpp"
#include "openssl_ptr.hpp"

namespace culvert::tls {

/// kLimit when there is no memory.
Result<CertificateId> certificate_id(const X509_NAME& issuer, const ASN1_INTEGER& serial);

}  // namespace culvert::tls
