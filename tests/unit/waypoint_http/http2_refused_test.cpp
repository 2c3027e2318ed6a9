// What a client of HTTP/2 says that is malformed (RFC 9113 section 8.1.1): it is answered 400, its
// stream alone is reset, and the reason is told. Frames are written by hand, as no client sends
// such.
#include "server_pair.hpp"

using namespace culvert;
using namespace culvert::waypoint;
using namespace culvert::waypoint::testing;

namespace {

enum : std::uint8_t {
  kData = 0,
  kHeaders = 1,
  kReset = 3,
  kSettings = 4,
  kGoaway = 7,
  kContinuation = 9
};
enum : std::uint8_t { kNoFlags = 0, kEndStream = 1, kEndHeaders = 4 };
using FieldRow = std::vector<std::pair<std::string_view, std::string_view>>;

struct Frame {
  std::uint8_t type = 0, flags = 0;
  std::uint32_t stream = 0;
  std::string payload;
};

std::string frame(std::uint8_t type, std::uint8_t flags, std::uint8_t stream,
                  std::string_view payload) {
  std::string out{static_cast<char>(payload.size() >> 16U),
                  static_cast<char>(payload.size() >> 8U),
                  static_cast<char>(payload.size()),
                  static_cast<char>(type),
                  static_cast<char>(flags),
                  '\0',
                  '\0',
                  '\0',
                  static_cast<char>(stream)};
  return out.append(payload);
}

// RFC 7541 section 5.1, with a prefix of seven bits.
std::string hpack_length(std::size_t size) {
  if (size < 127) return {static_cast<char>(size)};
  std::string out{'\x7f'};
  for (size -= 127; size >= 128; size /= 128) out += static_cast<char>(size % 128 + 128);
  return out += static_cast<char>(size);
}

// Literals without indexing (RFC 7541 section 6.2.2).
std::string block(const FieldRow& fields) {
  std::string out;
  for (const auto& [name, value] : fields) {
    out += '\0';
    for (const auto text : {name, value}) out.append(hpack_length(text.size())).append(text);
  }
  return out;
}

// HEADERS, and CONTINUATION behind them where one frame is too small.
std::string headers(std::uint8_t end_stream, const FieldRow& fields) {
  constexpr std::size_t kFrameBytes = 16'384;
  auto rest = block(fields);
  std::string out;
  std::uint8_t type = kHeaders;
  while (rest.size() > kFrameBytes) {
    out += frame(type, type == kHeaders ? end_stream : kNoFlags, 1, rest.substr(0, kFrameBytes));
    rest.erase(0, kFrameBytes);
    type = kContinuation;
  }
  const auto flags = static_cast<std::uint8_t>(kEndHeaders | (type == kHeaders ? end_stream : 0));
  return out + frame(type, flags, 1, rest);
}

std::vector<Frame> frames_in(std::string_view bytes) {
  std::vector<Frame> out;
  const auto at = [&](std::size_t i) { return static_cast<std::uint8_t>(bytes[i]); };
  while (bytes.size() >= 9) {
    const std::size_t size = at(0) << 16U | at(1) << 8U | at(2);
    out.push_back({at(3), at(4), at(8), std::string(bytes.substr(9, size))});
    bytes.remove_prefix(std::min(bytes.size(), 9 + size));
  }
  return out;
}

FieldRow post(FieldRow more = {}) {
  FieldRow out{{":method", "POST"}, {":scheme", "http"}, {":path", "/"}, {":authority", "a"}};
  out.insert(out.end(), more.begin(), more.end());
  return out;
}

std::string preface() {
  return "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(kSettings, kNoFlags, 0, "");
}

/// Reads a body to its end and answers 200; leaves where that fails.
struct Reader final : Handler {
  Task<> serve(ServerExchange& exchange) override {
    ++begun;
    const bool present = exchange.request().body.present;
    const auto body = present ? co_await read_all(&exchange) : std::string();
    if (exchange.refusal() != nullptr) {
      why = exchange.refusal()->text;
      co_return;
    }
    bodies.push_back(body);
    http::ResponseHead head;
    head.status = 200;
    exchange.send_head(head, true);
  }
  int begun = 0;
  std::string why;
  std::vector<std::string> bodies;
};

struct Heard {
  std::vector<Frame> answer;  // the server's HEADERS, DATA and RST_STREAM of stream 1
  std::vector<std::string> refused;
  std::string why;
  std::vector<std::string> bodies;
  int begun = 0;
};

// The client's frames of stream 1, and a sound request behind them on stream 3.
Task<> talk(std::string said, Heard* out) {
  Reader reader;
  ServerPair pair(reader, HttpVersion::kHttp2);
  pair.say(preface() + said);
  pair.start();
  co_await settle();
  pair.say(frame(kHeaders, kEndHeaders | kEndStream, 3, block(post())));
  co_await settle();
  bool third = false;
  for (auto& one : frames_in(pair.heard())) {
    third = third || (one.type == kHeaders && one.stream == 3);
    if (one.stream == 1) out->answer.push_back(std::move(one));
  }
  CHECK_MESSAGE(third, "others of the connection are served");
  out->refused = pair.refused;
  out->why = reader.why;
  out->bodies = reader.bodies;
  out->begun = reader.begun;
  pair.close();
  co_await pair.finish();
}

Heard outcome_of(const std::string& said) {
  Heard out;
  run_loop(talk, said, &out);
  return out;
}

// ":status: 400" is entry 12 of the static table (RFC 7541 appendix A).
bool is_400(const Frame& one) {
  return one.type == kHeaders && one.payload.starts_with('\x8c') && (one.flags & kEndStream) == 0;
}
bool is_protocol_error(const Frame& one) {
  return one.type == kReset && one.payload == std::string_view("\0\0\0\1", 4);
}

struct Row {
  const char* reason;
  FieldRow fields;
};

std::vector<Row> malformed_heads() {
  using namespace http::refusals;
  FieldRow late = post();
  late.insert(late.begin() + 1, {"x", "y"});
  return {
      {kUpperCase.text, post({{"X-A", "b"}})},
      {kConnectionSpecific.text, post({{"connection", "close"}})},
      {kConnectionSpecific.text, post({{"transfer-encoding", "chunked"}})},
      {kTe.text, post({{"te", "gzip"}})},
      {kFieldValue.text, post({{"x", "a\r\nx-smuggled: b"}})},
      {kFieldValue.text, post({{"x", std::string_view("a\0b", 3)}})},
      {kFieldValue.text, post({{"x", " a"}})},
      {kFieldName.text, post({{"x: y\r\nz", "a"}})},
      {kFieldName.text, post({{"", "a"}})},
      {kManyLengths.text, post({{"content-length", "1"}, {"content-length", "1"}})},
      {kLength.text, post({{"content-length", "+1"}})},
      {kHostConflict.text, post({{"host", "b"}})},
      {kPseudoAfterField.text, late},
      {kUnknownPseudo.text, post({{":status", "200"}})},
      {kPseudoAfterField.text, post({{"x", "y"}, {":path", "/b"}})},
      {kRepeatedPseudo.text, {{":method", "GET"}, {":method", "POST"}}},
      {kMissingPseudo.text, {{":method", "GET"}, {":scheme", "http"}, {":authority", "a"}}},
      {kMethod.text,
       {{":method", "GET /x HTTP/1.1\r\nA:"},
        {":scheme", "http"},
        {":path", "/"},
        {":authority", "a"}}},
      {kTarget.text,
       {{":method", "GET"},
        {":scheme", "http"},
        {":path", "/ HTTP/1.1\r\nHost: b"},
        {":authority", "a"}}},
      {kHost.text,
       {{":method", "GET"}, {":scheme", "http"}, {":path", "/"}, {":authority", "a@b\r\nc: d"}}},
  };
}

}  // namespace

