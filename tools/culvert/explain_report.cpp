#include "culvert/explain_report.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>

#include "culvert/bpf/netns.hpp"
#include "culvert/capture_maps.hpp"
#include "culvert/explain_edge.hpp"
#include "culvert/explain_request.hpp"
#include "lab/netns.hpp"

namespace culvert::cli {
namespace {

std::string name_of(const mesh::Workload& w) {
  return w.ns + "/" + w.name;
}

// What is known of each node's capture, asked once.
class Nodes {
 public:
  Nodes(const MeshSource& source, std::vector<std::string>& notes)
      : source_(source), notes_(notes) {}

  // As the agent wants it; where it does not answer, as if it were in order.
  explain::Capture wanted(const mesh::Workload& w) {
    const auto pods = source_.state().objects.pods;
    const auto pod = std::ranges::find(pods, name_of(w), &lab::Pod::key);
    if (w.node.empty() || pod == pods.end() || !pod->meshed()) return {};
    const auto [it, fresh] = wishes_.try_emplace(w.node);
    if (fresh) {
      auto answer = read_wishes(source_, w.node);
      if (answer) {
        it->second = std::move(*answer);
      } else {
        notes_.push_back(answer.error().text + ": default settings are assumed");
      }
    }
    if (it->second) return capture_of(it->second->maps, it->second->cookie(name_of(w)));
    explain::Capture out;
    out.enrolled = out.ready = true;
    for (const IpAddress& ip : w.addresses) (ip.is_v4() ? out.ip4 : out.ip6) = ip;
    return out;
  }

  // As the kernel has it; nullopt when it cannot be read.
  std::optional<explain::Capture> actual(const mesh::Workload& w) {
    if (w.node.empty()) return explain::Capture{};
    const auto [it, fresh] = kernels_.try_emplace(w.node);
    if (fresh) {
      auto maps = read_kernel(source_.pins(w.node));
      if (maps) {
        it->second = std::move(*maps);
      } else {
        notes_.push_back(fmt::format("the maps of node {} cannot be read: {}", w.node,
                                     maps.error().to_string()));
      }
    }
    if (!it->second) return std::nullopt;
    return capture_of(*it->second, cookie_of(w));
  }

 private:
  std::optional<std::uint64_t> cookie_of(const mesh::Workload& w) const {
    const lab::LabNames names(source_.state().name);
    auto netns = lab::open_netns(names.pod_netns(w.ns, w.name));
    if (!netns) return std::nullopt;
    const auto cookie = bpf::netns_cookie(netns->get());
    return cookie ? std::optional(*cookie) : std::nullopt;
  }

  const MeshSource& source_;
  std::vector<std::string>& notes_;
  std::map<std::string, std::optional<Wishes>> wishes_;
  std::map<std::string, std::optional<CaptureMaps>> kernels_;
};

/// Settings of ztunnels, as they say themselves or as they were started; each is asked once.
class Ztunnels {
 public:
  explicit Ztunnels(const MeshSource& source) : source_(source) {}

  bool joins(const std::string& node) { return setting(node, "sameNode", "join", "encrypt"); }
  mesh::WaypointBypass bypass(const std::string& node) {
    return setting(node, "waypointBypass", "refuse", "allow") ? mesh::WaypointBypass::kRefuse
                                                              : mesh::WaypointBypass::kAllow;
  }

 private:
  // Whether a setting is `usual`.
  bool setting(const std::string& node, const char* key, const char* usual, const char* other) {
    const auto [it, fresh] = configs_.try_emplace(node);
    if (fresh) {
      const auto dump = source_.ztunnel(node, "/config_dump");
      if (dump && dump->contains("config")) it->second = (*dump)["config"];
    }
    if (it->second.is_object() && it->second.contains(key)) return it->second[key] == Json(usual);
    const char* flag = key == std::string_view("sameNode") ? "--same-node" : "--waypoint-bypass";
    const auto& flags = source_.state().ztunnel_flags;
    return std::ranges::find(flags, fmt::format("{}={}", flag, other)) == flags.end();
  }

