// The server's half of delta xDS: types in their order, nonces, and the record of ACKs.
#include "culvert/xds/session.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <tuple>

#include "culvert/xds/limits.hpp"
#include "culvert/xds/resources.hpp"

namespace culvert::xds {
namespace {

int rank(std::string_view type_url) {
  if (type_url == kAuthorizationType) return 0;
  if (type_url == kAddressType) return 1;
  return 2;
}

}  // namespace

bool Session::SendingOrder::operator()(const std::string& a, const std::string& b) const {
  return std::make_tuple(rank(a), std::string_view(a)) <
         std::make_tuple(rank(b), std::string_view(b));
}

Result<void> Session::receive(const DeltaRequest& request) {
  if (request.type_url.empty())
    return fail(ErrorCode::kProtocol, "request without a type url", Origin::kClient);
  if (request.node && node_id_.empty()) node_id_ = cut_text(request.node->id, kMaxNameBytes);
  const auto known = types_.find(request.type_url);
  if (known == types_.end()) {
    if (types_.size() >= kMaxTypes || request.type_url.size() > kMaxNameBytes) {
      return fail(ErrorCode::kLimit, "too many resource types subscribed to", Origin::kClient);
    }
    return types_[request.type_url].begin(request);
  }
  TypeSubscription& type = known->second;
  if (type.answer(request) == TypeSubscription::Answer::kNack) {
    ++nacks_;
    last_nack_ = cut_text(fmt::format("{}: {}", request.type_url, request.refusal->message),
                          kMaxNackTextBytes);
  }
  return type.subscribe(request);
}

void Session::update(ResourceSetPtr resources) {
  resources_ = std::move(resources);
  if (sight_.policies_of) {
    policies_.clear();
    const auto all = resources_->types.find(kAuthorizationType);
    const auto in_sight = [this](const auto& policy) {
      return sight_.policies_of->contains(policy.first.substr(0, policy.first.find('/')));
    };
    if (all != resources_->types.end()) {
      std::ranges::copy_if(all->second, std::inserter(policies_, policies_.end()), in_sight);
    }
  }
  for (auto& [url, type] : types_) type.touch();
}

std::vector<DeltaResponse> Session::responses() {
  std::vector<DeltaResponse> out;
  const auto policies = types_.find(std::string(kAuthorizationType));
  const auto addresses = types_.find(std::string(kAddressType));
  // A client subscribes to all its types at once, but they come one by one: what it says of its
  // addresses is known by the time it answers the first response.
  const auto addresses_pending = [&] {
    return addresses == types_.end() ? !policies->second.begun() : !addresses->second.all_sent();
  };
  for (auto it = types_.begin(); it != types_.end(); ++it) {
    if (it == addresses && policies != types_.end() && !policies->second.changes_sent()) continue;
    add_response(*it, it == policies && addresses_pending(), out);
  }
  // What no address names any more.
  if (policies != types_.end() && !addresses_pending()) add_response(*policies, false, out);
  return out;
}

void Session::add_response(std::pair<const std::string, TypeSubscription>& type, bool hold_removals,
                           std::vector<DeltaResponse>& out) {
  auto& [url, subscription] = type;
  auto response = subscription.next(resources_of(url), resources_->generation, hold_removals);
  if (!response) return;
  response->type_url = url;
  for (auto& resource : response->resources) resource.type_url = body_type(url);
  response->system_version = std::to_string(resources_->generation);
  response->nonce = fmt::format("{}-{}", resources_->generation, next_nonce_++);
  subscription.sent(response->nonce);
  out.push_back(std::move(*response));
}

const ResourcesByName& Session::resources_of(const std::string& type_url) const {
  static const ResourcesByName kNone;
  if (sight_.policies_of && type_url == kAuthorizationType) return policies_;
  const auto found = resources_->types.find(type_url);
  return found == resources_->types.end() ? kNone : found->second;
}

std::uint64_t Session::acked_generation() const {
  std::uint64_t least = UINT64_MAX;
  for (const auto& [url, type] : types_) {
    if (type.wanted()) least = std::min(least, type.acked_generation());
  }
  return least == UINT64_MAX ? 0 : least;
}

}  // namespace culvert::xds
