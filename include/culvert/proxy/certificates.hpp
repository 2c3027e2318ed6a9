// Keeps a valid certificate for every identity that is wanted (in ztunnel those of its node's
// pods): asks when the first one wants it, renews at half life, forgets when the last one has gone.
// In memory only. On the control loop's thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "culvert/io/event.hpp"
#include "culvert/io/scope.hpp"
#include "culvert/proxy/credentials.hpp"

namespace culvert::proxy {

/// The certificate service, as seen from here: the seam to control's (or istiod's) CA.
class CertificateService {
 public:
  virtual ~CertificateService() = default;
  /// Signs `request_pem` for `identity`: PEM texts of leaf, intermediates, root(s). The error is
  /// the service's own words.
  virtual io::Task<std::expected<std::vector<std::string>, std::string>> sign(
      std::string request_pem, std::string identity) = 0;
};

class Certificates {
 public:
  using Publish = std::function<void(const std::string& identity, const Credentials& credentials,
                                     const Issuers& issuers)>;
  using Withdraw = std::function<void(const std::string& identity)>;

  /// `service` outlives it. `records`: who seals the records of tunnels.
  Certificates(CertificateService& service, Publish publish, Withdraw withdraw,
               tls::Records records = tls::kDefaultRecords)
      : service_(service),
        records_(records),
        publish_(std::move(publish)),
        withdraw_(std::move(withdraw)) {}

  /// Counted: the first want() of an identity starts its fiber, the last unwant() ends it.
  void want(const std::string& identity);
  void unwant(const std::string& identity);
  /// Control is there, or has news: who failed to get a certificate asks again without waiting out
  /// its back-off, which may have grown long while control was away.
  void control_spoke();
  /// Stops all fibers and waits for them.
  io::Task<> stop();

  struct Status {
    std::string identity;
    bool ready = false;
    std::chrono::system_clock::time_point not_after;
    std::string chain_pem;
    std::string roots_pem;
    std::string last_error;
  };
  std::vector<Status> status() const;

 private:
  struct Wanted {
    unsigned pods = 0;
    Status status;
    io::Scope scope;
  };
  io::Task<> keep(std::string identity, Wanted* wanted);
  io::Task<std::expected<std::chrono::system_clock::time_point, std::string>> renew(
      std::string identity, Wanted* wanted);

  io::Task<bool> wait_to_retry(io::Clock::duration pause, std::uint64_t heard);

  CertificateService& service_;
  const tls::Records records_;
  std::uint64_t heard_ = 0;  // how often control spoke
  io::Event spoke_;
  Publish publish_;
  Withdraw withdraw_;
  std::map<std::string, std::shared_ptr<Wanted>> wanted_;
  io::Scope retiring_;
};

}  // namespace culvert::proxy