  const MeshSource& source_;
  std::map<std::string, Json> configs_;
};

std::string capture_words(const explain::Capture& c) {
  if (!c.enrolled) return "not enrolled";
  return fmt::format("{}, {}, {}{}", c.ready ? "redirected" : "refused",
                     c.ip4 ? c.ip4->to_string() : "no IPv4", c.ip6 ? c.ip6->to_string() : "no IPv6",
                     c.listeners ? "" : ", no listener of ztunnel");
}

void compare_captures(Nodes& nodes, const mesh::Workload& w, std::vector<std::string>& out) {
  const explain::Capture wanted = nodes.wanted(w);
  const auto actual = nodes.actual(w);
  if (!actual || *actual == wanted) return;
  const std::string a = capture_words(*actual), b = capture_words(wanted);
  const std::string line =
      a == b ? fmt::format(
                   "the kernel's excluded ranges, ports or block on node {} are not the agent's",
                   w.node)
             : fmt::format("the kernel has pod {} as {}; the agent wants {}", name_of(w), a, b);
  if (std::ranges::find(out, line) == out.end()) out.push_back(line);
}

void compare_results(const explain::Explanation& predicted, const explain::Explanation& observed,
                     std::vector<std::string>& out) {
  if (predicted.outcome == observed.outcome && predicted.flag == observed.flag) return;
  out.push_back(fmt::format("with the kernel's maps as they are it is {} ({}), not {}",
                            explain::to_string(observed.outcome), observed.reason,
                            explain::to_string(predicted.outcome)));
}

// Nodes of the connection that do not have the newest configuration.
void compare_generations(const MeshSource& source, const MeshModel& model,
                         const std::vector<std::string>& nodes, std::vector<std::string>& out) {
  const auto status = source.control("/status");
  if (!status) return;
  for (const Json& node : status->value("nodes", Json::array())) {
    const std::string name = node.value("name", std::string());
    if (std::ranges::find(nodes, name) == nodes.end()) continue;
    if (node.value("acked_generation", std::uint64_t{0}) >= model.generation) continue;
    out.push_back(
        fmt::format("the ztunnel of node {} has not acknowledged this configuration", name));
  }
}

lab::Outcome<mesh::WorkloadPtr> find_source(const ExplainOptions& o, const MeshModel& model) {
  const auto slash = o.from.find('/');
  const std::string ns = slash == std::string::npos ? "default" : o.from.substr(0, slash);
  auto found = model.snapshot->workload_named(ns, o.from.substr(slash + 1));
  if (found) return found;
  std::vector<std::string> known;
  for (const auto& w : model.snapshot->workloads()) known.push_back(name_of(*w));
  std::ranges::sort(known);
  return lab::problem(fmt::format("there is no pod {}", o.from),
                      did_you_mean(o.from, known, "culvert workloads lists the pods"));
}

lab::Outcome<explain::Destination> find_target(const ExplainOptions& o, const MeshModel& model,
                                               const mesh::Workload& source) {
  const auto target = explain::parse_target(o.to);
  if (!target)
    return lab::problem(fmt::format("\"{}\" is no destination", o.to),
                        "write NS/POD:PORT, a service such as web.shop:80, or an address and port");
  auto found = explain::find_destination(*model.snapshot, source, *target, o.prefer_v6);
  if (found) return std::move(*found);
  const explain::Unresolved& why = found.error();
  if (why.port_missing)
    return lab::problem(why.text, why.candidates.empty()
                                      ? fmt::format("write {}:PORT", o.to)
                                      : fmt::format("write {}:PORT; known: {}", o.to,
                                                    fmt::join(why.candidates, ", ")));
  return lab::problem(why.text,
                      did_you_mean(target->host, why.candidates,
                                   "culvert services and culvert workloads list the names"));
}

/// The service that an edge goes to; null where another pod asks, or no service is asked.
mesh::ServicePtr service_of_edge(const MeshSource& source, const MeshModel& model,
                                 const explain::Question& q, const explain::Destination& to) {
  if (!is_edge(source, *q.source)) return nullptr;
  if (to.service) return to.service;
  return model.snapshot->service_at({q.source->network, q.destination.ip}, q.source->ns);
}

/// An edge's own process dials, and knows what it goes to; anybody else's connection is captured.
explain::Explanation predict(const MeshSource& source, const MeshModel& model,
                             const explain::Question& q, const explain::Destination& to) {
  const auto service = service_of_edge(source, model, q, to);
  if (!service) return explain::explain(q);
  const ProxyKnowledge edge(source, model, q, q.source, q.destination);
  return explain::explain_from_proxy(edge.proxy(), service, q.destination.port);
}

std::vector<explain::Step> words_of(const MeshSource& source, const MeshModel& model,
                                    const explain::Question& q, const ExplainReport& report) {
  if (!service_of_edge(source, model, q, report.destination))
    return explain::in_words(q, report.predicted);
  const ProxyKnowledge edge(source, model, q, q.source, q.destination);
  std::vector<explain::Step> out{
      {.name = "edge",
       .text = fmt::format("{} is an edge: it opens its connections itself, with its own identity",
                           name_of(*q.source)),
       .objects = {{"Pod", q.source->ns, q.source->name}}}};
  for (auto& step : explain::way_in_words(edge.proxy(), report.predicted))
    out.push_back(std::move(step));
  return out;
}

/// What becomes of an HTTP request: at an edge and behind it, or at a waypoint in the way.
std::optional<lab::Problem> add_request(const ExplainOptions& o, const MeshSource& source,
                                        const MeshModel& model, const explain::Question& q,
                                        ExplainReport& out) {
  const auto add_steps = [&](const std::vector<explain::Step>& steps) {
    out.steps.insert(out.steps.end(), steps.begin(), steps.end());
  };
  if (auto pod = edge_reached(source, out.predicted)) {
    const ProxyKnowledge edge(source, model, q, pod, out.predicted.destination);
    const auto port = out.predicted.branches.front().route.target.port;
    if (!o.asks_request()) {
      add_steps({explain::edge_in_words(edge.edge(), port)});
      return std::nullopt;
    }
    out.edge =
        explain::explain_at_edge(edge.edge(), port, asked_request(o, out.predicted.destination));
    out.edge_pod = std::move(pod);
    out.request = out.edge->request;
    add_steps(out.edge->steps);
  } else if (o.asks_request()) {
    auto answer = explain_http(o, source, model, q, out);
    if (!answer) return answer.error();
    add_steps(answer->request.steps);
    for (const auto& way : answer->ways) add_steps(way.steps);
    out.request = std::move(answer->request);
    out.ways = std::move(answer->ways);
  }
  return std::nullopt;
}

}  // namespace

lab::Outcome<ExplainReport> make_report(const ExplainOptions& o, const MeshSource& source,
                                        const MeshModel& model) {
  ExplainReport out;
  auto from = find_source(o, model);
  if (!from) return std::unexpected(from.error());
  out.source = *from;
  auto to = find_target(o, model, *out.source);
  if (!to) return std::unexpected(to.error());
  out.destination = *to;
  if (!to->note.empty()) out.notes.push_back(to->note);

  Nodes nodes(source, out.notes);
  Ztunnels ztunnels(source);
  explain::Question question{*model.snapshot,
                             out.source,
                             to->address,
                             nodes.wanted(*out.source),
                             [&](const mesh::Workload& w) { return nodes.wanted(w); },
                             ztunnels.joins(out.source->node),
                             [&](const mesh::Workload& w) { return ztunnels.bypass(w.node); }};
  out.predicted = predict(source, model, question, *to);
  out.steps = words_of(source, model, question, out);
  if (auto problem = add_request(o, source, model, question, out))
    return std::unexpected(std::move(*problem));

  std::vector<std::string> concerned{out.source->node};
  compare_captures(nodes, *out.source, out.differences);
  for (const explain::Branch& b : out.predicted.branches) {
    out.listening.emplace_back();
    if (!b.route.workload) continue;
    concerned.push_back(b.route.workload->node);
    compare_captures(nodes, *b.route.workload, out.differences);
    out.listening.back() = somebody_listens(
        source, *b.route.workload, b.route.via_waypoint ? b.route.next_hop : b.route.target);
  }
  if (const auto own = nodes.actual(*out.source)) {
    question.capture = *own;
    question.capture_of = [&](const mesh::Workload& w) {
      return nodes.actual(w).value_or(nodes.wanted(w));
    };
    out.observed = predict(source, model, question, *to);
    compare_results(out.predicted, *out.observed, out.differences);
  }
  compare_generations(source, model, concerned, out.differences);
  out.configured_at = source.configured_at();
  out.recent = recent_connections(source, *out.source, out.predicted, out.configured_at);
  for (std::string& line : contradictions(out.predicted, out.recent))
    out.differences.push_back(std::move(line));
  out.open =
      open_connections(source, *model.snapshot, *out.source, out.predicted, concerned, out.notes);
  for (std::string& line : contradictions(out.predicted, out.open, source.configured_ago()))
    out.differences.push_back(std::move(line));
  return out;
}

}  // namespace culvert::cli
