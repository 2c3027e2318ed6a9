// The headers of a CONNECT and of its answer. The input is text, a field a line: "name value".
#include <string>

#include "culvert/hbone/headers.hpp"
#include "property.hpp"

using namespace culvert;
using fuzz::require;

namespace {

hbone::Headers fields_of(std::string_view text) {
  hbone::Headers out;
  while (!text.empty()) {
    const auto line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    const auto space = std::min(line.find(' '), line.size());
    out.push_back({std::string(line.substr(0, space)),
                   std::string(line.substr(std::min(space + 1, line.size())))});
  }
  return out;
}

void check_request(const hbone::Headers& fields) {
  auto request = hbone::parse_connect(fields);
  if (!request) {
    require(request.error().code == ErrorCode::kInvalid, "what is no CONNECT is invalid");
    return;
  }
  // An element that names nobody is not sent on.
  if (request->forwarded == hbone::Forwarded{}) request->forwarded.reset();
  if (request->source) {
    const auto written = hbone::encode_original_source(*request->source);
    const auto* text = h2::find(fields, hbone::kOriginalSourceHeader);
    require(written && text != nullptr && *written == *text, "a source has one spelling");
  }
  const auto built = hbone::build_connect(*request);
  require(built.has_value(), "what was read can be sent");
  const auto again = hbone::parse_connect(*built);
  require(again && *again == *request, "what was sent is read as it was");
  auto with_stranger = fields;
  with_stranger.push_back({"x-stranger", "\"unknown\""});
  auto same = hbone::parse_connect(with_stranger);
  require(same.has_value(), "an unknown header is no reason to refuse");
  if (same->forwarded == hbone::Forwarded{}) same->forwarded.reset();
  require(*same == *request, "an unknown header changes nothing");
}

void check_response(const hbone::Headers& fields) {
  const auto response = hbone::parse_response(fields);
  if (!response) return;
  require(response->status >= 100 && response->status <= 599, "a status has three digits");
  const auto again = hbone::parse_response(hbone::build_response(*response));
  require(again && *again == *response, "an answer is read as it was sent");
  if (response->status != 200) (void)hbone::error_of_status(response->status);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto fields = fields_of(fuzz::text_of({data, size}));
  check_request(fields);
  check_response(fields);
  return 0;
}
