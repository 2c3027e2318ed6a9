// What a CA signs with, read from files and checked as a whole; private to lib/certs.
#pragma once

#include <chrono>
#include <expected>
#include <string>
#include <vector>

#include "culvert/base/diagnostic.hpp"
#include "culvert/certs/certificate_authority.hpp"
#include "openssl_ptr.hpp"

namespace culvert::certs {

struct CaMaterial {
  tls::X509Ptr certificate;
  tls::KeyPtr key;
  std::vector<std::string> above;  // PEM: intermediates from the signing one upwards, then roots
  std::string roots;               // PEM
  std::chrono::system_clock::time_point not_after;
};

using MaterialResult = std::expected<CaMaterial, Diagnostic>;

/// Reads and checks (see CertificateAuthority::load).
MaterialResult read_material(const CaFiles& files, std::chrono::system_clock::time_point now);

/// Makes DIR/ca-cert.pem and DIR/ca-key.pem, which appear together by a rename of their directory;
/// when DIR exists meanwhile, it is left as it is.
std::expected<void, Diagnostic> create_root(const std::string& dir, const std::string& organization,
                                            std::chrono::system_clock::time_point now);

inline std::unexpected<Diagnostic> bad_file(std::string file, std::string reason,
                                            std::string suggestion = {}) {
  Diagnostic d;
  d.file = std::move(file);
  d.reason = std::move(reason);
  d.suggestion = std::move(suggestion);
  return std::unexpected(std::move(d));
}

}  // namespace culvert::certs
