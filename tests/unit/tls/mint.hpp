// Certificates for tests, good and bad in every way that a peer could try.
#pragma once

#include <memory>
#include <string>
#include <vector>

namespace culvert::test {

struct MintedKey;

struct Minted {
  std::string certificate;  // PEM
  std::string private_key;  // PEM, PKCS8
  std::shared_ptr<MintedKey> handle;
};

struct MintOptions {
  std::vector<std::string> sans;   // OpenSSL's form: "URI:spiffe://...", "DNS:web"
  long not_before_seconds = -120;  // from now
  long not_after_seconds = 3600;
  bool ca = false;
  std::string usage = "clientAuth,serverAuth";
  bool rsa = false;
  std::string subject;  // common name; empty for none
};

/// `issuer` null: self-signed.
Minted mint(const MintOptions& options, const Minted* issuer);
Minted mint_root(const std::string& name = "root");
/// A good workload leaf for spiffe://cluster.local/ns/NS/sa/SA or the whole `uri`.
Minted mint_workload(const Minted& issuer, const std::string& uri);

struct CrlOptions {
  long issued_seconds = -60;  // from now
  long next_seconds = 3600;
  bool delta = false;
  bool partial = false;  // an issuing distribution point: only user certificates
};
/// PEM: `issuer` takes back `revoked`.
std::string mint_crl(const Minted& issuer, const std::vector<const Minted*>& revoked,
                     const CrlOptions& options = {});

}  // namespace culvert::test
