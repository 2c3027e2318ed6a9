// Access log lines: the fields once, two ways to write them.
#include "culvert/telemetry/access_log.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <iterator>
#include <string_view>

#include "quoted.hpp"

namespace culvert::telemetry {
namespace {

const char* message(AccessEvent event) {
  switch (event) {
    case AccessEvent::kOpened:
      return "connection opened";
    case AccessEvent::kComplete:
      return "connection complete";
    case AccessEvent::kFailed:
      break;
  }
  return "connection failed";
}

constexpr std::size_t kUsualBytes = 640;  // of a line

class TextWriter {
 public:
  explicit TextWriter(std::string_view text) {
    out_.reserve(kUsualBytes);
    out_ = text;
  }

  void plain(std::string_view key, std::string_view value) {  // value is ours: an address
    start(key);
    out_.append(value);
  }
  void number(std::string_view key, std::uint64_t value) {
    start(key);
    fmt::format_int text(value);
    out_.append(text.data(), text.size());
  }
  void quoted(std::string_view key, std::string_view value) {
    start(key);
    append_quoted(out_, value);
  }
  std::string take() { return std::move(out_); }

 private:
  void start(std::string_view key) { out_.append(1, ' ').append(key).append(1, '='); }

  std::string out_;
};

class JsonWriter {
 public:
  void plain(std::string_view key, std::string_view value) { quoted(key, value); }
  void number(std::string_view key, std::uint64_t value) {
    start(key);
    out_ += std::to_string(value);
  }
  void quoted(std::string_view key, std::string_view value) {
    start(key);
    append_json_string(out_, value);
  }
  std::string take() { return std::move(out_) + "}"; }

 private:
  void start(std::string_view key) {
    fmt::format_to(std::back_inserter(out_), "{}\"{}\":", out_.empty() ? "{" : ",", key);
  }

  std::string out_;
};

template <class Writer>
void known(Writer& writer, std::string_view key, std::string_view value) {
  if (!value.empty()) writer.quoted(key, value);
}

template <class Writer>
void write_fields(Writer& writer, AccessEvent event, const ConnectionRecord& record) {
  const auto name = [](const Party& p) -> std::string_view {
    if (!p.pod.empty()) return p.pod;
    return p.workload.empty() ? p.canonical_service : p.workload;
  };
  writer.plain("src.addr", record.source_address.to_string());
  known(writer, "src.workload", name(*record.source));
  known(writer, "src.namespace", record.source->namespace_name);
  known(writer, "src.identity", record.source->identity);
  known(writer, "src.cluster", record.source->cluster);
  known(writer, "via.workload", name(*record.via));
  known(writer, "via.identity", record.via->identity);
  writer.plain("dst.addr", record.destination_address.to_string());
  if (record.hbone_address) writer.plain("dst.hbone_addr", record.hbone_address->to_string());
  known(writer, "dst.service", record.service->hostname);
  known(writer, "dst.workload", name(*record.destination));
  known(writer, "dst.namespace", record.destination->namespace_name);
  known(writer, "dst.identity", record.destination->identity);
  known(writer, "dst.cluster", record.destination->cluster);
  writer.quoted("direction", to_string(record.direction));
  if (record.trace) writer.plain("traceparent", record.trace->to_string());
  if (event == AccessEvent::kComplete) {
    using std::chrono::milliseconds;
    writer.number("bytes_sent", record.bytes_sent);
    writer.number("bytes_recv", record.bytes_received);
    const auto took = std::chrono::duration_cast<milliseconds>(record.duration).count();
    writer.quoted("duration", std::to_string(took) + "ms");
  }
  if (event == AccessEvent::kOpened) return;
  // Istio's ztunnel has no such key; Envoy, which stands where a waypoint does, has.
  if (record.direction == Direction::kWaypoint && record.flag != ResponseFlag::kNone) {
    writer.quoted("response_flags", to_string(record.flag));
  }
  known(writer, "error", record.outcome->error);
  known(writer, "policy", record.outcome->policy);
}

const char* level_name(log::Level level) {
  switch (level) {
    case log::Level::kError:
      return "error";
    case log::Level::kWarn:
      return "warn";
    case log::Level::kInfo:
      return "info";
    case log::Level::kDebug:
      break;
  }
  return "debug";
}

}  // namespace

log::Level access_level(AccessEvent event, const ConnectionRecord& record) {
  if (event == AccessEvent::kOpened) return log::Level::kDebug;
  if (event == AccessEvent::kFailed) return log::Level::kWarn;
  return record.outcome->error.empty() ? log::Level::kInfo : log::Level::kError;
}

std::string access_text(AccessEvent event, const ConnectionRecord& record) {
  TextWriter writer(message(event));
  write_fields(writer, event, record);
  return writer.take();
}

std::string access_json(AccessEvent event, const ConnectionRecord& record,
                        std::chrono::system_clock::time_point time) {
  using namespace std::chrono;
  const auto micros = duration_cast<microseconds>(time.time_since_epoch()) % seconds(1);
  JsonWriter writer;
  writer.quoted("level", level_name(access_level(event, record)));
  writer.quoted("time", fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:06}Z",
                                    fmt::gmtime(system_clock::to_time_t(time)), micros.count()));
  writer.quoted("scope", "access");
  writer.quoted("message", message(event));
  write_fields(writer, event, record);
  return writer.take();
}

}  // namespace culvert::telemetry
