// Judging the CA's reply, and the times of renewal.
#include "culvert/certs/workload_certificate.hpp"

#include <openssl/err.h>

#include <algorithm>
#include <vector>

#include "pem.hpp"
#include "verify_chain.hpp"

namespace culvert::certs {
namespace {

using TimePoint = std::chrono::system_clock::time_point;

std::unexpected<Error> refuse(ErrorCode code, const char* text) {
  return fail(code, text, Origin::kControl);
}

// All certificates of the reply in order; entries may hold several.
Result<std::vector<tls::X509Ptr>> flatten(std::span<const std::string> reply) {
  std::vector<tls::X509Ptr> all;
  for (const auto& entry : reply) {
    auto some = tls::read_certificates(entry);
    if (!some) return refuse(ErrorCode::kInvalid, "CA reply with a malformed certificate");
    if (all.size() + some->size() > kMaxReplyCertificates) {
      return refuse(ErrorCode::kLimit, "CA reply with over 16 certificates");
    }
    std::ranges::move(*some, std::back_inserter(all));
  }
  if (all.empty()) return refuse(ErrorCode::kInvalid, "CA reply without a certificate");
  return all;
}

Result<void> check_leaf(X509& leaf, std::string_view requested_identity, std::string_view key_pem,
                        TimePoint now) {
  const auto identity = tls::spiffe_san(leaf);
  if (!identity) return refuse(ErrorCode::kIdentity, identity.error().text);
  if (*identity != requested_identity) {
    return refuse(ErrorCode::kIdentity, "CA reply for another identity than was asked");
  }
  const auto key = tls::read_private_key(key_pem);
  if (!key) return std::unexpected(key.error());
  const bool fits = X509_check_private_key(&leaf, key->get()) == 1;
  ERR_clear_error();
  if (!fits) return refuse(ErrorCode::kInvalid, "CA reply for another key than ours");
  if ((X509_get_extension_flags(&leaf) & EXFLAG_CA) != 0) {
    return refuse(ErrorCode::kInvalid, "CA reply whose leaf is a CA");
  }
  if (now < tls::to_time_point(X509_get0_notBefore(&leaf))) {
    return refuse(ErrorCode::kInvalid, "CA reply that is not yet valid");
  }
  if (now >= tls::to_time_point(X509_get0_notAfter(&leaf))) {
    return refuse(ErrorCode::kInvalid, "CA reply that has expired");
  }
  return {};
}

}  // namespace

Result<WorkloadCertificate> WorkloadCertificate::from_reply(std::string_view requested_identity,
                                                            tls::Secret private_key,
                                                            std::span<const std::string> reply,
                                                            TimePoint now) {
  auto all = flatten(reply);
  if (!all) return std::unexpected(all.error());
  X509& leaf = *all->front();
  if (auto good = check_leaf(leaf, requested_identity, private_key.view(), now); !good) {
    return std::unexpected(good.error());
  }
  std::vector<tls::X509Ptr> intermediates, roots;
  for (auto& each : std::span(*all).subspan(1)) {
    const bool self_signed = (X509_get_extension_flags(each.get()) & EXFLAG_SS) != 0;
    (self_signed ? roots : intermediates).push_back(std::move(each));
  }
  if (roots.empty()) return refuse(ErrorCode::kInvalid, "CA reply without a root");
  if (verify_chain(leaf, intermediates, roots, now) != X509_V_OK) {
    return refuse(ErrorCode::kInvalid, "CA reply whose leaf does not lead to its root");
  }

  WorkloadCertificate out;
  out.identity = requested_identity;
  out.chain = tls::write_certificate(leaf);
  for (const auto& each : intermediates) out.chain += tls::write_certificate(*each);
  for (const auto& each : roots) out.roots += tls::write_certificate(*each);
  out.private_key = std::move(private_key);
  out.not_before = tls::to_time_point(X509_get0_notBefore(&leaf));
  out.not_after = tls::to_time_point(X509_get0_notAfter(&leaf));
  return out;
}

Result<tls::Context> WorkloadCertificate::make_context(tls::Role role, tls::Records records) const {
  return tls::Context::create(
      role, {.certificate_chain = chain, .private_key = private_key.view(), .trusted_roots = roots},
      records);
}

TimePoint renewal_time(TimePoint received, TimePoint not_after, double jitter) {
  const std::chrono::duration<double> life = not_after - received;
  const auto after = life / 2 - life / 20 * std::clamp(jitter, 0.0, 1.0);
  return received + std::max<TimePoint::duration>(
                        std::chrono::duration_cast<TimePoint::duration>(after), kMinRenewalDelay);
}

std::chrono::milliseconds retry_delay(unsigned failures) {
  auto delay = kFirstRetryDelay;
  for (unsigned i = 1; i < failures && delay < kMaxRetryDelay; ++i) delay *= 2;
  return std::min(delay, kMaxRetryDelay);
}

}  // namespace culvert::certs
