// Requests of a ztunnel into the server's half of delta xDS: at most one response a type is under
// way, nonces are new, bounds hold; and whatever was said before, a client that acknowledges
// everything from now on is told everything. Input: steps, each a byte (0: the resources change,
// else a request), for a request its length in two bytes, and its bytes.
#include <google/protobuf/stubs/logging.h>

#include <algorithm>
#include <set>

#include "culvert/xds/limits.hpp"
#include "culvert/xds/messages.hpp"
#include "culvert/xds/resources.hpp"
#include "culvert/xds/session.hpp"
#include "property.hpp"

using namespace culvert;
using fuzz::require;

namespace {

constexpr int kMaxSteps = 64;
constexpr int kMaxRounds = 64;  // of the client that acknowledges everything

// What control serves at a generation: names come, change and go.
xds::ResourceSetPtr resources(std::uint64_t generation) {
  auto out = std::make_shared<xds::ResourceSet>();
  out->generation = generation;
  auto& addresses = out->types[std::string(xds::kAddressType)];
  addresses["a"] = {"v1", "bytes"};
  addresses["b"] = {"v" + std::to_string(generation), "bytes"};
  if (generation % 2 == 0) addresses["c"] = {"v1", "bytes"};
  auto& policies = out->types[std::string(xds::kAuthorizationType)];
  if (generation % 3 != 0) policies["a"] = {"v" + std::to_string(generation / 2), "bytes"};
  return out;
}

class Server {
 public:
  // False when the stream is over.
  bool receive(std::string_view wire) {
    const auto request = xds::parse_delta_request(wire);
    if (!request) return false;
    types_.insert(request->type_url);
    const auto taken = session_.receive(*request);
    if (!taken) {
      require(taken.error().origin == Origin::kClient, "it is the client's fault");
      return false;
    }
    answered(*request);
    send();
    return true;
  }

  void change() {
    session_.update(resources(++generation_));
    send();
  }

  // Every type that was subscribed to reaches the newest generation.
  void acknowledge_everything() {
    change();
    for (int round = 0; !waiting_.empty(); ++round) {
      require(round < kMaxRounds, "it comes to an end");
      const auto [type, nonce] = *waiting_.begin();
      xds::DeltaRequest ack;
      ack.type_url = type;
      ack.nonce = nonce;
      require(receive(xds::serialize(ack)), "an acknowledgment is taken");
    }
    const auto acked = session_.acked_generation();
    require(acked == 0 || acked == generation_, "all of it was acknowledged");
  }

 private:
  void answered(const xds::DeltaRequest& request) {
    const auto found = waiting_.find(request.type_url);
    if (found != waiting_.end() && found->second == request.nonce) waiting_.erase(found);
  }

  void send() {
    for (const auto& response : session_.responses()) {
      require(types_.contains(response.type_url), "nobody is sent what was not asked for");
      require(nonces_.insert(response.nonce).second, "a nonce is new");
      require(waiting_.emplace(response.type_url, response.nonce).second,
              "a type has one response under way");
      require(response.resources.size() + response.removed.size() <= 2 * xds::kResponseResources,
              "responses are bounded");
    }
    require(types_.size() <= xds::kMaxTypes + 1, "types are bounded");
    require(session_.node_id().size() <= xds::kMaxNameBytes, "the node's name is bounded");
    require(session_.last_nack().size() <= xds::kMaxNackTextBytes, "a NACK's text is bounded");
    require(session_.acked_generation() <= generation_, "nothing of the future was acknowledged");
  }

  std::uint64_t generation_ = 1;
  xds::Session session_{resources(1)};
  std::set<std::string> types_, nonces_;
  std::map<std::string, std::string> waiting_;  // nonce by type
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  google::protobuf::SetLogHandler(nullptr);
  std::span<const std::uint8_t> input(data, size);
  Server server;
  for (int step = 0; step < kMaxSteps && !input.empty(); ++step) {
    if (fuzz::take_byte(input) == 0) {
      server.change();
      continue;
    }
    const std::size_t high = fuzz::take_byte(input), low = fuzz::take_byte(input);
    const auto wire = input.first(std::min(high << 8 | low, input.size()));
    input = input.subspan(wire.size());
    if (!server.receive(fuzz::text_of(wire))) return 0;
  }
  server.acknowledge_everything();
  return 0;
}
