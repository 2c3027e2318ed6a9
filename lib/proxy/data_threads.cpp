#include "culvert/proxy/data_threads.hpp"

#include <fmt/format.h>
#include <pthread.h>

#include <algorithm>
#include <latch>
#include <memory>
#include <utility>

#include "culvert/base/log.hpp"
#include "culvert/proxy/time_slice.hpp"

namespace culvert::proxy {
namespace {

constexpr unsigned kCoresPerWorker = 4;

}  // namespace

unsigned data_threads(unsigned asked, unsigned most) {
  if (asked > 0) return asked;
  return std::clamp(std::thread::hardware_concurrency() / kCoresPerWorker, 1U, most);
}

std::vector<std::thread> start_data_threads(std::vector<std::function<void()>> workers) {
  std::vector<std::thread> out;
  const auto prepared = std::make_shared<std::latch>(static_cast<std::ptrdiff_t>(workers.size()));
  for (auto& worker : workers) {
    out.emplace_back([run = std::move(worker), prepared] {
      const auto sliced = take_short_slices(kDataThreadSlice);
      if (!sliced) log::warn("a data thread: {}", sliced.error().to_string());
      prepared->count_down();
      run();
    });
    ::pthread_setname_np(out.back().native_handle(),
                         fmt::format("worker-{}", out.size() - 1).c_str());
  }
  prepared->wait();
  return out;
}

}  // namespace culvert::proxy