TEST_CASE("a malformed head of HTTP/2 is answered 400 and resets its stream, with its reason") {
  for (const auto& row : malformed_heads()) {
    CAPTURE(row.reason);
    CAPTURE(row.fields.back().first);
    for (const std::uint8_t end : {kNoFlags, kEndStream}) {
      const auto flags = static_cast<std::uint8_t>(kEndHeaders | end);
      const auto out = outcome_of(frame(kHeaders, flags, 1, block(row.fields)));
      CHECK(out.refused == std::vector<std::string>{row.reason});
      CHECK(out.begun == 1);  // the sound one
      REQUIRE(out.answer.size() == 2);
      CHECK(is_400(out.answer[0]));
      CHECK(is_protocol_error(out.answer[1]));
    }
  }
}

TEST_CASE("a body of HTTP/2 that is not as long as announced is refused, and never looks whole") {
  struct Body {
    std::string_view announced, sent;
    bool ends;
  };
  const std::string mismatch = http::refusals::kLengthMismatch.text;
  for (const auto& [announced, sent, ends] :
       {Body{"5", "abc", true}, Body{"3", "abcd", true}, Body{"3", "abcd", false},
        Body{"0", "GET /smuggled HTTP/1.1\r\n\r\n", true}, Body{"0", "x", false}}) {
    CAPTURE(announced);
    CAPTURE(sent);
    const auto out =
        outcome_of(frame(kHeaders, kEndHeaders, 1, block(post({{"content-length", announced}}))) +
                   frame(kData, ends ? kEndStream : kNoFlags, 1, sent));
    CHECK(out.why == mismatch);
    CHECK(out.bodies == std::vector<std::string>{""});  // of the sound request
    REQUIRE(out.answer.size() == 2);
    CHECK(is_400(out.answer[0]));
    CHECK(is_protocol_error(out.answer[1]));
  }
  const auto sound =
      outcome_of(frame(kHeaders, kEndHeaders, 1, block(post({{"content-length", "3"}}))) +
                 frame(kData, kNoFlags, 1, "ab") + frame(kData, kEndStream, 1, "c"));
  CHECK(sound.bodies == std::vector<std::string>{"abc", ""});
}

