// CRLs: their form, who signed them, and what they list.
#include "culvert/certs/revocation_file.hpp"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "certificate_id.hpp"
#include "pem.hpp"
#include "verify_chain.hpp"

namespace culvert::certs {
namespace {

using CrlPtr = tls::OpensslPtr<X509_CRL, X509_CRL_free>;
using TimePoint = std::chrono::system_clock::time_point;
using Refusal = std::unexpected<std::string>;

struct Issuers {
  std::vector<tls::X509Ptr> roots;
  std::vector<tls::X509Ptr> others;  // given intermediates, and CA certificates of the file
};

struct Parts {
  std::vector<CrlPtr> lists;
  std::vector<tls::X509Ptr> certificates;
};

constexpr auto kClockSkew = std::chrono::minutes(2);  // the issuer's clock may be ahead of ours

void free_infos(STACK_OF(X509_INFO) * infos) {
  sk_X509_INFO_pop_free(infos, X509_INFO_free);
}

int no_passphrase(char*, int, int, void*) {
  return 0;
}

std::expected<Parts, std::string> split(std::string_view pem) {
  if (pem.size() > kMaxRevocationFileBytes) return Refusal("over 8 MiB");
  const tls::BioPtr bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  ERR_clear_error();
  const tls::OpensslPtr<STACK_OF(X509_INFO), free_infos> infos(
      bio ? PEM_X509_INFO_read_bio(bio.get(), nullptr, no_passphrase, nullptr) : nullptr);
  ERR_clear_error();
  if (!infos) return Refusal("the PEM text is malformed");
  Parts out;
  for (int i = 0; i < sk_X509_INFO_num(infos.get()); ++i) {
    X509_INFO* const info = sk_X509_INFO_value(infos.get(), i);
    if (info->crl != nullptr) out.lists.emplace_back(std::exchange(info->crl, nullptr));
    if (info->x509 != nullptr) out.certificates.emplace_back(std::exchange(info->x509, nullptr));
  }
  if (out.lists.empty()) return Refusal("no CRL in it");
  if (out.lists.size() > kMaxRevocationLists) return Refusal("over 64 CRLs in it");
  return out;
}

std::string name_of(const X509_CRL& list) {
  char text[256];
  X509_NAME_oneline(X509_CRL_get_issuer(&list), text, sizeof text);
  return text;
}

// A delta or a list for some kinds of certificates would be taken for the whole.
const char* problem_of_form(const X509_CRL& list, TimePoint now) {
  if (X509_CRL_get_ext_by_NID(&list, NID_delta_crl, -1) >= 0) return "it is a delta CRL";
  if (X509_CRL_get_ext_by_NID(&list, NID_issuing_distribution_point, -1) >= 0) {
    return "it covers only some certificates (issuing distribution point)";
  }
  for (int i = 0; i < X509_CRL_get_ext_count(&list); ++i) {
    X509_EXTENSION* const extension = X509_CRL_get_ext(&list, i);
    if (X509_EXTENSION_get_critical(extension) == 1) return "it has an unknown critical extension";
  }
  const ASN1_TIME* const issued = X509_CRL_get0_lastUpdate(&list);
  if (issued == nullptr || tls::to_time_point(issued) > now + kClockSkew) {
    return "it is from the future";
  }
  return nullptr;
}

// The issuer may be a certificate of the file, whose extensions nobody has read yet.
bool signed_by(X509_CRL& list, X509& issuer) {
  if (X509_NAME_cmp(X509_CRL_get_issuer(&list), X509_get_subject_name(&issuer)) != 0) return false;
  const bool may_sign =
      X509_check_ca(&issuer) != 0 && (X509_get_key_usage(&issuer) & KU_CRL_SIGN) != 0;
  EVP_PKEY* const key = may_sign ? X509_get0_pubkey(&issuer) : nullptr;
  const bool holds = key != nullptr && X509_CRL_verify(&list, key) == 1;
  ERR_clear_error();
  return holds;
}

// The trusted certificate that signed it; nullptr: nobody.
X509* signer_of(X509_CRL& list, const Issuers& issuers, TimePoint now) {
  for (const auto* group : {&issuers.roots, &issuers.others}) {
    for (const auto& issuer : *group) {
      if (signed_by(list, *issuer) &&
          verify_chain(*issuer, issuers.others, issuers.roots, now) == X509_V_OK) {
        return issuer.get();
      }
    }
  }
  return nullptr;
}

// Each entry by the issuer's name as the list writes it and, if that differs, as the issuer does.
std::expected<void, std::string> add_entries(X509_CRL& list, X509& signer,
                                             std::vector<tls::CertificateId>& out) {
  const STACK_OF(X509_REVOKED)* const entries = X509_CRL_get_REVOKED(&list);
  for (int i = 0; i < sk_X509_REVOKED_num(entries); ++i) {
    const X509_REVOKED* const entry = sk_X509_REVOKED_value(entries, i);
    if (X509_REVOKED_get_ext_by_NID(entry, NID_certificate_issuer, -1) >= 0) {
      return Refusal("it lists certificates of other issuers");
    }
    const ASN1_INTEGER* const serial = X509_REVOKED_get0_serialNumber(entry);
    for (const X509_NAME* name : {X509_CRL_get_issuer(&list), X509_get_subject_name(&signer)}) {
      const auto id = tls::certificate_id(*name, *serial);
      if (!id) return Refusal(id.error().to_string());
      if (out.empty() || out.back() != *id) out.push_back(*id);
    }
  }
  return {};
}

std::expected<Issuers, std::string> issuers_from(std::string_view roots,
                                                 std::string_view intermediates,
                                                 std::vector<tls::X509Ptr> of_file) {
  auto trusted = tls::read_certificates(roots);
  if (!trusted) return Refusal("no trusted root is known");
  Issuers out{.roots = std::move(*trusted), .others = std::move(of_file)};
  if (intermediates.empty()) return out;
  auto more = tls::read_certificates(intermediates);
  if (!more) return Refusal(more.error().to_string());
  std::ranges::move(*more, std::back_inserter(out.others));
  return out;
}

}  // namespace

std::expected<Revocations, std::string> read_revocations(std::string_view pem,
                                                         std::string_view roots,
                                                         std::string_view intermediates,
                                                         TimePoint now) {
  auto parts = split(pem);
  if (!parts) return Refusal(parts.error());
  auto issuers = issuers_from(roots, intermediates, std::move(parts->certificates));
  if (!issuers) return Refusal(issuers.error());
  Revocations out;
  std::vector<tls::CertificateId> revoked;
  for (const auto& list : parts->lists) {
    const auto refuse = [&](std::string_view why) {
      return Refusal(fmt::format("the CRL of {}: {}", name_of(*list), why));
    };
    if (const char* problem = problem_of_form(*list, now)) return refuse(problem);
    X509* const signer = signer_of(*list, *issuers, now);
    if (signer == nullptr) return refuse("not signed by a trusted root or intermediate");
    if (auto added = add_entries(*list, *signer, revoked); !added) return refuse(added.error());
    const ASN1_TIME* const next = X509_CRL_get0_nextUpdate(list.get());
    if (next != nullptr && tls::to_time_point(next) < now) {
      out.warning =
          fmt::format("the CRL of {} is overdue; what it revoked stays so", name_of(*list));
    }
  }
  out.list = std::make_shared<const tls::RevocationList>(std::move(revoked));
  return out;
}

}  // namespace culvert::certs
