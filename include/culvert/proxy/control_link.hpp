// The link to control: what it says of the mesh (delta xDS) and the certificates that it signs
// (CSR), over one socket. On the control loop's thread.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "culvert/grpc/channel.hpp"
#include "culvert/proxy/certificates.hpp"
#include "culvert/proxy/feed.hpp"
#include "culvert/proxy/saved_config.hpp"
#include "culvert/xds/certificate_client.hpp"
#include "culvert/xds/client.hpp"

namespace culvert::proxy {

struct ControlLinkOptions {
  std::string socket;     // control's Unix socket
  std::string state_dir;  // as SavedConfig has it
  xds::Node node;         // who asks
  /// In the order in which they are asked for.
  std::vector<std::string> type_urls;
};

class ControlLink final : public CertificateService {
 public:
  /// `feed` gets every resource, and outlives it.
  ControlLink(ControlLinkOptions options, Feed& feed);

  /// Runs until its fiber is stopped; then close() may be awaited. The feed is opened when control
  /// has told everything, or kControlWait after the start if an earlier run's configuration was
  /// found: that holds until control is there.
  io::Task<> run();
  /// Ends the connection for certificates. Awaited once, before it dies.
  io::Task<> close();

  /// There is a configuration to serve by: control's, or an earlier run's.
  bool ready() const { return feed_.is_open(); }
  xds::ClientStatus status() const { return client_.status(); }

  io::Task<std::expected<std::vector<std::string>, std::string>> sign(
      std::string request_pem, std::string identity) override;

 private:
  static io::Task<> open_feed(ControlLink* self, bool found);

  grpc::UnixConnector connector_;
  Feed& feed_;
  SavedConfig saved_;
  xds::Client client_;
  xds::CertificateClient certificates_;
};

}  // namespace culvert::proxy
