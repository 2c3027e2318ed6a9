// What differs between what a client has and what it should have, in bounded pieces.
#include "culvert/xds/type_subscription.hpp"

#include <algorithm>

#include "culvert/xds/limits.hpp"

namespace culvert::xds {
namespace {

constexpr std::string_view kWildcard = "*";

auto too_many(const char* text) {
  return fail(ErrorCode::kLimit, text, Origin::kClient);
}

}  // namespace

Result<void> TypeSubscription::begin(const DeltaRequest& request) {
  if (request.initial_versions.size() > kMaxInitialVersions)
    return too_many("too many initial resource versions");
  wildcard_ = request.subscribe.empty();
  if (auto done = subscribe(request); !done) return done;
  for (const auto& [name, version] : request.initial_versions) {
    if (covers(name)) sent_.insert_or_assign(name, version);
  }
  return {};
}

Result<void> TypeSubscription::subscribe(const DeltaRequest& request) {
  for (const auto& name : request.subscribe) {
    if (name == kWildcard) {
      wildcard_ = true;
    } else {
      names_.insert(name);
      sent_.erase(name);
    }
    if (names_.size() > kMaxSubscribedNames)
      return too_many("too many resource names subscribed to");
  }
  for (const auto& name : request.unsubscribe) {
    if (name == kWildcard) {
      wildcard_ = false;
    } else {
      names_.erase(name);
    }
  }
  if (!request.unsubscribe.empty()) {
    std::erase_if(sent_, [this](const auto& entry) { return !covers(entry.first); });
  }
  if (!request.subscribe.empty() || !request.unsubscribe.empty()) touch();
  return {};
}

TypeSubscription::Answer TypeSubscription::answer(const DeltaRequest& request) {
  if (!outstanding_ || outstanding_->nonce != request.nonce) return Answer::kNone;
  const Outstanding done = std::move(*outstanding_);
  outstanding_.reset();
  if (request.refusal) {
    refused_generation_ = done.generation;
    return Answer::kNack;
  }
  if (done.completes && refused_generation_ != done.generation) {
    acked_generation_ = done.generation;
    refused_generation_.reset();
  }
  return Answer::kAck;
}

std::optional<DeltaResponse> TypeSubscription::next(const ResourcesByName& resources,
                                                    std::uint64_t generation, bool hold_removals) {
  if (outstanding_ || !dirty_) return std::nullopt;
  DeltaResponse out;
  building_generation_ = generation;
  if (!hold_removals) add_removals(resources, out);
  changes_left_ = out.removed.size() >= kResponseResources || !add_changes(resources, out);
  held_back_ = changes_left_ || (hold_removals && anything_gone(resources));
  dirty_ = held_back_;
  if (out.resources.empty() && out.removed.empty() && !first_) {
    if (!dirty_ && !refused_generation_) acked_generation_ = generation;
    return std::nullopt;
  }
  first_ = false;
  return out;
}

void TypeSubscription::sent(std::string nonce) {
  outstanding_ = Outstanding{std::move(nonce), building_generation_, !held_back_};
}

bool TypeSubscription::anything_gone(const ResourcesByName& resources) const {
  return std::ranges::any_of(
             sent_,
             [&](const auto& entry) { return entry.second && !resources.contains(entry.first); }) ||
         std::ranges::any_of(names_, [&](const std::string& name) {
           return !resources.contains(name) && !sent_.contains(name);
         });
}

void TypeSubscription::add_removals(const ResourcesByName& resources, DeltaResponse& out) {
  for (auto it = sent_.begin(); it != sent_.end() && out.removed.size() < kResponseResources;) {
    if (!it->second || resources.contains(it->first)) {
      ++it;
      continue;
    }
    out.removed.push_back(it->first);
    if (names_.contains(it->first)) {
      (it++)->second.reset();
    } else {
      it = sent_.erase(it);
    }
  }
  for (const auto& name : names_) {
    if (out.removed.size() >= kResponseResources) return;
    if (resources.contains(name) || sent_.contains(name)) continue;
    out.removed.push_back(name);
    sent_.emplace(name, std::nullopt);
  }
}

// False when something was left for a later response.
bool TypeSubscription::add_changes(const ResourcesByName& resources, DeltaResponse& out) {
  std::size_t bytes = 0;
  if (wildcard_) {
    return std::ranges::all_of(
        resources, [&](const auto& entry) { return add(entry.first, entry.second, bytes, out); });
  }
  return std::ranges::all_of(names_, [&](const std::string& name) {
    const auto found = resources.find(name);
    return found == resources.end() || add(name, found->second, bytes, out);
  });
}

// False when it does not fit any more.
bool TypeSubscription::add(const std::string& name, const StoredResource& resource,
                           std::size_t& bytes, DeltaResponse& out) {
  auto known = sent_.find(name);
  if (known != sent_.end() && known->second == resource.version) return true;
  const std::size_t size = resource.bytes.size() + 2 * name.size() + resource.version.size();
  const std::size_t count = out.resources.size() + out.removed.size();
  if (count >= kResponseResources || (count != 0 && bytes + size > kResponseBytes)) return false;
  bytes += size;
  out.resources.push_back({name, resource.version, {}, resource.bytes});
  if (known == sent_.end()) {
    sent_.emplace(name, resource.version);
  } else {
    known->second = resource.version;
  }
  return true;
}

}  // namespace culvert::xds
