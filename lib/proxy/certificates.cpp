#include "culvert/proxy/certificates.hpp"

#include <random>

#include "culvert/base/log.hpp"
#include "culvert/certs/signing_request.hpp"
#include "culvert/certs/workload_certificate.hpp"

namespace culvert::proxy {

using io::Task;
using std::chrono::system_clock;

namespace {

double draw_jitter() {
  thread_local std::minstd_rand random(std::random_device{}());
  return std::uniform_real_distribution<double>(0.0, 1.0)(random);
}

// The intermediates of a chain in PEM.
std::string without_leaf(const std::string& chain) {
  const auto second = chain.find("-----BEGIN ", 1);
  return second == std::string::npos ? "" : chain.substr(second);
}

}  // namespace

void Certificates::want(const std::string& identity) {
  auto& entry = wanted_[identity];
  if (entry == nullptr) {
    entry = std::make_shared<Wanted>();
    entry->status.identity = identity;
    entry->scope.spawn(
        [](Certificates* self, Wanted* wanted) -> Task<> {
          co_await self->keep(wanted->status.identity, wanted);
        },
        this, entry.get());
  }
  ++entry->pods;
}

void Certificates::unwant(const std::string& identity) {
  const auto found = wanted_.find(identity);
  if (found == wanted_.end() || --found->second->pods > 0) return;
  retiring_.spawn(
      [](std::shared_ptr<Wanted> wanted) -> Task<> {
        wanted->scope.request_stop();
        co_await wanted->scope.join();
      },
      std::move(found->second));
  wanted_.erase(found);
  withdraw_(identity);
}

Task<> Certificates::stop() {
  while (!wanted_.empty()) {
    const std::string identity = wanted_.begin()->first;
    wanted_.begin()->second->pods = 1;
    unwant(identity);
  }
  co_await retiring_.join();
}

Task<std::expected<system_clock::time_point, std::string>> Certificates::renew(std::string identity,
                                                                               Wanted* wanted) {
  auto request = certs::make_signing_request(identity);
  if (!request) co_return std::unexpected(request.error().to_string());
  auto reply = co_await service_.sign(request->request, identity);
  if (!reply) co_return std::unexpected(reply.error());
  const auto received = system_clock::now();
  auto certificate = certs::WorkloadCertificate::from_reply(
      identity, std::move(request->private_key), *reply, received);
  if (!certificate) co_return std::unexpected(certificate.error().to_string());
  auto client = certificate->make_context(tls::Role::kClient, records_);
  if (!client) co_return std::unexpected(client.error().to_string());
  auto server = certificate->make_context(tls::Role::kServer, records_);
  if (!server) co_return std::unexpected(server.error().to_string());
  wanted->status.ready = true;
  wanted->status.not_after = certificate->not_after;
  wanted->status.chain_pem = certificate->chain;
  wanted->status.roots_pem = certificate->roots;
  wanted->status.last_error.clear();
  publish_(identity, Credentials{std::move(*client), std::move(*server)},
           Issuers{without_leaf(certificate->chain), certificate->roots});
  co_return certs::renewal_time(received, certificate->not_after, draw_jitter());
}

void Certificates::control_spoke() {
  ++heard_;
  spoke_.notify();
}

// False when stopped. Not sooner than the first delay, so that a control that speaks a lot and
// refuses is not asked as often.
Task<bool> Certificates::wait_to_retry(io::Clock::duration pause, std::uint64_t heard) {
  const auto end = io::in(pause);
  if (!co_await io::sleep_until(io::in(certs::kFirstRetryDelay))) co_return false;
  while (heard_ == heard) {
    if (const auto woken = co_await spoke_.wait(end); !woken) {
      co_return woken.error().code == ErrorCode::kTimeout;
    }
  }
  co_return true;
}

// Ask, publish, sleep until half of its life, again. After a failure the old certificate serves on
// until it expires.
Task<> Certificates::keep(std::string identity, Wanted* wanted) {
  unsigned failures = 0;
  while (true) {
    const std::uint64_t heard = heard_;
    const auto renew_at = co_await renew(identity, wanted);
    if (renew_at) {
      failures = 0;
      const auto pause =
          std::chrono::duration_cast<io::Clock::duration>(*renew_at - system_clock::now());
      log::debug("certificate of {} is valid, renewal in {} s", identity,
                 std::chrono::duration_cast<std::chrono::seconds>(pause).count());
      if (!co_await io::sleep_until(io::in(pause))) co_return;
      continue;
    }
    wanted->status.last_error = renew_at.error();
    const auto pause = certs::retry_delay(++failures);
    if (wanted->scope.stopping()) co_return;
    log::warn("certificate of {}: {}; again in {} ms", identity, wanted->status.last_error,
              pause.count());
    if (!co_await wait_to_retry(pause, heard)) co_return;
  }
}

std::vector<Certificates::Status> Certificates::status() const {
  std::vector<Status> out;
  for (const auto& [identity, wanted] : wanted_) out.push_back(wanted->status);
  return out;
}

}  // namespace culvert::proxy
