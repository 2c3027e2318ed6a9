// The origin's side of an HTTP/2 connection: GETs, and gRPC calls, of "/bytes/SIZE/STREAM".
#pragma once

#include <cstdint>
#include <string_view>
#include <unordered_map>

#include "bench/h2_link.hpp"
#include "bench/http.hpp"
#include "bench/message.hpp"

namespace culvert::bench {

class H2Exchange {
 public:
  H2Exchange();
  H2Exchange(const H2Exchange&) = delete;
  H2Exchange& operator=(const H2Exchange&) = delete;

  H2Link& link() { return link_; }

 private:
  friend struct H2ServerCallbacks;
  struct Stream {
    Request request;
    bool known = false;  // a path that is answered
    bool grpc = false;
    bool wrong = false;
    MessageCheck received;
    MessageSource answer;
  };
  int answer(std::int32_t id, Stream& stream);

  std::unordered_map<std::int32_t, Stream> streams_;
  H2Link link_;
};

}  // namespace culvert::bench
