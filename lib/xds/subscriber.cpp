// The client's half of delta xDS: what is believed, what is refused, what is remembered.
#include "culvert/xds/subscriber.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <unordered_map>

#include "culvert/xds/limits.hpp"
#include "culvert/xds/resources.hpp"

namespace culvert::xds {
namespace {

constexpr int kInvalidArgument = 3;     // gRPC status code
constexpr std::size_t kCountRoom = 32;  // for "; and N more"

auto hostile(ErrorCode code, const char* text) {
  return fail(code, text, Origin::kControl);
}

}  // namespace

Subscriber::Subscriber(Node node, std::vector<std::string> type_urls, ResourceSink& sink)
    : node_(std::move(node)), sink_(sink) {
  for (auto& url : type_urls) types_.push_back({std::move(url), false, {}});
}

std::vector<DeltaRequest> Subscriber::start_stream() {
  std::vector<DeltaRequest> requests;
  for (const Type& type : types_) {
    DeltaRequest& request = requests.emplace_back();
    if (requests.size() == 1) request.node = node_;
    request.type_url = type.url;
    for (const auto& [name, held] : type.held) {
      if (held.rejected_version != held.version)
        request.initial_versions.emplace(name, held.version);
    }
  }
  return requests;
}

Subscriber::Type* Subscriber::find(std::string_view url) {
  const auto it = std::ranges::find(types_, url, &Type::url);
  return it == types_.end() ? nullptr : &*it;
}

Result<DeltaRequest> Subscriber::receive(DeltaResponse response) {
  Type* type = find(response.type_url);
  if (type == nullptr)
    return hostile(ErrorCode::kProtocol, "response of a type that was not asked for");
  if (response.nonce.empty()) return hostile(ErrorCode::kProtocol, "response without a nonce");
  if (response.resources.size() + response.removed.size() > kMaxResponseResources) {
    return hostile(ErrorCode::kLimit, "too many resources in one response");
  }
  DeltaRequest answer;
  answer.type_url = type->url;
  answer.nonce = std::move(response.nonce);
  Checked checked = check(*type, std::move(response));
  apply(*type, checked);
  type->answered = true;
  if (!checked.rejected.empty()) answer.refusal = refuse(*type, checked.rejected);
  return answer;
}

void Subscriber::restore(DeltaResponse saved) {
  Type* type = find(saved.type_url);
  if (type == nullptr || saved.resources.size() > kMaxResponseResources) return;
  Checked checked = check(*type, std::move(saved));
  apply(*type, checked);
}

Subscriber::Checked Subscriber::check(Type& type, DeltaResponse response) {
  Checked out;
  std::set<std::string, std::less<>> gone;
  for (auto& name : response.removed) gone.insert(std::move(name));
  std::set<std::string, std::less<>> seen;
  std::size_t held = type.held.size();
  for (auto& resource : response.resources) {
    const bool known = type.held.contains(resource.name);
    const char* reason = nullptr;
    if (resource.name.empty()) {
      reason = "without a name";
    } else if (resource.name.size() > kMaxNameBytes) {
      reason = "name too long";
    } else if (resource.type_url != body_type(type.url)) {
      reason = "of another type than the response";
    } else if (resource.bytes.size() > kMaxResourceBytes) {
      reason = "too large";
    } else if (gone.contains(resource.name)) {
      reason = "both added and removed";
    } else if (seen.contains(resource.name)) {
      reason = "named twice";
    } else if (!known && held >= kMaxHeldResources) {
      reason = "too many resources of this type";
    }
    if (reason != nullptr) {
      if (const auto it = type.held.find(resource.name); it != type.held.end()) {
        it->second.rejected_version = std::move(resource.version);
      }
      gone.erase(resource.name);
      seen.insert(resource.name);
      out.rejected.push_back({std::move(resource.name), reason});
      continue;
    }
    held += known ? 0 : 1;
    seen.insert(resource.name);
    out.added.push_back(
        {std::move(resource.name), std::move(resource.version), std::move(resource.bytes)});
  }
  for (const auto& name : gone) {
    if (type.held.erase(name) != 0) out.removed.push_back(name);
  }
  return out;
}

void Subscriber::apply(Type& type, Checked& checked) {
  if (checked.added.empty() && checked.removed.empty()) return;
  std::unordered_map<std::string, std::string> versions;
  for (const auto& resource : checked.added) versions.emplace(resource.name, resource.version);
  auto rejected = sink_.apply(type.url, std::move(checked.added), std::move(checked.removed));
  for (auto& rejection : rejected) {
    const auto it = versions.find(rejection.name);
    if (it == versions.end()) continue;  // not a name of this response
    if (const auto held = type.held.find(rejection.name); held != type.held.end()) {
      held->second.rejected_version = std::move(it->second);
    }
    versions.erase(it);
    checked.rejected.push_back(std::move(rejection));
  }
  for (auto& [name, version] : versions) type.held[name] = Held{std::move(version), std::nullopt};
}

Refusal Subscriber::refuse(const Type& type, const std::vector<Rejected>& rejected) {
  std::string text;
  std::size_t named = 0;
  for (const auto& [name, reason] : rejected) {
    const auto one =
        fmt::format("{}{}: {}", named == 0 ? "" : "; ", name.empty() ? "(unnamed)" : name, reason);
    if (text.size() + one.size() > kMaxNackTextBytes - kCountRoom) break;
    text += one;
    ++named;
  }
  if (named < rejected.size()) text += fmt::format("; and {} more", rejected.size() - named);
  ++nacks_;
  last_nack_ = fmt::format("{}: {}", type.url, text);
  return {kInvalidArgument, std::move(text)};
}

bool Subscriber::ready() const {
  return std::ranges::all_of(types_, &Type::answered);
}

std::size_t Subscriber::held() const {
  std::size_t count = 0;
  for (const Type& type : types_) count += type.held.size();
  return count;
}

}  // namespace culvert::xds
