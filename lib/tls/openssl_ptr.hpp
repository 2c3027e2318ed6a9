// Owning pointers for OpenSSL's objects, for lib/tls and lib/certs only.
#pragma once

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <memory>

namespace culvert::tls {

template <auto Free>
struct OpensslFree {
  template <class T>
  void operator()(T* object) const {
    Free(object);
  }
};
template <class T, auto Free>
using OpensslPtr = std::unique_ptr<T, OpensslFree<Free>>;

inline void free_general_names(GENERAL_NAMES* names) {
  GENERAL_NAMES_free(names);
}
inline void free_openssl_bytes(void* bytes) {
  OPENSSL_free(bytes);
}

using SslPtr = OpensslPtr<SSL, SSL_free>;
using SslCtxPtr = OpensslPtr<SSL_CTX, SSL_CTX_free>;
using BioPtr = OpensslPtr<BIO, BIO_free_all>;
using X509Ptr = OpensslPtr<X509, X509_free>;
using X509ReqPtr = OpensslPtr<X509_REQ, X509_REQ_free>;
using X509StorePtr = OpensslPtr<X509_STORE, X509_STORE_free>;
using X509StoreCtxPtr = OpensslPtr<X509_STORE_CTX, X509_STORE_CTX_free>;
using KeyPtr = OpensslPtr<EVP_PKEY, EVP_PKEY_free>;
using KeyCtxPtr = OpensslPtr<EVP_PKEY_CTX, EVP_PKEY_CTX_free>;
using NamesPtr = OpensslPtr<GENERAL_NAMES, free_general_names>;
using ExtensionPtr = OpensslPtr<X509_EXTENSION, X509_EXTENSION_free>;
using BytesPtr = OpensslPtr<unsigned char, free_openssl_bytes>;

}  // namespace culvert::tls
