// Delta xDS from the wire to the mesh: messages are written as they were read, a response gives an
// ACK or a NACK that fits, and the snapshot that it makes does not depend on how it was cut.
// Input: a byte (0: a request, else a response), then the message.
#include <google/protobuf/stubs/logging.h>

#include <algorithm>
#include <map>

#include "culvert/base/log.hpp"
#include "culvert/mesh/route.hpp"
#include "culvert/proxy/mesh_feed.hpp"
#include "culvert/xds/messages.hpp"
#include "culvert/xds/resources.hpp"
#include "culvert/xds/subscriber.hpp"
#include "property.hpp"

using namespace culvert;
using fuzz::require;

namespace {

const std::string kAddress(xds::kAddressType);
const std::string kPolicy(xds::kAuthorizationType);
constexpr std::size_t kMaxPairs = 8;  // of workloads that talk to each other, an input

void check_request(std::string_view wire) {
  const auto request = xds::parse_delta_request(wire);
  if (!request) return;
  const auto written = xds::serialize(*request);
  const auto again = xds::parse_delta_request(written);
  require(again.has_value(), "what was read can be sent");
  require(again->subscribe == request->subscribe && again->nonce == request->nonce &&
              again->initial_versions == request->initial_versions &&
              again->refusal.has_value() == request->refusal.has_value(),
          "what was sent is read as it was");
}

proxy::MeshFeed new_feed() {
  return proxy::MeshFeed("cluster.local", [](const mesh::SnapshotPtr&) {});
}

template <class Pointers>
auto by_key(const Pointers& pointers, auto key) {
  std::map<std::string, decltype(pointers.front())> out;
  for (const auto& pointer : pointers) out.emplace(key(*pointer), pointer);
  require(out.size() == pointers.size(), "every object has a key of its own");
  return out;
}

template <class Pointers>
bool same_objects(const Pointers& left, const Pointers& right, auto key) {
  const auto a = by_key(left, key), b = by_key(right, key);
  return std::ranges::equal(a, b, [](const auto& x, const auto& y) {
    return x.first == y.first && *x.second == *y.second;
  });
}

bool same(const mesh::Snapshot& a, const mesh::Snapshot& b) {
  return same_objects(a.workloads(), b.workloads(), [](const auto& w) { return w.uid; }) &&
         same_objects(a.services(), b.services(), [](const auto& s) { return s.key(); }) &&
         same_objects(a.policies(), b.policies(), [](const auto& p) { return p.key(); });
}

void check_indexes(const mesh::Snapshot& snapshot) {
  for (const auto& workload : snapshot.workloads()) {
    require(snapshot.workload(workload->uid) == workload, "a workload is found by its uid");
    for (const auto& ip : workload->addresses) {
      require(snapshot.workload_at({workload->network, ip}) != nullptr,
              "some workload is found at each address");
    }
    for (const auto& [service, ports] : workload->services) {
      const auto all = snapshot.endpoints(service);
      require(std::ranges::any_of(all, [&](const auto& e) { return e.workload == workload; }),
              "a workload is an endpoint of its services");
    }
  }
  for (const auto& service : snapshot.services()) {
    for (const auto& vip : service->vips) {
      if (!service->visible_to(service->ns)) continue;
      require(snapshot.service_at(vip, service->ns) != nullptr, "some service is at each VIP");
    }
  }
}

// Deciding is total: every pair of workloads gets a route or an error, and a verdict.
void check_decisions(const mesh::Snapshot& snapshot) {
  auto workloads = snapshot.workloads();
  if (workloads.size() > kMaxPairs) workloads.resize(kMaxPairs);
  mesh::RoundRobin rotation;
  for (const auto& from : workloads) {
    for (const auto& to : workloads) {
      for (const auto& ip : to->addresses) {
        const auto route = mesh::resolve_destination(snapshot, {ip, 80}, *from, rotation);
        if (route && route->protocol == mesh::Route::Protocol::kHbone) {
          require(!route->expected_identities.empty(), "a tunnel's peer must prove a name");
        }
        const auto verdict = mesh::authorize(snapshot, *to, {from->identity(), ip, {ip, 80}});
        require(verdict.allowed == (verdict.reason == mesh::Verdict::Reason::kNoPolicy ||
                                    verdict.reason == mesh::Verdict::Reason::kAllowed),
                "the reason says what was decided");
      }
    }
  }
}

void check_resources(const xds::DeltaResponse& response) {
  auto whole = new_feed(), one_by_one = new_feed();
  std::map<std::string, xds::AddedResource> added;
  for (const auto& r : response.resources) added[r.name] = {r.name, r.version, r.bytes};
  std::vector<xds::AddedResource> all;
  for (const auto& [name, resource] : added) {
    all.push_back(resource);
    (void)one_by_one.apply(response.type_url, {resource}, {});
  }
  const auto rejected = whole.apply(response.type_url, all, {});
  require(rejected.size() <= all.size(), "at most what was sent is rejected");
  require(same(*whole.snapshot(), *one_by_one.snapshot()), "the cut into responses is the same");
  check_indexes(*whole.snapshot());
  check_decisions(*whole.snapshot());
}

void check_response(std::string_view wire) {
  const auto response = xds::parse_delta_response(wire);
  if (!response) return;
  const auto written = xds::serialize(*response);
  const auto again = xds::parse_delta_response(written);
  require(again && xds::serialize(*again) == written, "what was sent is read as it was");
  auto feed = new_feed();
  xds::Subscriber subscriber({}, {kAddress, kPolicy}, feed);
  (void)subscriber.start_stream();
  const auto answer = subscriber.receive(*response);
  if (answer) {
    require(answer->nonce == response->nonce && answer->type_url == response->type_url,
            "the answer names what it answers");
    require(answer->refusal.has_value() == (subscriber.nacks() > 0), "a NACK says why");
    require(subscriber.held() <= response->resources.size(), "no more is held than was sent");
  } else {
    require(feed.snapshot()->generation() == 0, "a response that ends the stream changes nothing");
  }
  if (response->type_url == kAddress || response->type_url == kPolicy) check_resources(*response);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  log::set_level(log::Level::kError);
  google::protobuf::SetLogHandler(nullptr);
  std::span<const std::uint8_t> input(data, size);
  if (fuzz::take_byte(input) == 0) {
    check_request(fuzz::text_of(input));
  } else {
    check_response(fuzz::text_of(input));
  }
  return 0;
}
