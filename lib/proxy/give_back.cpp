#include "culvert/proxy/give_back.hpp"

#include <malloc.h>

#include <utility>

#include "culvert/base/process_memory.hpp"
#include "culvert/io/event.hpp"

namespace culvert::proxy {

bool WaveWatch::look(std::uint64_t changes) {
  const bool calm = changes - std::exchange(before_, changes) < kCalm;
  calm_ = calm && changes - done_ >= kWave ? calm_ + 1 : 0;
  if (calm_ < kCalmChecks) return false;
  done_ = changes;
  calm_ = 0;
  return true;
}

std::uint64_t BytesWatch::changes() {
  const std::size_t used = budget_.used_bytes();
  if (used < before_) gone_bytes_ += before_ - used;
  before_ = used;
  return gone_bytes_ / kBytesAsOne;
}

io::Task<> give_memory_back(std::function<std::uint64_t()> changes, const h2::Budget* budget) {
  WaveWatch watch;
  BytesWatch bytes(*budget);
  while (co_await io::sleep_until(io::in(kMemoryCheck))) {
    if (!watch.look(changes() + bytes.changes())) continue;
    ::malloc_trim(0);
    drop_startup_pages();
  }
}

}  // namespace culvert::proxy
