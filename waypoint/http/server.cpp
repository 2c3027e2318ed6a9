#include "waypoint/http/server.hpp"

#include "waypoint/http/http1_server.hpp"
#include "waypoint/http/http2_server.hpp"

namespace culvert::waypoint {

std::unique_ptr<ServerConnection> ServerConnection::make(HttpVersion version,
                                                         std::unique_ptr<io::ByteStream> bytes,
                                                         const ServerOptions& options,
                                                         Handler& handler) {
  if (version == HttpVersion::kHttp2) {
    return std::make_unique<Http2Server>(std::move(bytes), options, handler);
  }
  return std::make_unique<Http1Server>(std::move(bytes), options, handler);
}

}  // namespace culvert::waypoint
