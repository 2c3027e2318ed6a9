// Each header value by itself: good forms, every malformed class, limits.
#include <doctest/doctest.h>

#include <random>

#include "culvert/hbone/headers.hpp"

using namespace culvert;
using namespace culvert::hbone;

TEST_CASE("authorities are addresses or host names with a port") {
  CHECK(*Authority::parse("10.0.0.1:80")->address() == *SocketAddress::parse("10.0.0.1:80"));
  CHECK(*Authority::parse("[fd00::1]:65535")->address() ==
        *SocketAddress::parse("[fd00::1]:65535"));
  CHECK(*Authority::parse("Web.Shop.svc.:8080")->host() == HostPort{"web.shop.svc", 8080});
  for (const char* text : {"10.0.0.1:80", "[fd00::1]:1", "a_b.c-d:65535", "x:1"}) {
    CHECK(Authority::parse(text)->to_string() == text);
  }
  CHECK(Authority::parse("[::ffff:10.0.0.1]:80")->to_string() == "10.0.0.1:80");
}

TEST_CASE("malformed authorities are refused") {
  for (const char* text : {"",
                           ":",
                           ":80",
                           "10.0.0.1",
                           "10.0.0.1:",
                           "10.0.0.1:0",
                           "10.0.0.1:080",
                           "10.0.0.1:65536",
                           "10.0.0.1:+80",
                           "10.0.0.1:80 ",
                           " 10.0.0.1:80",
                           "10.0.0.1:80:80",
                           "10.0.0.256:80",
                           "10.0.0:80",
                           "1.2.3.4.5:80",
                           "fd00::1:80",
                           "[fd00::1]",
                           "[fd00::1:80",
                           "fd00::1]:80",
                           "[10.0.0.1]:80",
                           "[fe80::1%eth0]:80",
                           "[]:80",
                           "user@web:80",
                           "web/path:80",
                           "web:80/",
                           "-web:80",
                           "web-:80",
                           "we b:80",
                           "web..x:80",
                           ".web:80",
                           "web..:80",
                           "w\xc3\xa9o:80",
                           "web%41:80",
                           "http://web:80",
                           "*:80",
                           "123:80"}) {
    CAPTURE(text);
    CHECK_FALSE(Authority::parse(text));
  }
  CHECK_FALSE(Authority::parse(std::string_view("we\0b:80", 7)));
}

TEST_CASE("host names end at their limits") {
  const std::string label(63, 'a');
  const std::string longest = label + "." + label + "." + label + "." + std::string(61, 'a');
  REQUIRE(longest.size() == kMaxHostBytes);
  CHECK(is_host_name(longest));
  CHECK_FALSE(is_host_name(longest + "a"));
  CHECK_FALSE(is_host_name(label + "a"));
  CHECK(Authority::parse(longest + ":65535"));
}

TEST_CASE("baggage survives the round trip, also with names that need escapes") {
  const Baggage all{.cluster = "Kube,rnetes=1",
                    .namespace_name = "a b",
                    .workload_type = "cronjob",
                    .workload = "100%",
                    .service = "s;p",
                    .revision = "\"v\\1\"",
                    .region = "r\xc3\xa9gion",
                    .zone = "z"};
  const auto text = encode_baggage(all);
  for (const char c : text) CHECK((c > ' ' && c < '\x7f' && c != '"' && c != '\\'));
  CHECK(*parse_baggage(text) == all);
  CHECK(parse_baggage("")->empty());
  CHECK(encode_baggage({}).empty());
}

TEST_CASE("baggage is read as W3C writes it") {
  CHECK(*parse_baggage(" service.name = web ;prop=1;x , unknown=2,, service.name=second") ==
        Baggage{.service = "web"});
  CHECK(*parse_baggage("k8s.pod.name=p,k8s.job.name=j") ==
        Baggage{.workload_type = "pod", .workload = "p"});
  CHECK(parse_baggage("k8s.statefulset.name=x,k8s.name=y,k8s..name=z")->empty());
  CHECK(parse_baggage("service.name=")->empty());
  CHECK(parse_baggage("service.name=a=b")->service == "a=b");
}

TEST_CASE("malformed baggage is refused") {
  for (const char* text :
       {"service.name", "=web", "a b=c", "service.name=%", "service.name=%4", "service.name=%zz",
        "service.name=%4g", "service.name=%0a", "service.name=%00", "service.name=%7f",
        "service.name=a b", "service.name=\"a\"", "service.name=a\nb", "(x)=1", ";p=1"}) {
    CAPTURE(text);
    CHECK(parse_baggage(text).error().code == ErrorCode::kInvalid);
  }
}

TEST_CASE("the limits of baggage hold exactly") {
  const std::string key = "service.name=";
  CHECK(parse_baggage(key + std::string(kMaxBaggageValueBytes, 'v')));
  CHECK(parse_baggage(key + std::string(kMaxBaggageValueBytes + 1, 'v')).error().code ==
        ErrorCode::kLimit);
  std::string members;
  for (std::size_t i = 0; i < kMaxBaggageMembers; ++i) members += "k=v,";
  CHECK(parse_baggage(members));
  CHECK(parse_baggage(members + "k=v").error().code == ErrorCode::kLimit);
  CHECK(parse_baggage(std::string(kMaxBaggageBytes, ',')));
  CHECK(parse_baggage(std::string(kMaxBaggageBytes + 1, ',')).error().code == ErrorCode::kLimit);
}