TEST_CASE("trailers of HTTP/2 that are malformed, or do not end their stream, are refused") {
  const auto head = frame(kHeaders, kEndHeaders, 1, block(post()));
  const auto out =
      outcome_of(head + frame(kHeaders, kEndHeaders | kEndStream, 1, block({{":path", "/b"}})));
  CHECK(out.why == http::refusals::kPseudoAfterField.text);
  REQUIRE(out.answer.size() == 2);
  CHECK(is_protocol_error(out.answer[1]));
  const auto open = outcome_of(head + frame(kHeaders, kEndHeaders, 1, block({{"x", "y"}})));
  CHECK(open.bodies == std::vector<std::string>{""});
  REQUIRE(!open.answer.empty());
  CHECK(is_protocol_error(open.answer.back()));
}

TEST_CASE("more fields than fit are answered 431 with their reason, and others are served") {
  using namespace http::refusals;
  const std::string large(40'000, 'a');
  FieldRow many = post();
  for (int i = 0; i < 200; ++i) many.emplace_back("x", "y");
  for (const auto& row : {Row{kHeadTooLong.text, post({{"x", large}, {"y", large}})},
                          Row{kTooManyFields.text, many}}) {
    CAPTURE(row.reason);
    for (const std::uint8_t end : {kNoFlags, kEndStream}) {
      const auto out = outcome_of(headers(end, row.fields));
      CHECK(out.refused == std::vector<std::string>{row.reason});
      CHECK(out.begun == 1);  // the sound one
      REQUIRE(!out.answer.empty());
      CHECK(out.answer[0].payload.find("431") != std::string::npos);
      CHECK((out.answer[0].flags & kEndStream) != 0);
    }
  }
  const auto trailers =
      outcome_of(headers(kNoFlags, post()) + headers(kEndStream, {{"x", large}, {"y", large}}));
  CHECK(trailers.why == kTrailersTooLong.text);
  REQUIRE(!trailers.answer.empty());
  CHECK(trailers.answer[0].payload.find("431") != std::string::npos);
}

namespace {

ServerOptions hasty() {
  ServerOptions out;
  out.head_timeout = milliseconds(30);
  out.ping_interval = out.ping_timeout = milliseconds(5);  // which no client can answer meanwhile
  return out;
}

// A sound request, and behind it on stream 3 a part of a head.
Task<> begin_a_head(std::string begun) {
  Reader reader;
  ServerPair pair(reader, HttpVersion::kHttp2, hasty());
  pair.say(preface() + frame(kHeaders, kEndHeaders | kEndStream, 1, block(post())) + begun);
  pair.start();
  co_await pair.finish();
  CHECK(reader.begun == 1);
  CHECK(pair.refused == std::vector<std::string>{http::refusals::kHeadTimeout.text});
  REQUIRE_FALSE(pair.result);
  CHECK(pair.result.error().code == ErrorCode::kTimeout);
  CHECK(pair.result.error().origin == Origin::kClient);
  bool answered = false;
  bool goodbye = false;
  for (const auto& one : frames_in(pair.heard())) {
    answered =
        answered || (one.type == kHeaders && one.stream == 3 &&
                     one.payload.find("408") != std::string::npos && (one.flags & kEndStream) != 0);
    goodbye = goodbye || one.type == kGoaway;
  }
  CHECK(answered);
  CHECK(goodbye);
}

}  // namespace

TEST_CASE(
    "a head of HTTP/2 that never ends is answered 408, told, and the last of its connection") {
  const auto head = block(post());
  const auto whole = frame(kHeaders, kEndHeaders | kEndStream, 3, head);
  run_loop(begin_a_head, frame(kHeaders, kEndStream, 3, head));
  run_loop(begin_a_head, frame(kHeaders, kEndStream, 3, head) +
                             frame(kContinuation, kNoFlags, 3, block({{"x", "y"}})));
  run_loop(begin_a_head, whole.substr(0, whole.size() - 1));
  run_loop(begin_a_head, whole.substr(0, 10));
}

TEST_CASE("the time of a head is over with the head") {
  run_loop([]() -> Task<> {
    Reader reader;
    auto options = hasty();
    options.ping_interval = options.ping_timeout = seconds(10);
    ServerPair pair(reader, HttpVersion::kHttp2, options);
    pair.say(preface() + frame(kHeaders, kEndHeaders, 1, block(post())));
    pair.start();
    co_await io::sleep_until(io::in(2 * options.head_timeout));
    pair.say(frame(kData, kEndStream, 1, "body"));
    co_await settle();
    CHECK(reader.bodies == std::vector<std::string>{"body"});
    CHECK(pair.refused.empty());
    pair.close();
    co_await pair.finish();
  });
}
