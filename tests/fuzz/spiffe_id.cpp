// SPIFFE ids: nothing is normalized, and the two readers of the tree (certificates, policies) never
// see two different workloads in one text.
#include "culvert/tls/spiffe_id.hpp"

#include "culvert/mesh/identity.hpp"
#include "property.hpp"

using namespace culvert;
using fuzz::require;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto text = fuzz::text_of({data, size});
  const auto id = tls::SpiffeId::parse(text);
  const auto workload = tls::WorkloadId::parse(text);
  const auto identity = mesh::Identity::parse(text);
  if (id) {
    require(id->to_string() == text, "an id has one form");
    require(tls::is_trust_domain(id->trust_domain), "the trust domain is one");
  }
  if (identity) require(identity->to_string() == text, "an identity has one form");
  if (!workload) return 0;
  require(workload->to_string() == text, "a workload's id has one form");
  require(id && id->trust_domain == workload->trust_domain, "a workload's id is a SPIFFE id");
  require(identity && identity->trust_domain == workload->trust_domain &&
              identity->ns == workload->namespace_name &&
              identity->service_account == workload->service_account,
          "policies see the workload that the certificate names");
  return 0;
}
