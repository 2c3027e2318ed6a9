// A pod of this node that is in the mesh, as the agent announced it. Immutable; shared by all
// threads; its network namespace lives as long as somebody holds it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "culvert/base/fd.hpp"

namespace culvert::ztunnel {

struct Pod {
  std::string uid;
  std::string ns;
  std::string name;
  std::string service_account;
  UniqueFd netns;
  std::uint64_t netns_cookie = 0;
};
using PodPtr = std::shared_ptr<const Pod>;

}  // namespace culvert::ztunnel
