#include "waypoint/http/client.hpp"

#include "waypoint/http/http1_client.hpp"
#include "waypoint/http/http2_client.hpp"

namespace culvert::waypoint {

std::unique_ptr<ClientConnection> ClientConnection::make(HttpVersion version,
                                                         std::unique_ptr<io::ByteStream> bytes,
                                                         const ClientOptions& options,
                                                         Owner& owner) {
  if (version == HttpVersion::kHttp2) {
    return std::make_unique<Http2Client>(std::move(bytes), options, owner);
  }
  return std::make_unique<Http1Client>(std::move(bytes), options, owner);
}

}  // namespace culvert::waypoint
