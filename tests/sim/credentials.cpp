#include "credentials.hpp"

#include <filesystem>
#include <vector>

#include "culvert/certs/certificate_authority.hpp"
#include "culvert/certs/signing_request.hpp"
#include "culvert/certs/workload_certificate.hpp"
#include "network.hpp"
#include "system_calls.hpp"

namespace culvert::sim {
namespace {

constexpr std::uint64_t kChance = 1;  // of the keys

template <class T>
T unwrap(Result<T> result) {
  if (!result) violation(result.error().to_string());
  return std::move(*result);
}

certs::CertificateAuthority open_authority() {
  std::string folder = (std::filesystem::temp_directory_path() / "culvert_sim.XXXXXX").string();
  if (::mkdtemp(folder.data()) == nullptr) violation("cannot make a folder for the authority");
  auto opened = certs::CertificateAuthority::open(folder, "simulation");
  std::filesystem::remove_all(folder);
  if (!opened) violation(opened.error().to_string());
  return std::move(*opened);
}

std::vector<proxy::Credentials> make_all() {
  seed_chance(kChance);
  std::vector<proxy::Credentials> out;
  for (std::size_t i = 0; i < kAccounts * kRenewals; ++i) {
    const std::string identity = account_identity(i / kRenewals);
    auto made = unwrap(certs::make_signing_request(identity));
    const auto chain = unwrap(authority().sign(made.request, identity, certs::kDefaultLifetime));
    const auto certificate = unwrap(certs::WorkloadCertificate::from_reply(
        identity, std::move(made.private_key), chain, std::chrono::system_clock::now()));
    out.push_back({.client = unwrap(certificate.make_context(tls::Role::kClient)),
                   .server = unwrap(certificate.make_context(tls::Role::kServer))});
  }
  return out;
}

}  // namespace

std::string account_name(std::size_t account) {
  return "sa" + std::to_string(account);
}

std::string account_identity(std::size_t account) {
  return "spiffe://cluster.local/ns/shop/sa/" + account_name(account);
}

const certs::CertificateAuthority& authority() {
  static const certs::CertificateAuthority opened = open_authority();
  return opened;
}

const proxy::Credentials& credentials_of(std::size_t account, std::size_t renewal) {
  static const std::vector<proxy::Credentials> all = make_all();
  return all.at(account * kRenewals + renewal);
}

}  // namespace culvert::sim
