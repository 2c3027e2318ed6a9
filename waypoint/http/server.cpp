#include "waypoint/http/server.hpp"

#include "waypoint/http/http1_server.hpp"

namespace culvert::waypoint {

std::unique_ptr<ServerConnection> ServerConnection::make(HttpVersion,
                                                         std::unique_ptr<io::ByteStream> bytes,
                                                         const ServerOptions& options,
                                                         Handler& handler) {
  return std::make_unique<Http1Server>(std::move(bytes), options, handler);
}

}  // namespace culvert::waypoint
