#include "waypoint/exchange/context.hpp"

#include <cassert>

#include "culvert/io/loop.hpp"
#include "waypoint/exchange/exchange.hpp"

namespace culvert::waypoint {
namespace {

/// Spare memories of exchanges; what is larger than usual is not kept.
constexpr std::size_t kMaxSpare = 256;
constexpr std::size_t kMaxSpareBodyBytes = 4096;

}  // namespace

ExchangeContext::ExchangeContext(const ExchangeSettings& settings, UpstreamConnections& connections,
                                 ExchangeLog& log, proxy::Parties& parties, std::uint64_t seed)
    : settings_(settings),
      connections_(connections),
      log_(log),
      parties_(parties),
      clusters_(connections, settings.counts),
      random_(seed) {}

ExchangeContext::~ExchangeContext() = default;

void ExchangeContext::take_view(ViewPtr view, mesh::WorkloadPtr self) {
  view_ = view;
  const auto now = io::Loop::current().now().time_since_epoch();
  clusters_.take_view(std::move(view), std::chrono::duration_cast<l7::Time>(now), std::move(self));
}

io::Task<> ExchangeContext::close() {
  mirrors_.request_stop();
  co_await mirrors_.join();
}

std::unique_ptr<ExchangeMemory> ExchangeContext::take_memory() {
  if (spare_.empty()) return std::make_unique<ExchangeMemory>();
  auto memory = std::move(spare_.back());
  spare_.pop_back();
  return memory;
}

void ExchangeContext::give_back(std::unique_ptr<ExchangeMemory> memory) {
  if (spare_.size() >= kMaxSpare || memory->body.capacity() > kMaxSpareBodyBytes) return;
  memory->body.clear();
  spare_.push_back(std::move(memory));
}

}  // namespace culvert::waypoint
