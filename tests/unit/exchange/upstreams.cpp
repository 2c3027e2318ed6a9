#include "upstreams.hpp"

#include <algorithm>

#include "culvert/io/loop.hpp"

namespace culvert::waypoint::test {
namespace {

using Nothing = std::unexpected<Error>;

Nothing failed(ErrorCode code) {
  return fail(code, "upstream", Origin::kUpstream);
}

/// kTimeout when the deadline is earlier.
io::Task<Result<void>> wait_for(milliseconds time, io::Deadline deadline) {
  const auto until = io::Loop::current().now() + time;
  io::Event never;
  const auto woken = co_await never.wait(std::min(until, deadline));
  if (woken.error().code == ErrorCode::kCancelled) co_return woken;
  if (until > deadline) co_return failed(ErrorCode::kTimeout);
  co_return Result<void>();
}

class Pod final : public ClientExchange {
 public:
  Pod(Behaviour behaviour, Seen& seen) : does_(std::move(behaviour)), seen_(seen) {}
  ~Pod() override { seen_.cancelled = !ended_; }

  Result<void> send_head(const http::RequestHead& head, bool end) override {
    if (!does_.head_fits) return fail(ErrorCode::kInvalid, "a head that cannot be written");
    seen_.head = head;
    sent_ = true;
    seen_.whole = end;
    return {};
  }
  io::Task<Result<void>> write_body(Bytes bytes, io::Deadline deadline) override {
    if (!does_.takes) co_return co_await wait_for(std::chrono::hours(24), deadline);
    if (broken_) co_return failed(ErrorCode::kReset);
    seen_.body.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    changed_.notify();
    co_return co_await wait_for(milliseconds(0), deadline);
  }
  io::Task<Result<void>> finish(const http::Fields& trailers, io::Deadline) override {
    if (broken_) co_return failed(ErrorCode::kReset);
    seen_.trailers = list_of(trailers);
    seen_.whole = true;
    changed_.notify();
    co_return Result<void>();
  }
  std::optional<Result<void>> try_send_rest(Bytes rest, const http::Fields& trailers) override {
    if (!does_.takes || broken_) return std::nullopt;
    seen_.body.append(reinterpret_cast<const char*>(rest.data()), rest.size());
    seen_.trailers = list_of(trailers);
    seen_.whole = true;
    changed_.notify();
    return Result<void>();
  }

  io::Task<Result<http::ResponseHead*>> read_head(io::Deadline deadline) override {
    while (!does_.answers || (does_.waits_for_all && !does_.upgrades && !seen_.whole)) {
      if (auto woken = co_await changed_.wait(deadline); !woken) co_return Nothing(woken.error());
    }
    head_.clear();
    if (informed_ < does_.informational.size()) {
      head_.status = does_.informational[informed_++];
      co_return &head_;
    }
    if (auto waited = co_await wait_for(does_.head_after, deadline); !waited) {
      co_return Nothing(waited.error());
    }
    if (does_.reset) {
      broken_ = true;
      co_return failed(*does_.reset);
    }
    head_.status = does_.status;
    for (const auto& [name, value] : does_.fields) head_.fields.add(name, value);
    head_.body.present = !does_.parts.empty() || !does_.trailers.empty() || does_.cut;
    if (does_.upgrades) {
      head_.status = 101;
      head_.upgrade = "websocket";
    } else {
      ended_ = !head_.body.present;
    }
    co_return &head_;
  }
  io::Task<Result<Bytes>> read_body(io::Deadline deadline) override {
    if (auto waited = co_await wait_for(does_.between_parts, deadline); !waited) {
      co_return Nothing(waited.error());
    }
    // The other protocol: what comes is sent back, until its end.
    while (is_silent_tunnel()) {
      if (auto woken = co_await changed_.wait(deadline); !woken) co_return Nothing(woken.error());
    }
    co_return next();
  }
  std::optional<Result<Bytes>> try_read_body() override {
    if (does_.between_parts > milliseconds(0) || is_silent_tunnel()) return std::nullopt;
    return next();
  }
  http::Fields& trailers() override { return trailers_; }
  bool request_sent() const override { return sent_; }

 private:
  bool is_silent_tunnel() const {
    if (!does_.upgrades || does_.hangs_up) return false;
    return seen_.body.size() == echoed_ && (!seen_.whole || does_.stays);
  }
  Result<Bytes> next() {
    if (does_.upgrades && does_.hangs_up) {
      ended_ = true;
      return Bytes{};
    }
    if (does_.upgrades) {
      const auto part = std::string_view(seen_.body).substr(echoed_);
      echoed_ += part.size();
      ended_ = part.empty();
      return Bytes{reinterpret_cast<const std::uint8_t*>(part.data()), part.size()};
    }
    if (given_ < does_.parts.size()) {
      const auto& part = does_.parts[given_++];
      return Bytes{reinterpret_cast<const std::uint8_t*>(part.data()), part.size()};
    }
    if (does_.cut) return failed(ErrorCode::kReset);
    if (!ended_) {
      for (const auto& [name, value] : does_.trailers) trailers_.add(name, value);
    }
    ended_ = true;
    return Bytes{};
  }

  const Behaviour does_;
  Seen& seen_;
  http::ResponseHead head_;
  http::Fields trailers_;
  io::Event changed_;
  std::size_t given_ = 0, informed_ = 0, echoed_ = 0;
  bool sent_ = false, ended_ = false, broken_ = false;
};

}  // namespace

FieldList list_of(const http::Fields& fields) {
  FieldList list;
  for (const auto field : fields) list.emplace_back(field.name, field.value);
  return list;
}

std::size_t Upstreams::count(std::string_view pod) const {
  return static_cast<std::size_t>(std::ranges::count(seen, pod, &Seen::pod));
}

io::Task<Result<std::unique_ptr<ClientExchange>>> Upstreams::open(const UpstreamRequest& request,
                                                                  io::Deadline deadline) {
  const auto name = request.to.workload->name;
  const auto address = request.to.address;
  const auto version = request.version;
  const auto connect_timeout = request.limits.connect_timeout;
  const auto count = opened[name]++;
  const auto found = pods.find(name);
  auto behaviour = found == pods.end() ? Behaviour() : found->second(count);
  const auto connects_until = io::Loop::current().now() + connect_timeout;
  const auto waited =
      co_await wait_for(behaviour.connect_after, std::min(deadline, connects_until));
  if (!waited) co_return Nothing(waited.error());
  if (behaviour.connect) {
    const bool own = *behaviour.connect == ErrorCode::kLimit;
    co_return fail(*behaviour.connect, "connect", own ? Origin::kLocal : behaviour.connect_by);
  }
  auto& one = seen.emplace_back();
  one.pod = name;
  one.version = version;
  one.address = address;
  co_return std::make_unique<Pod>(std::move(behaviour), one);
}

}  // namespace culvert::waypoint::test
