// The server's half of delta xDS: types in their order, nonces, and the record of ACKs.
#include "culvert/xds/session.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

#include "culvert/xds/limits.hpp"
#include "culvert/xds/resources.hpp"

namespace culvert::xds {
namespace {

int rank(std::string_view type_url) {
  if (type_url == kAddressType) return 0;
  if (type_url == kAuthorizationType) return 1;
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
  for (auto& [url, type] : types_) type.touch();
}

std::vector<DeltaResponse> Session::responses() {
  std::vector<DeltaResponse> out;
  for (auto& [url, type] : types_) {
    const bool hold_removals = url == kAuthorizationType && addresses_pending();
    auto response = type.next(resources_of(url), resources_->generation, hold_removals);
    if (!response) continue;
    response->type_url = url;
    for (auto& resource : response->resources) resource.type_url = url;
    response->system_version = std::to_string(resources_->generation);
    response->nonce = fmt::format("{}-{}", resources_->generation, next_nonce_++);
    type.sent(response->nonce);
    out.push_back(std::move(*response));
  }
  return out;
}

bool Session::addresses_pending() const {
  const auto address = types_.find(std::string(kAddressType));
  return address != types_.end() && !address->second.all_sent();
}

const ResourcesByName& Session::resources_of(const std::string& type_url) const {
  static const ResourcesByName kNone;
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
