// Which connections get a line in the access log. Pure; one copy a worker.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "culvert/telemetry/connection_record.hpp"
#include "culvert/telemetry/exchange_record.hpp"

namespace culvert::telemetry {

inline constexpr std::size_t kMaxFilterBytes = 4096;

/// Terms, separated by commas, that must all hold:
///   errors                  it failed or was refused
///   direction=inbound       or outbound, or waypoint: what passes one, requests too
///   namespace=shop|data     of its source or its destination
///   reason=DENY|CONNECT     its response flag ("-" is success); of a request one of its own: UO|DC
///   sample=0.1              of the lines without an error that are left, this share; failures are
///                           always written
/// The empty text lets everything through.
class AccessFilter {
 public:
  AccessFilter() = default;
  /// The error says which term is wrong and what is possible.
  static std::expected<AccessFilter, std::string> parse(std::string_view text);

  /// Samples by counting, so a share is exact over many connections of one copy of the filter.
  bool wants(const ConnectionRecord& record);
  /// Of a waypoint's request. One that was not answered, or with 500 and more, has failed.
  bool wants(const ExchangeRecord& record);
  /// What parse() was given.
  const std::string& text() const { return text_; }

 private:
  std::expected<void, std::string> add(std::string_view term);
  bool add_reason(std::string_view name);
  bool takes_namespace(const Party& source, const Party& destination) const;
  bool takes_share(bool failed);
  std::string text_;
  bool errors_only_ = false;
  std::optional<Direction> direction_;
  std::vector<std::string> namespaces_;  // none: any
  bool by_reason_ = false;
  std::uint32_t reasons_ = 0;          // bit a ResponseFlag
  std::uint32_t request_reasons_ = 0;  // bit an ExchangeFlag; the one behind them: no flag
  double share_ = 1;
  double due_ = 0;  // of a line: written when it reaches 1
};

}  // namespace culvert::telemetry