TEST_CASE("baggage that cannot be said is left out") {
  CHECK(encode_baggage({.workload_type = "x\r\ny", .workload = "web"}).empty());
  CHECK(encode_baggage({.service = std::string(kMaxBaggageValueBytes + 1, 's')}).empty());
  CHECK(encode_baggage({.service = "a\nb"}).empty());
}

TEST_CASE("forwarded names the client, IPv6 in brackets") {
  for (const char* source : {"10.0.0.5:41000", "[fd00::5]:41000"}) {
    const Forwarded forwarded{.source = SocketAddress::parse(source), .host = "db.shop.svc"};
    const auto text = encode_forwarded(forwarded);
    CHECK(text == std::string("for=\"") + source + "\";host=db.shop.svc");
    CHECK(*parse_forwarded(text) == forwarded);
  }
  for (const auto* node : {"for=\"10.0.0.5\"", "for=\"[fd00::5]\""}) {  // no port was given
    CHECK(encode_forwarded(*parse_forwarded(node)) == node);
  }
  CHECK(encode_forwarded({}).empty());
  CHECK(encode_forwarded({.source = {}, .host = "db"}) == "host=db");
  CHECK(encode_forwarded({.source = {}, .host = "db;for=x"}).empty());
}

TEST_CASE("forwarded is read as RFC 7239 writes it") {
  CHECK(parse_forwarded("For=\"10.0.0.5:1\" ; Proto=http;HOST=\"Db.shop:80\"")->host == "db.shop");
  CHECK(parse_forwarded("for=10.0.0.5, for=10.0.0.6")->source->ip == *IpAddress::parse("10.0.0.5"));
  CHECK(parse_forwarded("for=\"[fd00::5]\"")->source->port == 0);
  CHECK(parse_forwarded("for=\"10.0.0.5\\:80\"")->source->port == 80);
  for (const char* text :
       {"", "for=unknown", "for=Unknown", "for=_hidden", "for=\"_SEVKISEK:1\"", ";;"}) {
    CAPTURE(text);
    REQUIRE(parse_forwarded(text));
    CHECK_FALSE(parse_forwarded(text)->source);
  }
}

TEST_CASE("malformed forwarded is refused") {
  for (const char* text :
       {"for", "for=", "for=\"10.0.0.5", "for=\"10.0.0.5\\", "for=10.0.0.5:80", "for=\"fd00::5\"",
        "for=\"[10.0.0.5]\"", "for=\"10.0.0.5:99999\"", "for=\"\"", "for=a b", "for=x",
        "for=\"10.0.0.5\"x", "=x", "for=_a;for=_b", "host=a;host=b", "host=\"a b\"",
        "host=\"10.0.0.1\"", "for =_a", "for=\"a\nb\""}) {
    CAPTURE(text);
    CHECK(parse_forwarded(text).error().code == ErrorCode::kInvalid);
  }
  CHECK(parse_forwarded(std::string(kMaxForwardedBytes + 1, ';')).error().code ==
        ErrorCode::kLimit);
}

TEST_CASE("a traceparent survives the round trip") {
  const char* text = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  CHECK(TraceParent::parse(text)->to_string() == text);
  CHECK(TraceParent::parse("01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more"));
  CHECK(TraceParent::parse(TraceParent::from_random(0, 0, 0).to_string()));
}

TEST_CASE("malformed traceparents are refused") {
  for (const char* text : {"", "00", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-1",
                           "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-",
                           "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01x",
                           "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
                           "00-00000000000000000000000000000000-b7ad6b7169203331-01",
                           "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
                           "00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
                           "00-0af7651916cd43dd8448eb211c80319g-b7ad6b7169203331-01",
                           "00_0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
                           "00-0af7651916cd43dd8448eb211c80319cb-7ad6b7169203331-01"}) {
    CAPTURE(text);
    CHECK_FALSE(TraceParent::parse(text));
  }
}

TEST_CASE("no bytes crash the parsers, and what they accept they can write and read again") {
  std::mt19937 random(11);
  const std::string_view alphabet = "for=host\";:,[]%.0123456789abcxyz- \\=k8s.pod.name_\t\n";
  for (int i = 0; i < 50000; ++i) {
    std::string text(random() % 30, '\0');
    for (auto& c : text) {
      c = random() % 50 == 0 ? static_cast<char>(random()) : alphabet[random() % alphabet.size()];
    }
    if (const auto a = Authority::parse(text)) CHECK(*Authority::parse(a->to_string()) == *a);
    if (const auto b = parse_baggage(text)) CHECK(*parse_baggage(encode_baggage(*b)) == *b);
    (void)parse_forwarded(text);
    (void)TraceParent::parse(text);
  }
}
