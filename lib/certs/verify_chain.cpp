// X509_verify_cert with a clock that is passed in.
#include "verify_chain.hpp"

#include <openssl/err.h>

namespace culvert::certs {
namespace {
void free_stack(STACK_OF(X509) * stack) {
  sk_X509_free(stack);
}
}  // namespace

int verify_chain(X509& certificate, std::span<const tls::X509Ptr> intermediates,
                 std::span<const tls::X509Ptr> roots, std::chrono::system_clock::time_point now) {
  const tls::X509StorePtr store(X509_STORE_new());
  const tls::OpensslPtr<STACK_OF(X509), free_stack> untrusted(sk_X509_new_null());
  const tls::X509StoreCtxPtr context(X509_STORE_CTX_new());
  if (!store || !untrusted || !context) return X509_V_ERR_OUT_OF_MEM;
  for (const auto& root : roots) X509_STORE_add_cert(store.get(), root.get());
  for (const auto& each : intermediates) sk_X509_push(untrusted.get(), each.get());
  if (X509_STORE_CTX_init(context.get(), store.get(), &certificate, untrusted.get()) != 1) {
    return X509_V_ERR_UNSPECIFIED;
  }
  X509_STORE_CTX_set_time(context.get(), 0, std::chrono::system_clock::to_time_t(now));
  const bool holds = X509_verify_cert(context.get()) == 1;
  ERR_clear_error();
  return holds ? X509_V_OK : X509_STORE_CTX_get_error(context.get());
}

}  // namespace culvert::certs
