#include "ztunnel/worker/give_back.hpp"

#include <malloc.h>

#include <utility>

#include "culvert/base/process_memory.hpp"
#include "culvert/io/event.hpp"
#include "ztunnel/worker/worker.hpp"

namespace culvert::ztunnel {

bool WaveWatch::look(std::uint64_t changes) {
  const bool calm = changes - std::exchange(before_, changes) < kCalm;
  calm_ = calm && changes - done_ >= kWave ? calm_ + 1 : 0;
  if (calm_ < kCalmChecks) return false;
  done_ = changes;
  calm_ = 0;
  return true;
}

io::Task<> give_memory_back(const std::vector<std::unique_ptr<Worker>>* workers) {
  WaveWatch watch;
  while (co_await io::sleep_until(io::in(kMemoryCheck))) {
    std::uint64_t changes = 0;
    for (const auto& worker : *workers) changes += worker->changes();
    if (!watch.look(changes)) continue;
    ::malloc_trim(0);
    drop_startup_pages();
  }
}

}  // namespace culvert::ztunnel
