// Lines about requests: the fields once in each form.
#include "culvert/telemetry/exchange_log.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <array>
#include <ctime>
#include <iterator>

#include "quoted.hpp"
#include "text_line.hpp"

namespace culvert::telemetry {
namespace {

using std::chrono::duration_cast;
using std::chrono::milliseconds;
using std::chrono::steady_clock;
using std::chrono::system_clock;

constexpr std::size_t kUsualBytes = 640;  // of a line
constexpr std::size_t kStartTimeBytes = 24;
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

std::string_view or_nothing(std::string_view text) {
  return text.empty() ? kNothing : text;
}

// "2026-07-14T12:00:00.123Z"
void put_start_time(TextLine& line, const ExchangeRecord& record) {
  const auto since = duration_cast<milliseconds>(record.started.time_since_epoch()).count() % 1000;
  line.text(second_text(system_clock::to_time_t(record.started)));
  const auto digit = [](std::int64_t value) { return static_cast<char>('0' + value % 10); };
  const std::array text{'.', digit(since / 100), digit(since / 10), digit(since), 'Z'};
  line.text({text.data(), text.size()});
}

std::string start_time(const ExchangeRecord& record) {
  std::string out;
  TextLine line(out, kStartTimeBytes);
  put_start_time(line, record);
  line.end();
  return out;
}

/// Fields, each behind a space.
class Line : public TextLine {
 public:
  explicit Line(std::string& out) : TextLine(out, kUsualBytes) {}
  void field(std::string_view value) {
    put(' ');
    text(or_nothing(value));
  }
  void field(std::uint64_t value) {
    put(' ');
    number(value);
  }
  void field(const SocketAddress& value) {
    put(' ');
    address(value);
  }
  void quoted(std::string_view value) {
    text(" \"");
    escaped(or_nothing(value));
    put('"');
  }
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

std::string_view name_of(ExchangeEvent event) {
  switch (event) {
    case ExchangeEvent::kBegin:
      return "begin";
    case ExchangeEvent::kAttempt:
      return "attempt";
    case ExchangeEvent::kAnswer:
      return "answer";
    case ExchangeEvent::kEnd:
      break;
  }
  return "end";
}

void put_request(Object& out, const ExchangeRecord& record) {
  out.text("start_time", start_time(record));
  out.text("method", record.method);
  out.text("path", record.path);
  out.text("protocol", protocol(record.version));
}

/// What became of it.
void put_end(Object& out, const ExchangeRecord& record) {
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
}

void put_sender(Object& out, const ExchangeRecord& record) {
  out.known("x_forwarded_for", record.forwarded_for);
  out.known("user_agent", record.user_agent);
  out.known("request_id", record.request_id);
  out.known("authority", record.authority);
}

void put_route(Object& out, const ExchangeRecord& record) {
  out.known("upstream_cluster", record.cluster);
  out.text("downstream_local_address", record.destination_address.to_string());
  out.text("downstream_remote_address", record.source_address.to_string());
  out.known("route_name", record.route_name);
  if (!record.virtual_service.empty()) {
    out.text("virtual_service", record.virtual_service);
    out.number("rule", static_cast<std::int64_t>(record.rule_index));
  }
  out.known("stat_prefix", record.stat_prefix);
}

void put_parties(Object& out, const ExchangeRecord& record, const Party& destination) {
  put_party(out, "source", *record.source);
  put_party(out, "destination", destination);
  out.known("destination_service", record.service->hostname);
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
  Line line(out);
  line.put('[');
  put_start_time(line, record);
  line.text("] \"");
  line.escaped(or_nothing(record.method));
  line.put(' ');
  line.escaped(or_nothing(record.path));
  line.field(protocol(record.version));
  line.put('"');
  line.field(record.status);
  line.field(record.all_flags().to_string());
  line.field(record.code_details());
  line.field("");  // why the connection ended: said by the flags here
  line.quoted(record.upstream_failure);
  line.field(record.received_bytes);
  line.field(record.sent_bytes);
  line.field(in_milliseconds(record.duration));
  if (record.upstream_time) {
    line.field(in_milliseconds(*record.upstream_time));
  } else {
    line.field("");
  }
  line.quoted(record.forwarded_for);
  line.quoted(record.user_agent);
  line.quoted(record.request_id);
  line.quoted(record.authority);
  const auto* upstream =
      record.attempt_list.empty() ? nullptr : &record.attempt_list.back().address;
  if (upstream != nullptr && upstream->port != 0) {
    line.text(" \"");
    line.address(*upstream);
    line.put('"');
  } else {
    line.quoted("");
  }
  line.field(record.cluster);
  line.field("");  // the upstream connection's own address: shared by tunnels
  line.field(record.destination_address);
  line.field(record.source_address);
  line.field("");  // no TLS of an application's own is ended here
  line.field(record.route_name);
  line.field(record.attempts);
  line.end();
}

std::string exchange_json(const ExchangeRecord& record) {
  Object out;
  put_request(out, record);
  put_end(out, record);
  put_sender(out, record);
  out.text("upstream_host", upstream_host(record));
  put_route(out, record);
  out.number("attempts", record.attempts);
  put_parties(out, record, *record.destination);
  return out.take();
}

std::string exchange_event_json(const ExchangeRecord& record, ExchangeEvent event,
                                const AttemptRecord* attempt) {
  Object out;
  out.text("event", name_of(event));
  if (record.watched_as != 0) out.number("id", static_cast<std::int64_t>(record.watched_as));
  put_request(out, record);
  if (event == ExchangeEvent::kEnd) put_end(out, record);
  if (event == ExchangeEvent::kAnswer) out.number("response_code", record.status);
  put_sender(out, record);
  if (event == ExchangeEvent::kEnd) {
    out.text("upstream_host", upstream_host(record));
  } else if (attempt != nullptr) {
    out.text("upstream_host", address_or_nothing(attempt->address));
  }
  put_route(out, record);
  out.number("attempts", record.attempts + (attempt != nullptr ? 1 : 0));
  put_parties(out, record, attempt != nullptr ? *attempt->destination : *record.destination);
  if (event != ExchangeEvent::kEnd) return out.take();
  std::string list;
  for (const auto& one : record.attempt_list) {
    list.append(list.empty() ? "" : ",").append(attempt_json(one));
  }
  out.raw("attempt_list", fmt::format("[{}]", list));
  return out.take();
}

}  // namespace culvert::telemetry
