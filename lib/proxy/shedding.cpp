#include "culvert/proxy/shedding.hpp"

#include <sys/eventfd.h>

#include "culvert/base/log.hpp"

namespace culvert::proxy {

void ShedLog::refused(const std::string& pod, io::Clock::time_point now) {
  ++total_;
  ++unsaid_;
  refused_at_ = now;
  if (shedding_ && now - said_at_ < kShedLogInterval) return;
  log::warn("{}: {} connection(s) refused, the last one of pod {}", what_, unsaid_, pod);
  ++lines_;
  shedding_ = true;
  said_at_ = now;
  unsaid_ = 0;
}

void ShedLog::recovered(io::Clock::time_point now) {
  if (!shedding_ || now - refused_at_ < kShedLogInterval) return;
  log::info("{}: over, {} connection(s) were refused until now", what_, total_);
  ++lines_;
  shedding_ = false;
  unsaid_ = 0;
}

bool SpareDescriptor::take() {
  if (!fd_.valid()) fd_ = UniqueFd(::eventfd(0, EFD_CLOEXEC));
  return fd_.valid();
}

}  // namespace culvert::proxy
