// A waypoint's exchanges with a small mesh around them: pods of reviews in three versions, and of
// ratings; rules from YAML; clients and upstreams in memory; simulated time.
#pragma once

#include <doctest/doctest.h>

#include <deque>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "../l7/lab.hpp"
#include "client.hpp"
#include "clock.hpp"
#include "upstreams.hpp"
#include "waypoint/exchange/serve.hpp"

namespace culvert::waypoint::test {

using namespace std::chrono_literals;
using l7::test::lab_with;
using l7::test::object;
using l7::test::subsets;
using l7::test::to;

/// The rule in front of one that sends everything to v1.
inline std::string lab_yaml(const std::string& rule) {
  return subsets() + object("VirtualService", "reviews",
                            "{hosts: [reviews], http: [{" + rule + "}, {" + to("v1") + "}]}");
}

/// What came of one request.
struct Answer {
  std::uint16_t status = 0;  // 0: the client got no head
  FieldList fields;
  std::string body;
  FieldList trailers;
  std::vector<std::uint16_t> informational;
  bool whole = false;
  std::optional<std::uint32_t> reset;
  std::string flags, details, route, cluster;
  telemetry::ExchangeEnd end = telemetry::ExchangeEnd::kAnswered;
  telemetry::ExchangeRecord record;
  milliseconds took{0};

  std::string header(std::string_view name) const;
  bool has(std::string_view name) const;
};

class World final : public ExchangeLog {
 public:
  /// `pods`: "v1-a", "v2-b", "ratings-a": name is version or service, up to the dash.
  explicit World(const std::string& yaml,
                 std::vector<std::string> pods = {"v1-a", "v2-a", "ratings-a"});
  ~World() override;

  /// Replaces the rules, or the pods, between two requests.
  void rules(const std::string& yaml);
  void pods(const std::vector<std::string>& names);
  /// Control says that the only VirtualService of reviews is not valid.
  void refuse_rules();
  /// Not ready from now on, or ready again.
  void set_healthy(const std::string& pod, bool healthy);
  /// Its share of the service; 0: none.
  void set_weight(const std::string& pod, std::uint32_t weight);
  /// In front of "reviews", or of a pod, stands the waypoint of the pods "wp-..."; or nobody again.
  void set_waypoint(const std::string& of, bool there = true);
  /// Control says that a DestinationRule for `host` is not valid.
  void refuse_destination_rule(const std::string& host);

  Answer ask(const Ask& one);
  /// All at once (each after its own time); answers in the order of asking.
  std::vector<Answer> ask_all(const std::vector<Ask>& all);
  /// Lets time pass.
  void sleep(milliseconds time);

  /// As if somebody watched; then what was told before the ends, "attempt v1-a".
  bool watched = false;
  std::vector<std::string> told;
  Upstreams upstreams;
  ExchangeSettings settings;
  const ExchangeContext& context() const { return *context_; }

 private:
  struct Asked;
  void ended(const telemetry::ExchangeRecord& record) override {
    ended_[record.source_address.port] = record;
  }
  void began(telemetry::ExchangeRecord& record, io::Deadline /*now*/) override {
    if (!watched) return;
    record.watched_as = 1;
    told.push_back("begin " + record.route_name);
  }
  void went_on(const telemetry::ExchangeRecord& /*record*/, telemetry::ExchangeEvent event,
               const telemetry::AttemptRecord& attempt) override {
    const bool answer = event == telemetry::ExchangeEvent::kAnswer;
    told.push_back((answer ? "answer " : "attempt ") + attempt.destination->pod);
  }
  void make_view();
  Arrival arrival_of(const Ask& ask, std::uint16_t client_port) const;
  static io::Task<> serve(World* world, Asked* asked);
  static io::Task<> pass(milliseconds time);
  static io::Task<> leave(io::Scope* scope, milliseconds after);
  static io::Task<> close_context(ExchangeContext* context);
  static io::Task<> run(World* world, std::deque<Asked>* all);

  l7::test::Lab lab_;
  std::vector<std::string> names_;
  std::set<std::string> unhealthy_;
  std::set<std::string> behind_waypoint_;
  std::map<std::string, std::uint32_t> weights_;
  proxy::Parties parties_;
  std::unique_ptr<ExchangeContext> context_;
  ViewPtr view_;
  bool view_is_new_ = true;
  std::map<std::uint16_t, telemetry::ExchangeRecord> ended_;  // by the client's port
};

}  // namespace culvert::waypoint::test
