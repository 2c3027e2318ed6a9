// A file of CRLs. Signatures would stop every mutation at the gate, so a list is also read from its
// encoding and signed with keys made here: by the trusted root, by a stranger. Input: a byte that
// chooses, then the file's text or one list's DER.
#include <openssl/err.h>
#include <openssl/pem.h>

#include <string>

#include "culvert/certs/revocation_file.hpp"
#include "mint.hpp"
#include "openssl_ptr.hpp"
#include "property.hpp"

using namespace culvert;
using fuzz::require;

namespace {

using CrlPtr = tls::OpensslPtr<X509_CRL, X509_CRL_free>;

struct World {
  test::Minted root = test::mint_root();
  tls::KeyPtr key;
  tls::X509Ptr certificate;
  tls::KeyPtr stranger{EVP_EC_gen("P-256")};

  World() {
    const auto open = [](const std::string& text) {
      return tls::BioPtr(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
    };
    key.reset(PEM_read_bio_PrivateKey(open(root.private_key).get(), nullptr, nullptr, nullptr));
    certificate.reset(PEM_read_bio_X509(open(root.certificate).get(), nullptr, nullptr, nullptr));
    require(key && certificate, "a root is made");
  }
};

const World& world() {
  static const World one;
  return one;
}

// As an issuer would write what these bytes mean; empty when they mean nothing.
std::string signed_list(std::span<const std::uint8_t> der, bool by_root, bool named) {
  const unsigned char* at = der.data();
  const CrlPtr list(d2i_X509_CRL(nullptr, &at, static_cast<long>(der.size())));
  ERR_clear_error();
  if (!list) return {};
  if (named) X509_CRL_set_issuer_name(list.get(), X509_get_subject_name(world().certificate.get()));
  EVP_PKEY* const key = by_root ? world().key.get() : world().stranger.get();
  const bool made = X509_CRL_sign(list.get(), key, EVP_sha256()) > 0;
  ERR_clear_error();
  if (!made) return {};
  const tls::BioPtr bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509_CRL(bio.get(), list.get());
  char* text = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &text);
  return {text, static_cast<std::size_t>(size)};
}

bool check_file(const std::string& pem) {
  const auto read = certs::read_revocations(pem, world().root.certificate, "");
  require(ERR_peek_error() == 0, "no error of OpenSSL is left for the next reader");
  if (!read) {
    require(!read.error().empty(), "a refusal says why");
    return false;
  }
  require(read->list != nullptr, "a file that counts is a list");
  require(read->list->size() <= pem.size(), "a list is not longer than its file");
  require(!read->list->contains({}), "what it does not name it does not have");
  const auto twice = certs::read_revocations(pem + pem, world().root.certificate, "");
  require(!twice || twice->list->size() >= read->list->size(), "more lists revoke no less");
  return true;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::span<const std::uint8_t> input(data, size);
  const auto kind = fuzz::take_byte(input);
  if ((kind & 1) == 0) {
    check_file(std::string(fuzz::text_of(input)));
    return 0;
  }
  const bool by_root = (kind & 2) == 0, named = (kind & 4) == 0;
  const auto pem = signed_list(input, by_root, named);
  if (pem.empty()) return 0;
  const bool counts = check_file(pem);
  require(!counts || by_root, "a stranger's list does not count");
  return 0;
}
