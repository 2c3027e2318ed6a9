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

// "2026-07-14T12:00:00.123Z"
void append_start_time(std::string& out, const ExchangeRecord& record) {
  const auto since = duration_cast<milliseconds>(record.started.time_since_epoch()).count() % 1000;
  out.append(second_text(system_clock::to_time_t(record.started)));
  const auto digit = [](std::int64_t value) { return static_cast<char>('0' + value % 10); };
  out.append({'.', digit(since / 100), digit(since / 10), digit(since), 'Z'});
}

void append_number(std::string& out, std::uint64_t value) {
  const fmt::format_int text(value);
  out.append(text.data(), text.size());
}

void append_address(std::string& out, const SocketAddress& address) {
  if (!address.ip.is_v4()) {
    out.append(address.to_string());
    return;
  }
  constexpr std::size_t kFirst = 12;  // of an IPv4 address in the sixteen bytes
  for (std::size_t at = kFirst; at < address.ip.bytes.size(); ++at) {
    append_number(out, address.ip.bytes[at]);
    out += at + 1 < address.ip.bytes.size() ? '.' : ':';
  }
  append_number(out, address.port);
}

/// Fields, each behind a space. Without formatting, as each request makes one.
class Line {
 public:
  explicit Line(std::string& out) : out_(out) {}
  void plain(std::string_view text) { out_.append(1, ' ').append(or_nothing(text)); }
  void number(std::uint64_t value) {
    out_ += ' ';
    append_number(out_, value);
  }
  void address(const SocketAddress& value) {
    out_ += ' ';
    append_address(out_, value);
  }
  void quoted(std::string_view text) {
    out_ += ' ';
    append_quoted(out_, or_nothing(text));
  }

 private:
  std::string& out_;
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

void append_exchange_text(std::string& out, const ExchangeRecord& record) {
  out += '[';
  append_start_time(out, record);
  out.append("] \"");
  append_escaped(out, or_nothing(record.method));
  out += ' ';
  append_escaped(out, or_nothing(record.path));
  out.append(1, ' ').append(protocol(record.version)).append(1, '"');
  Line line(out);
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
  const auto* upstream =
      record.attempt_list.empty() ? nullptr : &record.attempt_list.back().address;
  if (upstream != nullptr && upstream->port != 0) {
    out.append(" \"");
    append_address(out, *upstream);
    out += '"';
  } else {
    line.quoted("");
  }
  line.plain(record.cluster);
  line.plain("");  // the upstream connection's own address: shared by tunnels
  line.address(record.destination_address);
  line.address(record.source_address);
  line.plain("");  // no TLS of an application's own is ended here
  line.plain(record.route_name);
  line.number(record.attempts);
}

std::string exchange_json(const ExchangeRecord& record, bool with_attempts) {
  Object out;
  std::string started;
  append_start_time(started, record);
  out.text("start_time", started);
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
