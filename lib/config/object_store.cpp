// From the files of a folder to what is in force.
#include "culvert/config/object_store.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <tuple>
#include <utility>

#include "istio_objects.pb.h"

namespace culvert::config {
namespace {

/// Every place that claims a name; `object` is null where it is not valid.
struct Claim {
  Place place;
  ObjectPtr object;
  std::vector<std::string> hosts, gateways;  // as RefusedObject has them
};
using Claims = std::map<ObjectKey, std::vector<Claim>>;

Claim claim_of(const ObjectPtr& object) {
  Claim claim{object->place, object, {}, {}};
  if (object->key.kind == "DestinationRule") {
    claim.hosts = {message_as<api::istio::DestinationRule>(*object).spec().host()};
  }
  if (object->key.kind != "VirtualService") return claim;
  const auto& spec = message_as<api::istio::VirtualService>(*object).spec();
  claim.hosts.assign(spec.hosts().begin(), spec.hosts().end());
  claim.gateways.assign(spec.gateways().begin(), spec.gateways().end());
  return claim;
}

Claims collect(const std::vector<ParsedFile>& files) {
  Claims claims;
  for (const auto& file : files) {
    for (const auto& object : file.objects) claims[object->key].push_back(claim_of(object));
    for (const auto& bad : file.refused)
      claims[bad.key].push_back({bad.place, nullptr, bad.hosts, bad.gateways});
  }
  return claims;
}

/// Both places of every name that is claimed more than once.
void report_duplicates(const Claims& claims, Diagnostics& out) {
  for (const auto& [key, places] : claims) {
    if (places.size() < 2) continue;
    for (std::size_t i = 0; i < places.size(); ++i) {
      const auto& other = places[i == 0 ? 1 : 0].place;
      Diagnostic d;
      d.file = places[i].place.file;
      d.line = places[i].place.line;
      d.column = places[i].place.column;
      d.object = key.to_string();
      d.reason = fmt::format("the same object is also at {}", other.to_string());
      out.push_back(std::move(d));
    }
  }
}

/// Whether they refuse the same, wherever they stand.
bool same_refusals(const std::vector<RefusedObject>& a, const std::vector<RefusedObject>& b) {
  return std::ranges::equal(a, b, [](const RefusedObject& x, const RefusedObject& y) {
    return x.key == y.key && x.hosts == y.hosts && x.gateways == y.gateways;
  });
}

Condition not_accepted(const ObjectKey& key, const char* why, const Object* last_good) {
  Condition c{key, "Accepted", false, last_good ? "LastGoodInForce" : "Refused", why};
  c.message += last_good ? fmt::format("; its last good state, from {}, stays in force",
                                       last_good->place.to_string())
                         : "; it never had a good state and is not in force";
  const bool routing = key.kind == "VirtualService" || key.kind == "DestinationRule";
  if (!last_good && routing) c.message += ": what it would decide of is answered 503";
  return c;
}

Changes compare(const ObjectMap& before, const ObjectMap& after) {
  Changes changes;
  for (const auto& [key, object] : after) {
    auto old = before.find(key);
    if (old == before.end()) {
      changes.added.push_back(key);
    } else if (old->second->bytes != object->bytes) {
      changes.changed.push_back(key);
    }
  }
  for (const auto& [key, object] : before) {
    if (!after.contains(key)) changes.removed.push_back(key);
  }
  return changes;
}

}  // namespace

ObjectStore::ObjectStore() : objects_(std::make_shared<ObjectMap>()) {}

LoadReport ObjectStore::load(std::vector<ParsedFile> files) {
  LoadReport report;
  auto next = std::make_shared<ObjectMap>();
  const auto before = std::exchange(refused_, {});
  const auto claims = collect(files);
  for (const auto& [key, places] : claims) {
    if (places.size() == 1 && places[0].object) {
      next->emplace(key, places[0].object);
      continue;
    }
    auto old = objects_->find(key);
    const Object* last_good = old == objects_->end() ? nullptr : old->second.get();
    if (last_good) {
      next->insert(*old);
    } else {
      for (const auto& claim : places) {
        refused_.push_back({key, claim.place, claim.hosts, claim.gateways});
      }
    }
    const char* why = places.size() > 1 ? "given more than once" : "its file has errors in it";
    report.conditions.push_back(not_accepted(key, why, last_good));
  }

  std::set<std::string> incomplete;
  for (const auto& file : files) {
    if (!file.complete) incomplete.insert(file.file);
  }
  for (const auto& [key, object] : *objects_) {
    if (claims.contains(key) || !incomplete.contains(object->place.file)) continue;
    next->emplace(key, object);
    report.conditions.push_back(
        not_accepted(key, "its file has errors that may hide it", object.get()));
  }

  for (auto& file : files) {
    std::ranges::move(file.diagnostics, std::back_inserter(report.diagnostics));
  }
  report_duplicates(claims, report.diagnostics);
  std::ranges::sort(report.diagnostics, [](const Diagnostic& a, const Diagnostic& b) {
    return std::tie(a.file, a.line, a.column, a.field, a.reason) <
           std::tie(b.file, b.line, b.column, b.field, b.reason);
  });
  report.changes = compare(*objects_, *next);
  if (!report.changes.empty() || !same_refusals(before, refused_)) ++generation_;
  objects_ = std::move(next);
  return report;
}

}  // namespace culvert::config
