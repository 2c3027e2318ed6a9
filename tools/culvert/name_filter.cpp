#include "culvert/name_filter.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "culvert/config/nearest.hpp"

namespace culvert::cli {
namespace {

constexpr std::size_t kListed = 8;

std::string list_of(const std::vector<std::string>& known) {
  const std::size_t shown = std::min(known.size(), kListed);
  const std::vector<std::string> first(known.begin(),
                                       known.begin() + static_cast<std::ptrdiff_t>(shown));
  return fmt::format("{}{}", fmt::join(first, ", "), shown < known.size() ? ", ..." : "");
}

}  // namespace

NameFilter::NameFilter(std::string ns, const std::string& name) : ns_(std::move(ns)) {
  const auto slash = name.find('/');
  if (slash != std::string::npos) ns_ = name.substr(0, slash);
  name_ = slash == std::string::npos ? name : name.substr(slash + 1);
}

bool NameFilter::takes(const std::string& ns, const std::string& name) const {
  return (ns_.empty() || ns == ns_) && (name_.empty() || name == name_);
}

lab::Problem NameFilter::nothing(const std::string& kind,
                                 const std::vector<std::string>& known) const {
  const std::string wanted = ns_.empty() ? name_ : ns_ + "/" + name_;
  std::vector<std::string> bare;
  for (const std::string& key : known) bare.push_back(key.substr(key.find('/') + 1));
  const std::string near = config::nearest(wanted, ns_.empty() ? bare : known);
  return {.text = fmt::format("there is no {} {}", kind, wanted),
          .next = !near.empty()   ? fmt::format("did you mean {}?", near)
                  : known.empty() ? fmt::format("there is no {} at all", kind)
                                  : "there are " + list_of(known)};
}

}  // namespace culvert::cli
