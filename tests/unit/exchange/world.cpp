#include "world.hpp"

#include <algorithm>

#include "culvert/l7/edge.hpp"
#include "destination_rule.pb.h"
#include "virtual_service.pb.h"

namespace culvert::waypoint::test {
namespace {

const std::string kReviews = "reviews.shop.svc.cluster.local";
const std::string kWaypoint = "wp.shop.svc.cluster.local";
const std::string kRatings = "ratings.shop.svc.cluster.local";

mesh::Workload pod(const std::string& name, std::size_t number) {
  mesh::Workload made;
  made.uid = "Kubernetes//Pod/shop/" + name;
  made.name = name;
  made.ns = "shop";
  made.addresses = {IpAddress::v4(10, 0, 1, static_cast<std::uint8_t>(number + 1)),
                    *IpAddress::parse("fd00::1:" + std::to_string(number + 1))};
  made.protocol = mesh::TunnelProtocol::kHbone;
  made.trust_domain = "cluster.local";
  made.service_account = name;
  if (name.starts_with("ratings")) {
    made.services["shop/" + kRatings] = {{80, 8080}};
  } else if (name.starts_with("v")) {
    made.services["shop/" + kReviews] = {{80, 8080}, {9090, 8080}};
  } else if (name.starts_with("wp")) {
    made.services["shop/" + kWaypoint] = {{15008, 15008}};
  }
  return made;
}

std::string value_in(const FieldList& fields, std::string_view name) {
  const auto found =
      std::ranges::find(fields, name, [](const auto& one) { return std::string_view(one.first); });
  return found == fields.end() ? "" : found->second;
}

}  // namespace

std::string Answer::header(std::string_view name) const {
  return value_in(fields, name);
}
bool Answer::has(std::string_view name) const {
  return std::ranges::any_of(fields, [&](const auto& one) { return one.first == name; });
}

struct World::Asked {
  Asked(const Ask& one, std::size_t number)
      : ask(one), port(static_cast<std::uint16_t>(20'000 + number)), client(ask) {}
  const Ask ask;
  const std::uint16_t port;
  AskingClient client;
  Arrival arrival;
  Answer answer;
};

World::World(const std::string& yaml, std::vector<std::string> pods)
    : lab_(yaml), names_(std::move(pods)) {
  settings.identity = "spiffe://cluster.local/ns/shop/sa/waypoint";
  context_ = std::make_unique<ExchangeContext>(settings, upstreams, *this, parties_, 1);
  make_view();
}

World::~World() {
  simulate(close_context, context_.get());
  CHECK(context_->counts.kept_bytes == 0);
  CHECK(context_->counts.mirror_bytes == 0);
}

void World::rules(const std::string& yaml) {
  lab_.add(yaml);
  make_view();
}
void World::refuse_rules() {
  auto spec = std::make_shared<::istio::networking::v1alpha3::VirtualService>();
  spec->add_hosts("reviews");
  lab_.compiler.put(l7::VirtualServiceObject{"shop", "reviews", 1, spec, true});
  lab_.table = lab_.compiler.compile();
  make_view();
}
void World::pods(const std::vector<std::string>& names) {
  names_ = names;
  make_view();
}
void World::set_healthy(const std::string& pod, bool healthy) {
  if (healthy) {
    unhealthy_.erase(pod);
  } else {
    unhealthy_.insert(pod);
  }
  make_view();
}

void World::set_weight(const std::string& pod, std::uint32_t weight) {
  weights_[pod] = weight;
  make_view();
}
void World::set_waypoint(const std::string& of, bool there) {
  if (there) {
    behind_waypoint_.insert(of);
  } else {
    behind_waypoint_.erase(of);
  }
  make_view();
}
void World::refuse_destination_rule(const std::string& host) {
  auto spec = std::make_shared<::istio::networking::v1alpha3::DestinationRule>();
  spec->set_host(host);
  lab_.compiler.put(l7::DestinationRuleObject{"shop", "broken", 1, spec, true});
  lab_.table = lab_.compiler.compile();
  make_view();
}

void World::make_view() {
  mesh::Delta delta;
  delta.services = {*l7::test::service("shop", "reviews", {80, 9090}),
                    *l7::test::service("shop", "ratings", {80}),
                    *l7::test::service("shop", "wp", {15008})};
  const mesh::GatewayAddress waypoint{.destination = "shop/" + kWaypoint};
  if (behind_waypoint_.contains("reviews")) delta.services.front().waypoint = waypoint;
  Labels::ByUid labels;
  for (std::size_t i = 0; i < names_.size(); ++i) {
    auto made = pod(names_[i], i);
    made.healthy = !unhealthy_.contains(names_[i]);
    if (behind_waypoint_.contains(names_[i])) made.waypoint = waypoint;
    if (weights_.contains(names_[i])) made.capacity = weights_.at(names_[i]);
    labels[made.uid] = std::make_shared<const LabelMap>(
        LabelMap{{"version", names_[i].substr(0, names_[i].find('-'))}});
    delta.workloads.push_back(std::move(made));
  }
  auto client = pod("client", 200);
  labels[client.uid] = std::make_shared<const LabelMap>(LabelMap{{"app", "web"}});
  delta.workloads.push_back(std::move(client));
  auto view = std::make_shared<View>();
  view->mesh = apply(mesh::Snapshot(), std::move(delta));
  view->routes = lab_.table;
  view->labels = std::make_shared<const Labels>(std::move(labels));
  view->edges = std::make_shared<const Edges>(
      Edges{"shop", {l7::EdgeObject{"shop/edge", {{"app", "edge"}}, {{80, {{"*", "*"}}}}}}});
  view_ = view;
  view_is_new_ = true;
}

Arrival World::arrival_of(const Ask& ask, std::uint16_t client_port) const {
  Arrival made;
  made.gateway = ask.gateway;
  const auto uid = "Kubernetes//Pod/shop/";
  if (ask.with_identity) made.client.identity = mesh::Identity{"cluster.local", ask.ns, "web"};
  made.client.address = {*IpAddress::parse("10.0.0.5"), client_port};
  if (ask.with_identity) made.client.workload = view_->mesh->workload(uid + ask.pod);
  made.destination = {*IpAddress::parse(ask.ipv6 ? "fd00:96::1" : "10.96.0.1"), ask.port};
  if (ask.gateway != "mesh") return made;
  if (ask.workload.empty()) {
    made.service = view_->mesh->service("shop/" + ask.service + ".shop.svc.cluster.local");
  } else {
    made.workload = view_->mesh->workload(uid + ask.workload);
    REQUIRE(made.workload);
    made.destination.ip = made.workload->addresses[0];
  }
  return made;
}

io::Task<> World::close_context(ExchangeContext* context) {
  co_await context->close();
}

io::Task<> World::pass(milliseconds time) {
  co_await io::sleep_until(io::Loop::current().now() + time);
}

io::Task<> World::leave(io::Scope* scope, milliseconds after) {
  if (co_await io::sleep_until(io::Loop::current().now() + after)) scope->request_stop();
}

io::Task<> World::serve(World* world, Asked* asked) {
  if (asked->ask.after.count() > 0) {
    co_await io::sleep_until(io::Loop::current().now() + asked->ask.after);
  }
  asked->arrival = world->arrival_of(asked->ask, asked->port);
  const auto began = simulated_now();
  io::Scope handler;
  io::Scope leaving;
  handler.spawn(serve_exchange, world->context_.get(), &asked->arrival, &asked->client);
  if (asked->ask.gone_after) leaving.spawn(leave, &handler, *asked->ask.gone_after);
  co_await handler.join();
  auto& answer = asked->answer;
  REQUIRE_MESSAGE(world->ended_.contains(asked->port), "the log was not told");
  const auto& record = world->ended_[asked->port];
  answer.record = record;
  answer.flags = record.all_flags().to_string();
  answer.details = record.code_details();
  answer.route = record.route_name;
  answer.cluster = record.cluster;
  answer.end = record.end;
  answer.took = simulated_now() - began;
  leaving.request_stop();
  co_await leaving.join();
  auto& client = asked->client;
  if (client.head) {
    answer.status = client.head->status;
    answer.fields = list_of(client.head->fields);
  }
  answer.body = client.body;
  answer.trailers = client.trailers;
  answer.informational = client.informational;
  answer.whole = client.whole;
  answer.reset = client.reset_code;
}

io::Task<> World::run(World* world, std::deque<Asked>* all) {
  auto* context = world->context_.get();
  if (std::exchange(world->view_is_new_, false)) context->take_view(world->view_);
  io::Scope asking;
  for (auto& one : *all) asking.spawn(serve, world, &one);
  co_await asking.join();
  // What nobody waits for: mirrors.
  while (!context->mirrors().empty()) {
    co_await io::sleep_until(io::Loop::current().now() + 10ms);
  }
}

std::vector<Answer> World::ask_all(const std::vector<Ask>& all) {
  ended_.clear();
  std::deque<Asked> asked;
  for (const auto& one : all) asked.emplace_back(one, asked.size());
  simulate(run, this, &asked);
  std::vector<Answer> answers;
  for (auto& one : asked) answers.push_back(std::move(one.answer));
  return answers;
}

Answer World::ask(const Ask& one) {
  return ask_all({one}).front();
}

void World::sleep(milliseconds time) {
  simulate(pass, time);
}

}  // namespace culvert::waypoint::test
