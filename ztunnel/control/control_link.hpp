// The link to control: what it says of the mesh (delta xDS) and the certificates that it signs
// (CSR), over one socket. On the control loop's thread.
#pragma once

#include <memory>

#include "culvert/grpc/channel.hpp"
#include "culvert/xds/certificate_client.hpp"
#include "culvert/xds/client.hpp"
#include "ztunnel/control/certificates.hpp"
#include "ztunnel/control/mesh_feed.hpp"
#include "ztunnel/settings.hpp"

namespace culvert::ztunnel {

class ControlLink final : public CertificateService {
 public:
  /// `publish` gets every new snapshot.
  ControlLink(const Settings& settings, MeshFeed::Publish publish);

  /// Runs until its fiber is stopped; then close() may be awaited.
  io::Task<> run();
  /// Ends the connection for certificates. Awaited once, before it dies.
  io::Task<> close();

  /// Control has told everything that it knows at least once.
  bool ready() const { return client_.ready(); }
  xds::ClientStatus status() const { return client_.status(); }
  const mesh::SnapshotPtr& snapshot() const { return feed_.snapshot(); }

  io::Task<std::expected<std::vector<std::string>, std::string>> sign(
      std::string request_pem, std::string identity) override;

 private:
  grpc::UnixConnector connector_;
  MeshFeed feed_;
  xds::Client client_;
  xds::CertificateClient certificates_;
};

}  // namespace culvert::ztunnel
