#include "options.hpp"

#include <CLI/CLI.hpp>

#include "culvert/tls/spiffe_id.hpp"

namespace culvert::control {
namespace {

constexpr const char* kExamples = R"(
Each Node object N of the folder is served xDS and certificates on SOCKET_DIR/N.sock, and each pod of a
waypoint or edge on SOCKET_DIR/pods/NAMESPACE_POD/control.sock (a long name ends in a hash): its own certificate alone.
Only root may open them; show a pod its own folder, and no other. A root certificate is made in STATE_DIR/ca at first start, unless one is given.

Examples:
  culvert-control --config-dir mesh/ --socket-dir /run/culvert/nodes --state-dir /var/lib/culvert/control \
      --admin-socket /run/culvert/control.sock
  curl --unix-socket /run/culvert/control.sock http://localhost/status
  curl --unix-socket /run/culvert/control.sock -X POST http://localhost/sync)";

}  // namespace

void add_options(CLI::App& app, Options& options) {
  app.footer(kExamples);
  app.add_option("--config-dir", options.config_dir, "folder of *.yaml, *.yml and *.json; watched")
      ->required();
  app.add_option("--socket-dir", options.socket_dir, "folder for the sockets of nodes and proxies")
      ->required();
  app.add_option("--state-dir", options.state_dir,
                 "folder for the root certificate and last good states")
      ->required();
  app.add_option("--admin-socket", options.admin_socket, "Unix socket for /status and its like")
      ->required();
  app.add_option("--trust-domain", options.compile.trust_domain, "of the identities")
      ->capture_default_str()
      ->check([](const std::string& text) {
        return tls::is_trust_domain(text) ? ""
                                          : "a trust domain is 1 to 255 of a-z, 0-9, '.', '-', '_'";
      });
  app.add_option("--root-namespace", options.compile.root_namespace, "holds the mesh-wide policies")
      ->capture_default_str();
  app.add_option("--cluster-id", options.compile.cluster_id, "in the names of workloads")
      ->capture_default_str();
  app.add_option("--certificate-lifetime", options.certificate_lifetime_seconds,
                 "of workloads, seconds; they renew at half of it")
      ->capture_default_str()
      ->check(CLI::Range(std::chrono::seconds(certs::kMinLifetime).count(),
                         std::chrono::seconds(certs::kDefaultLifetime).count()));
  auto* cert =
      app.add_option("--ca-cert", options.ca_cert, "signing certificate, PEM (ca-cert.pem)");
  auto* key = app.add_option("--ca-key", options.ca_key, "its key (ca-key.pem)");
  auto* root = app.add_option("--root-cert", options.root_cert, "trusted roots (root-cert.pem)");
  app.add_option("--ca-chain", options.ca_chain,
                 "from the signing certificate upwards (cert-chain.pem)")
      ->needs(cert);
  cert->needs(key)->needs(root);
  key->needs(cert);
  root->needs(cert);
}

}  // namespace culvert::control
