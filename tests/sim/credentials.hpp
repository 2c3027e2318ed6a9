// The certificates of the simulated workloads, made once a process: equal in every run.
#pragma once

#include <cstddef>
#include <string>

#include "culvert/certs/certificate_authority.hpp"
#include "ztunnel/worker/worker.hpp"

namespace culvert::sim {

inline constexpr std::size_t kAccounts = 3;
inline constexpr std::size_t kRenewals = 2;

/// "sa0" ..
std::string account_name(std::size_t account);
/// "spiffe://cluster.local/ns/shop/sa/sa0"
std::string account_identity(std::size_t account);
/// One of kRenewals certificates of the account.
const proxy::Credentials& credentials_of(std::size_t account, std::size_t renewal);

/// The authority that signed them.
const certs::CertificateAuthority& authority();

}  // namespace culvert::sim
