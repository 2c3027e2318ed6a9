// Two TLS sessions joined by strings, for tests.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "culvert/tls/session.hpp"
#include "mint.hpp"

namespace culvert::test {

inline constexpr char kWeb[] = "spiffe://cluster.local/ns/shop/sa/web";
inline constexpr char kDb[] = "spiffe://cluster.local/ns/shop/sa/db";

inline std::span<const std::byte> bytes(std::string_view text) {
  return std::as_bytes(std::span(text));
}

/// What protects the records of the sessions under test: the same binary runs with each.
inline tls::Records records_under_test() {
  const char* const chosen = std::getenv("CULVERT_TLS_RECORDS");
  if (chosen == nullptr) return tls::kDefaultRecords;
  return std::string_view(chosen) == "openssl" ? tls::Records::kOpenssl : tls::Records::kOwn;
}

inline tls::Context context(tls::Role role, const Minted& leaf, const std::string& roots,
                            const std::string& intermediates = {}) {
  auto made = tls::Context::create(role,
                                   {.certificate_chain = leaf.certificate + intermediates,
                                    .private_key = leaf.private_key,
                                    .trusted_roots = roots},
                                   records_under_test());
  if (!made) FAIL(made.error().to_string());
  return std::move(*made);
}

/// Moves bytes between the two until neither has any, `step` at a time.
struct Pair {
  tls::Session client;
  tls::Session server;
  std::string client_got, server_got;
  std::optional<Error> client_error, server_error;

  void run(std::size_t step = SIZE_MAX) {
    bool moved = true;
    while (moved) {
      moved = move(client, server, server_got, server_error, step);
      moved = move(server, client, client_got, client_error, step) || moved;
    }
  }

  static bool move(tls::Session& from, tls::Session& to, std::string& got,
                   std::optional<Error>& error, std::size_t step) {
    const std::string out = from.take_output();
    for (std::size_t at = 0; at < out.size() && !error; at += std::min(step, out.size() - at)) {
      const auto fed = to.feed(bytes(std::string_view(out).substr(at, step)), got);
      if (!fed) error = fed.error();
    }
    return !out.empty();
  }
};

inline Pair make_pair(const tls::Context& client, const tls::Context& server,
                      tls::Expected at_client = {.identities = {kDb}},
                      tls::Expected at_server = {}) {
  auto c = tls::Session::client(client, std::move(at_client));
  auto s = tls::Session::server(server, std::move(at_server));
  REQUIRE(c);
  REQUIRE(s);
  return Pair{std::move(*c), std::move(*s), {}, {}, {}, {}};
}

}  // namespace culvert::test
