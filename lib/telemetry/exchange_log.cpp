// Lines about requests: the fields once in each form.
#include "culvert/telemetry/exchange_log.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <ctime>
#include <iterator>

#include "quoted.hpp"

namespace culvert::telemetry {
namespace {

using std::chrono::duration_cast;
using std::chrono::milliseconds;
using std::chrono::steady_clock;
using std::chrono::system_clock;

constexpr std::size_t kUsualBytes = 640;  // of a line
constexpr std::string_view kNothing = "-";

const char* protocol(http::Version version) {
  switch (version) {
    case http::Version::kHttp10:
      return "HTTP/1.0";
    case http::Version::kHttp11:
      return "HTTP/1.1";
    case http::Version::kHttp2:
      break;
  }
  return "HTTP/2";
}

// "2026-07-14T12:00:00", made once a second.
std::string_view second_text(std::time_t second) {
  struct Made {
    std::time_t second = -1;
    std::string text;
  };
  thread_local Made made;
  if (made.second != second || made.text.empty()) {
    made = {second, fmt::format("{:%Y-%m-%dT%H:%M:%S}", fmt::gmtime(second))};
  }
  return made.text;
}

std::string start_time(const ExchangeRecord& record) {
  const auto since = duration_cast<milliseconds>(record.started.time_since_epoch());
  return fmt::format("{}.{:03}Z", second_text(system_clock::to_time_t(record.started)),
                     since.count() % 1000);
}

std::int64_t in_milliseconds(steady_clock::duration duration) {
  return duration_cast<milliseconds>(duration).count();
}

std::string address_or_nothing(const SocketAddress& address) {
  return address.port == 0 ? std::string(kNothing) : address.to_string();
}

// Of the attempt that was answered, or the last.
std::string upstream_host(const ExchangeRecord& record) {
  return record.attempt_list.empty() ? std::string(kNothing)
                                     : address_or_nothing(record.attempt_list.back().address);
}

std::string upstream_time(const ExchangeRecord& record) {
  return record.upstream_time ? fmt::format_int(in_milliseconds(*record.upstream_time)).str()
                              : std::string(kNothing);
}

std::string_view or_nothing(std::string_view text) {
  return text.empty() ? kNothing : text;
}

class Line {
 public:
  explicit Line(std::string start) : out_(std::move(start)) {}
  void plain(std::string_view text) { out_.append(1, ' ').append(or_nothing(text)); }
  void number(std::uint64_t value) { plain(fmt::format_int(value).str()); }
  void quoted(std::string_view text) {
    out_ += ' ';
    append_quoted(out_, or_nothing(text));
  }
  std::string take() { return std::move(out_); }

 private:
  std::string out_;
};

class Object {
 public:
  Object() { out_.reserve(kUsualBytes); }
  void text(std::string_view key, std::string_view value) {
    start(key);
    append_json_string(out_, value);
  }
  /// Left out when it is empty.
  void known(std::string_view key, std::string_view value) {
    if (!value.empty()) text(key, value);
  }
  void number(std::string_view key, std::int64_t value) { raw(key, fmt::format_int(value).str()); }
  /// `json` is JSON.
  void raw(std::string_view key, std::string_view json) {
    start(key);
    out_.append(json);
  }
  std::string take() { return std::move(out_) + "}"; }

 private:
  void start(std::string_view key) {
    fmt::format_to(std::back_inserter(out_), "{}\"{}\":", out_.empty() ? "{" : ",", key);
  }
  std::string out_;
};

void put_party(Object& out, std::string_view prefix, const Party& party) {
  const auto key = [&](std::string_view name) { return fmt::format("{}_{}", prefix, name); };
  out.known(key("workload"), party.pod.empty() ? party.workload : party.pod);
  out.known(key("namespace"), party.namespace_name);
  out.known(key("principal"), party.identity);
}

std::string attempt_json(const AttemptRecord& attempt) {
  Object out;
  out.text("upstream_host", address_or_nothing(attempt.address));
  put_party(out, "destination", *attempt.destination);
  out.number("response_code", attempt.status);
  out.text("end", info(attempt.end).name);
  out.raw(
      "duration_ms",
      fmt::format("{:.3f}", std::chrono::duration<double, std::milli>(attempt.duration).count()));
  return out.take();
}

}  // namespace

std::string exchange_text(const ExchangeRecord& record) {
  std::string start;
  start.reserve(kUsualBytes);
  start.append("[").append(start_time(record)).append("] ");
  append_quoted(start, fmt::format("{} {} {}", or_nothing(record.method), or_nothing(record.path),
                                   protocol(record.version)));
  Line line(std::move(start));
  line.number(record.status);
  line.plain(record.all_flags().to_string());
  line.plain(record.code_details());
  line.plain("");  // why the connection ended: said by the flags here
  line.quoted(record.upstream_failure);
  line.number(record.received_bytes);
  line.number(record.sent_bytes);
  line.number(static_cast<std::uint64_t>(in_milliseconds(record.duration)));
  line.plain(upstream_time(record));
  line.quoted(record.forwarded_for);
  line.quoted(record.user_agent);
  line.quoted(record.request_id);
  line.quoted(record.authority);
  line.quoted(upstream_host(record));
  line.plain(record.cluster);
  line.plain("");  // the upstream connection's own address: shared by tunnels
  line.plain(record.destination_address.to_string());
  line.plain(record.source_address.to_string());
  line.plain("");  // no TLS of an application's own is ended here
  line.plain(record.route_name);
  line.number(record.attempts);
  return line.take();
}

std::string exchange_json(const ExchangeRecord& record, bool with_attempts) {
  Object out;
  out.text("start_time", start_time(record));
  out.text("method", record.method);
  out.text("path", record.path);
  out.text("protocol", protocol(record.version));
  out.number("response_code", record.status);
  if (record.grpc_status) out.number("grpc_status", *record.grpc_status);
  out.text("response_flags", record.all_flags().to_string());
  out.text("response_code_details", record.code_details());
  out.known("upstream_transport_failure_reason", record.upstream_failure);
  out.number("bytes_received", static_cast<std::int64_t>(record.received_bytes));
  out.number("bytes_sent", static_cast<std::int64_t>(record.sent_bytes));
  out.number("duration", in_milliseconds(record.duration));
  if (record.upstream_time) {
    out.number("upstream_service_time", in_milliseconds(*record.upstream_time));
  }
  out.known("x_forwarded_for", record.forwarded_for);
  out.known("user_agent", record.user_agent);
  out.known("request_id", record.request_id);
  out.known("authority", record.authority);
  out.text("upstream_host", upstream_host(record));
  out.known("upstream_cluster", record.cluster);
  out.text("downstream_local_address", record.destination_address.to_string());
  out.text("downstream_remote_address", record.source_address.to_string());
  out.known("route_name", record.route_name);
  out.known("virtual_service", record.virtual_service);
  out.number("attempts", record.attempts);
  put_party(out, "source", *record.source);
  put_party(out, "destination", *record.destination);
  out.known("destination_service", record.service->hostname);
  if (with_attempts) {
    std::string list;
    for (const auto& attempt : record.attempt_list) {
      list.append(list.empty() ? "" : ",").append(attempt_json(attempt));
    }
    out.raw("attempt_list", fmt::format("[{}]", list));
  }
  return out.take();
}

}  // namespace culvert::telemetry
