// The link to control: what it says of the mesh (delta xDS) and the certificates that it signs
// (CSR), over one socket. On the control loop's thread.
#pragma once

#include <memory>

#include "culvert/grpc/channel.hpp"
#include "culvert/xds/certificate_client.hpp"
#include "culvert/xds/client.hpp"
#include "ztunnel/control/certificates.hpp"
#include "ztunnel/control/mesh_feed.hpp"
#include "ztunnel/control/saved_config.hpp"
#include "ztunnel/settings.hpp"

namespace culvert::ztunnel {

class ControlLink final : public CertificateService {
 public:
  /// `publish` gets every new snapshot.
  ControlLink(const Settings& settings, MeshFeed::Publish publish);

  /// Runs until its fiber is stopped; then close() may be awaited. The first snapshot is published
  /// when control has told everything, or kControlWait after the start if an earlier run's
  /// configuration was found: that holds until control is there.
  io::Task<> run();
  /// Ends the connection for certificates. Awaited once, before it dies.
  io::Task<> close();

  /// There is a configuration to serve by: control's, or an earlier run's.
  bool ready() const { return feed_.is_open(); }
  xds::ClientStatus status() const { return client_.status(); }
  const mesh::SnapshotPtr& snapshot() const { return feed_.snapshot(); }

  io::Task<std::expected<std::vector<std::string>, std::string>> sign(
      std::string request_pem, std::string identity) override;

 private:
  static io::Task<> open_feed(ControlLink* self, bool found);

  grpc::UnixConnector connector_;
  MeshFeed feed_;
  SavedConfig saved_;
  xds::Client client_;
  xds::CertificateClient certificates_;
};

}  // namespace culvert::ztunnel
