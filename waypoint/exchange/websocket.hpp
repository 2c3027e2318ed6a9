// The key and its answer of a websocket (RFC 6455 section 4), which HTTP/1.1 has and an extended
// CONNECT of HTTP/2 has not (RFC 8441 section 5.1): where the two sides differ, the waypoint is the
// one that asks, or answers, by HTTP/1.1.
#pragma once

#include <string>

#include "culvert/http/message.hpp"
#include "culvert/l7/random.hpp"
#include "waypoint/http/server.hpp"

namespace culvert::waypoint {

class WebsocketKey {
 public:
  /// Of an upgrade that `came` and goes up as `head` by `version`: makes the key that HTTP/1.1
  /// needs and the client did not send, takes away the one that HTTP/2 does not have. Once an
  /// attempt.
  void prepare(const http::RequestHead& came, http::RequestHead& head, HttpVersion version,
               l7::Random& random);

  /// Of the answer that opened the tunnel: checks the one to our key, and takes it away; makes the
  /// one to the client's. False: upstream did not answer our key, and is no websocket.
  bool settle(http::ResponseHead& head) const;

 private:
  std::string ours_;    // sent up
  std::string theirs_;  // not sent up
};

}  // namespace culvert::waypoint
