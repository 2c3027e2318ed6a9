// The records and keys of RFC 8448 section 3, and what OpenSSL's key log says.
#include "records.hpp"
#include "secret_log.hpp"

using namespace culvert;
using namespace culvert::test;

namespace {

const std::string kClientSecret =
    from_hex("9e40646ce79a7f9dc05af8889bce6552875afa0b06df0087f792ebb7c17504a5");
const std::string kServerSecret =
    from_hex("a11af9f05531f856ad47116b45a950328204b4f44bfb6b3a4b4f1f3fcb631643");
const std::string kTicketRecord = from_hex(
    "17030300de3a6b8f90414a97d6959c3487680de5134a2b240e6cffac116e95d41d6af8f6b580dcf3d11d63c758db28"
    "9a"
    "015940252f55713e061dc13e078891a38efbcf5753ad8ef170ad3c7353d16d9da773b9ca7f2b9fa1b6c0d4a3d03f75"
    "e0"
    "9c30ba1e62972ac46f75f7b981be63439b2999ce13064615139891d5e4c5b406f16e3fc181a77ca475840025db2f0a"
    "77"
    "f81b5ab05b94c01346755f69232c86519d86cbeeac87aac347d143f9605d64f650db4d023e70e952ca49fe5137121c"
    "74"
    "bc2697687e248746d6df353005f3bce18696129c8153556b3b6c6779b37bf15985684f");
const std::string kClientData = from_hex(
    "1703030043a23f7054b62c94d0affafe8228ba55cbefacea42f914aa66bcab3f2b9819a8a5b46b395bd54a9a20441e"
    "2b"
    "62974e1f5a6292a2977014bd1e3deae63aeebb21694915e4");
const std::string kServerData = from_hex(
    "17030300432e937e11ef4ac740e538ad36005fc4a46932fc3225d05f82aa1b36e30efaf97d90e6dffc602dcb501a59"
    "a8"
    "fcc49c4bf2e5f0a21c0047c2abf332540dd032e167c2955d");
const std::string kClientAlert = from_hex("1703030013c9872760655666b74d7ff1153efd6db6d0b0e3");
const std::string kServerAlert = from_hex("1703030013b58fd67166ebf599d24720cfbe7efa7a8864a9");

std::string fifty_bytes() {
  std::string out;
  for (char c = 0; c < 50; ++c) out += c;
  return out;
}

std::string expanded(std::string_view secret, std::string_view label, std::size_t size) {
  std::string out(size, '\0');
  REQUIRE(tls::expand_label(suite(0x1301), secret, label,
                            {reinterpret_cast<std::uint8_t*>(out.data()), out.size()}));
  return out;
}

}  // namespace

TEST_CASE("keys and IVs are those of RFC 8448") {
  CHECK(expanded(kServerSecret, "key", 16) == from_hex("9f02283b6c9c07efc26bb9f2ac92e356"));
  CHECK(expanded(kServerSecret, "iv", 12) == from_hex("cf782b88dd83549aadf1e984"));
  CHECK(expanded(kClientSecret, "key", 16) == from_hex("17422dda596ed5d9acd890e3c63f5051"));
  CHECK(expanded(kClientSecret, "iv", 12) == from_hex("5b78923dee08579033e523d9"));
}

TEST_CASE("a client's records are RFC 8448's, and it opens the server's") {
  auto client = own_layer(kClientSecret, kServerSecret, false, suite(0x1301));
  std::string got, out;
  REQUIRE(client->open(bytes(kTicketRecord), got, out));
  CHECK(got.empty());
  REQUIRE(client->seal(bytes(fifty_bytes()), out));
  CHECK(out == kClientData);
  REQUIRE(client->open(bytes(kServerData), got, out));
  CHECK(got == fifty_bytes());
  out.clear();
  client->close(out);
  CHECK(out == kClientAlert);
  const auto end = client->open(bytes(kServerAlert), got, out);
  REQUIRE(end);
  CHECK(*end == tls::RecordLayer::Inbound::kClosed);
}

TEST_CASE("a server opens RFC 8448's records of the client") {
  auto server = own_layer(kServerSecret, kClientSecret, true, suite(0x1301));
  std::string got, out;
  const auto end = server->open(bytes(kClientData + kClientAlert), got, out);
  REQUIRE(end);
  CHECK(*end == tls::RecordLayer::Inbound::kClosed);
  CHECK(got == fifty_bytes());
  CHECK(out.empty());
}

TEST_CASE("only the suites that a context speaks are known") {
  CHECK(tls::Suite::find(0x1303) == nullptr);  // ChaCha20
  CHECK(tls::Suite::find(0x1301)->key_bytes == 16);
  CHECK(tls::Suite::find(0x1302)->key_bytes == 32);
}

TEST_CASE("a layer is not made of secrets of another length, nor of none") {
  for (const std::size_t size : {0, 32, 47, 49}) {
    tls::RecordSecrets secrets{&suite(), tls::Secret(std::string(size, 'x')),
                               tls::Secret(traffic_secret('y'))};
    CHECK_FALSE(tls::make_own_record_layer(std::move(secrets), false, {}));
  }
  CHECK_FALSE(tls::make_own_record_layer({}, false, {}));
}

TEST_CASE("the key log's two lines of application traffic are taken, by role") {
  const std::string random(64, 'a');
  const std::string client = "CLIENT_TRAFFIC_SECRET_0 " + random + " 00fF";
  const std::string server = "SERVER_TRAFFIC_SECRET_0 " + random + " 0102";
  for (const bool is_server : {false, true}) {
    tls::RecordSecrets secrets;
    tls::take_secret(client, is_server, secrets);
    tls::take_secret(server, is_server, secrets);
    CHECK((is_server ? secrets.theirs : secrets.ours).view() == std::string("\x00\xff", 2));
    CHECK((is_server ? secrets.ours : secrets.theirs).view() == "\x01\x02");
  }
}

TEST_CASE("other lines of the key log, and malformed ones, are left alone") {
  tls::RecordSecrets secrets;
  for (const char* line :
       {"CLIENT_HANDSHAKE_TRAFFIC_SECRET aa 00", "EXPORTER_SECRET aa 00", "", " ", "  ",
        "CLIENT_TRAFFIC_SECRET_0", "CLIENT_TRAFFIC_SECRET_0 aa", "CLIENT_TRAFFIC_SECRET_0 aa 0",
        "CLIENT_TRAFFIC_SECRET_0 aa 0g", "SERVER_TRAFFIC_SECRET_0 aa -1"}) {
    tls::take_secret(line, false, secrets);
  }
  tls::take_secret("CLIENT_TRAFFIC_SECRET_0 aa " + std::string(98, '0'), false, secrets);
  CHECK(secrets.ours.empty());
  CHECK(secrets.theirs.empty());
}
