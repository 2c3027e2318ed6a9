// From the files of a folder to what is in force.
#include "culvert/config/object_store.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>
#include <span>
#include <tuple>
#include <utility>

#include "istio_objects.pb.h"

namespace culvert::config {
namespace {

/// A place that claims a name: `object`, or where it is not valid `refused`.
struct Claim {
  const ObjectKey* key = nullptr;
  const ObjectPtr* object = nullptr;
  const RefusedObject* refused = nullptr;
  std::size_t order = 0;

  const Place& place() const { return object != nullptr ? (*object)->place : refused->place; }
};

/// In the order of keys; those of one key in the order of files.
using Claims = std::vector<Claim>;

RefusedObject refused_of(const Claim& claim) {
  if (claim.refused != nullptr) return *claim.refused;
  const Object& object = **claim.object;
  RefusedObject out{object.key, object.place, {}, {}};
  if (object.key.kind == "DestinationRule") {
    out.hosts = {message_as<api::istio::DestinationRule>(object).spec().host()};
  }
  if (object.key.kind != "VirtualService") return out;
  const auto& spec = message_as<api::istio::VirtualService>(object).spec();
  out.hosts.assign(spec.hosts().begin(), spec.hosts().end());
  out.gateways.assign(spec.gateways().begin(), spec.gateways().end());
  return out;
}

Claims collect(const std::vector<ParsedFilePtr>& files) {
  Claims claims;
  for (const auto& file : files) {
    for (const auto& object : file->objects)
      claims.push_back({&object->key, &object, nullptr, claims.size()});
    for (const auto& bad : file->refused)
      claims.push_back({&bad.key, nullptr, &bad, claims.size()});
  }
  std::ranges::sort(claims, [](const Claim& a, const Claim& b) {
    return std::tie(*a.key, a.order) < std::tie(*b.key, b.order);
  });
  return claims;
}

/// Both places of every name that is claimed more than once.
void report_duplicates(std::span<const Claim> places, Diagnostics& out) {
  if (places.size() < 2) return;
  for (std::size_t i = 0; i < places.size(); ++i) {
    const Place& place = places[i].place();
    Diagnostic d;
    d.file = place.file;
    d.line = place.line;
    d.column = place.column;
    d.object = places[i].key->to_string();
    d.reason =
        fmt::format("the same object is also at {}", places[i == 0 ? 1 : 0].place().to_string());
    out.push_back(std::move(d));
  }
}

std::set<ObjectKey> claimed(const Claims& claims) {
  std::set<ObjectKey> out;
  for (const Claim& claim : claims) out.insert(*claim.key);
  return out;
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

void add_not_all_honoured(const ObjectMap& objects, Conditions& out) {
  for (const auto& [key, object] : objects) {
    if (object->without_effect.empty()) continue;
    out.push_back({key, "AllHonoured", false, "FieldsWithoutEffect",
                   fmt::format("{}", fmt::join(object->without_effect, "; "))});
  }
}

Changes compare(const ObjectMap& before, const ObjectMap& after) {
  Changes changes;
  auto old = before.begin();
  for (const auto& [key, object] : after) {
    for (; old != before.end() && old->first < key; ++old) changes.removed.push_back(old->first);
    if (old == before.end() || key < old->first) {
      changes.added.push_back(key);
      continue;
    }
    if (old->second != object && old->second->bytes != object->bytes)
      changes.changed.push_back(key);
    ++old;
  }
  for (; old != before.end(); ++old) changes.removed.push_back(old->first);
  return changes;
}

}  // namespace

ObjectStore::ObjectStore() : objects_(std::make_shared<ObjectMap>()) {}

LoadReport ObjectStore::load(std::vector<ParsedFile> files) {
  std::vector<ParsedFilePtr> shared;
  for (auto& file : files) shared.push_back(std::make_shared<const ParsedFile>(std::move(file)));
  return load(shared);
}

LoadReport ObjectStore::load(const std::vector<ParsedFilePtr>& files) {
  LoadReport report;
  auto next = std::make_shared<ObjectMap>();
  const auto before = std::exchange(refused_, {});
  const auto claims = collect(files);
  for (std::size_t i = 0; i < claims.size();) {
    const std::size_t first = i;
    const ObjectKey& key = *claims[first].key;
    while (i < claims.size() && *claims[i].key == key) ++i;
    const auto places = std::span(claims).subspan(first, i - first);
    report_duplicates(places, report.diagnostics);
    if (places.size() == 1 && places[0].object != nullptr) {
      next->emplace_hint(next->end(), key, *places[0].object);
      continue;
    }
    auto old = objects_->find(key);
    const Object* last_good = old == objects_->end() ? nullptr : old->second.get();
    if (last_good) {
      next->insert(*old);
    } else {
      for (const auto& claim : places) refused_.push_back(refused_of(claim));
    }
    const char* why = places.size() > 1 ? "given more than once" : "its file has errors in it";
    report.conditions.push_back(not_accepted(key, why, last_good));
  }

  std::set<std::string> incomplete;
  for (const auto& file : files) {
    if (!file->complete) incomplete.insert(file->file);
    std::ranges::copy(file->diagnostics, std::back_inserter(report.diagnostics));
  }
  if (!incomplete.empty()) keep_hidden(claimed(claims), incomplete, *next, report.conditions);
  add_not_all_honoured(*next, report.conditions);
  std::ranges::sort(report.diagnostics, [](const Diagnostic& a, const Diagnostic& b) {
    return std::tie(a.file, a.line, a.column, a.field, a.reason) <
           std::tie(b.file, b.line, b.column, b.field, b.reason);
  });
  report.changes = compare(*objects_, *next);
  if (!report.changes.empty() || !same_refusals(before, refused_)) ++generation_;
  objects_ = std::move(next);
  return report;
}

void ObjectStore::keep_hidden(const std::set<ObjectKey>& claimed,
                              const std::set<std::string>& incomplete, ObjectMap& next,
                              Conditions& conditions) const {
  for (const auto& [key, object] : *objects_) {
    if (claimed.contains(key) || !incomplete.contains(object->place.file)) continue;
    next.emplace(key, object);
    conditions.push_back(not_accepted(key, "its file has errors that may hide it", object.get()));
  }
}

}  // namespace culvert::config
