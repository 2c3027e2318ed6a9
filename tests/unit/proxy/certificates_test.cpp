#include "culvert/proxy/certificates.hpp"

#include <doctest/doctest.h>

#include "../io/run_loop.hpp"

using namespace culvert;
using namespace culvert::proxy;
using culvert::io::testing::run_loop;
using namespace std::chrono_literals;

namespace {

struct Refusing final : CertificateService {
  unsigned calls = 0;
  io::Event called;

  io::Task<std::expected<std::vector<std::string>, std::string>> sign(std::string,
                                                                      std::string) override {
    ++calls;
    called.notify();
    co_return std::unexpected(std::string("no"));
  }
  io::Task<> until(unsigned count) {
    while (calls < count) REQUIRE(co_await called.wait(io::in(30s)));
  }
};

constexpr const char* kIdentity = "spiffe://cluster.local/ns/shop/sa/web";

}  // namespace

TEST_CASE("who was refused a certificate asks again when control speaks, after the first delay") {
  run_loop([]() -> io::Task<> {
    Refusing service;
    Certificates certificates(
        service, [](const auto&, const auto&, const auto&) { FAIL("nothing was signed"); },
        [](const auto&) {});
    certificates.want(kIdentity);
    co_await service.until(2);
    const auto second = io::Clock::now();  // the third is due a second later
    certificates.control_spoke();
    co_await service.until(3);
    const auto waited = io::Clock::now() - second;
    CHECK(waited >= 450ms);
    CHECK(waited < 900ms);
    CHECK(certificates.status().front().last_error == "no");
    co_await certificates.stop();
  });
}
