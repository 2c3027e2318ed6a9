// Random rules and requests: the compiled table chooses as a slow, plain
// reading of the messages does.
#include <algorithm>
#include <functional>

#include "lab.hpp"
#include "virtual_service.pb.h"

using namespace culvert::l7;
using namespace culvert::l7::test;
namespace v1 = istio::networking::v1alpha3;

namespace {

/// A pattern, and what it means, written by hand.
struct Pattern {
  const char* text;
  bool (*holds)(const std::string&);
};
const Pattern kPatterns[] = {
    {".*", [](const std::string&) { return true; }},
    {"/a.*", [](const std::string& s) { return s.starts_with("/a"); }},
    {"/a|/b", [](const std::string& s) { return s == "/a" || s == "/b"; }},
    {"/[ab]c", [](const std::string& s) { return s == "/ac" || s == "/bc"; }},
    {"x+",
     [](const std::string& s) {
       return !s.empty() && s.find_first_not_of('x') == std::string::npos;
     }},
    {".*c", [](const std::string& s) { return s.ends_with("c"); }},
};

std::string lower(std::string text) {
  for (auto& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

// ---- the plain reading

bool holds(const v1::StringMatch& match, const std::string& text, bool fold = false) {
  const auto value = fold && !match.has_regex() ? lower(text) : text;
  if (match.has_exact()) return value == (fold ? lower(match.exact()) : match.exact());
  if (match.has_prefix()) return value.starts_with(fold ? lower(match.prefix()) : match.prefix());
  if (match.has_regex()) {
    return std::ranges::find(kPatterns, match.regex(),
                             [](const Pattern& p) { return std::string(p.text); })
        ->holds(text);
  }
  return true;
}

std::optional<std::string> header(const Ask& ask, const std::string& name) {
  std::optional<std::string> all;
  for (const auto& [own, value] : ask.headers) {
    if (own == name) all = all ? *all + "," + value : value;
  }
  return all;
}

std::optional<std::string> param(const Ask& ask, const std::string& name) {
  const auto question = ask.path.find('?');
  if (question == std::string::npos) return std::nullopt;
  std::string query = ask.path.substr(question + 1) + "&";
  while (!query.empty()) {
    const auto one = query.substr(0, query.find('&'));
    query.erase(0, one.size() + 1);
    if (one == name) return "";
    if (one.starts_with(name + "=")) return one.substr(name.size() + 1);
  }
  return std::nullopt;
}

bool holds(const v1::HTTPMatchRequest& match, const Ask& ask) {
  if (match.has_uri() &&
      !holds(match.uri(), ask.path.substr(0, ask.path.find('?')), match.ignore_uri_case())) {
    return false;
  }
  if (match.has_method() && !holds(match.method(), ask.method)) return false;
  if (match.port() != 0 && match.port() != ask.port) return false;
  if (!match.source_namespace().empty() && match.source_namespace() != ask.ns) return false;
  for (const auto& [key, value] : match.source_labels()) {
    if (!ask.labels.contains(key) || ask.labels.at(key) != value) return false;
  }
  for (const auto& [name, wanted] : match.headers()) {
    const auto value = header(ask, name);
    if (!value || !holds(wanted, *value)) return false;
  }
  for (const auto& [name, wanted] : match.without_headers()) {
    const auto value = header(ask, name);
    if (wanted.match_type_case() == 0 ? value.has_value() : holds(wanted, value.value_or("")))
      return false;
  }
  for (const auto& [name, wanted] : match.query_params()) {
    const auto value = param(ask, name);
    if (!value || !holds(wanted, *value)) return false;
  }
  return true;
}

bool takes_any_request(const v1::HTTPMatchRequest& match) {
  const bool uri = !match.has_uri() || match.uri().prefix() == "/" || match.uri().regex() == ".*";
  return uri && !match.has_method() && match.headers().empty() && match.without_headers().empty() &&
         match.query_params().empty();
}

/// The name of the first rule, in the order in which they are asked.
std::string plainly(const std::vector<std::shared_ptr<v1::VirtualService>>& all, const Ask& ask) {
  for (const bool last : {false, true}) {
    for (const auto& spec : all) {
      for (const auto& rule : spec->http()) {
        if (rule.match().empty() && (all.size() == 1 || last)) return rule.name();
        for (const auto& match : rule.match()) {
          const bool now = all.size() == 1 || takes_any_request(match) == last;
          if (now && holds(match, ask)) return rule.name() + "." + match.name();
        }
      }
    }
    if (all.size() == 1) break;
  }
  return "";
}

// ---- chance

class Chance {
 public:
  explicit Chance(std::uint64_t seed) : random_(seed) {}
  std::uint32_t below(std::uint32_t n) { return random_.below(n); }
  bool one_in(std::uint32_t n) { return below(n) == 0; }
  std::string of(std::initializer_list<const char*> all) {
    return all.begin()[below(static_cast<std::uint32_t>(all.size()))];
  }

  std::string path() {
    return of({"/", "/a", "/ab", "/ac", "/b", "/bc", "/A", "/aB/c", "/a/b/c", "x", "/abc"});
  }
  void text(v1::StringMatch& match, std::string value) {
    switch (below(8)) {
      case 0:
        match.set_regex(kPatterns[below(std::size(kPatterns))].text);
        break;
      case 1:
      case 2:
        match.set_prefix(value);
        break;
      case 3:
        break;  // presence
      default:
        match.set_exact(value);
    }
  }
  void match(v1::HTTPMatchRequest& out) {
    if (!one_in(4)) {
      do text(*out.mutable_uri(), path());
      while (out.uri().match_type_case() == 0);
      out.set_ignore_uri_case(one_in(3));
    }
    if (one_in(5)) out.mutable_method()->set_exact(of({"GET", "POST"}));
    if (one_in(6)) out.set_port(one_in(2) ? 80 : 9090);
    if (one_in(8)) out.set_source_namespace(of({"shop", "web"}));
    if (one_in(8)) (*out.mutable_source_labels())[of({"app", "v"})] = of({"x", "y"});
    if (one_in(4)) text((*out.mutable_headers())[of({"h", "i"})], of({"x", "xx", "y"}));
    if (one_in(6)) text((*out.mutable_without_headers())[of({"h", "i"})], of({"x", "xx", "y"}));
    if (one_in(6)) text((*out.mutable_query_params())[of({"p", "q"})], of({"x", "", "y"}));
  }
  std::shared_ptr<v1::VirtualService> virtual_service(const std::string& name) {
    auto spec = std::make_shared<v1::VirtualService>();
    spec->add_hosts("reviews");
    const auto rules = 1 + below(12);
    for (std::uint32_t i = 0; i < rules; ++i) {
      auto& rule = *spec->add_http();
      rule.set_name(name + std::to_string(i));
      rule.add_route()->mutable_destination()->set_host("reviews");
      if (one_in(12)) continue;
      const auto matches = 1 + below(3);
      for (std::uint32_t j = 0; j < matches; ++j) {
        rule.add_match()->set_name("m" + std::to_string(j));
        match(*rule.mutable_match(static_cast<int>(j)));
      }
    }
    return spec;
  }
  Ask ask() {
    Ask one{.path = path(), .method = of({"GET", "POST"}), .ns = of({"shop", "web", ""})};
    if (one_in(3)) one.path += of({"?p=x", "?q", "?p=y&q=x", "?x"});
    for (std::uint32_t n = below(4); n > 0; --n) {
      one.headers.emplace_back(of({"h", "i"}), of({"x", "xx", "y", ""}));
    }
    if (one_in(2)) one.labels[of({"app", "v"})] = of({"x", "y"});
    if (one_in(3)) one.port = 9090;
    return one;
  }

 private:
  Random random_;
};

}  // namespace

TEST_CASE("the compiled table chooses what a plain reading of the rules does") {
  int matched = 0;
  int none = 0;
  for (std::uint64_t seed = 1; seed <= 400; ++seed) {
    CAPTURE(seed);
    Chance chance(seed);
    auto lab = Lab("");
    std::vector<std::shared_ptr<v1::VirtualService>> all;
    const auto objects = 1 + chance.below(3);
    for (std::uint32_t i = 0; i < objects; ++i) {
      const std::string name(1, static_cast<char>('a' + i));
      all.push_back(chance.virtual_service(name));
      lab.compiler.put(VirtualServiceObject{"shop", name, i, all.back()});
    }
    lab.table = lab.compiler.compile();
    for (int i = 0; i < 60; ++i) {
      const auto ask = chance.ask();
      CAPTURE(ask.path);
      const auto expected = plainly(all, ask);
      Explanation told;
      const auto decision = lab.choose(ask);
      const auto explained = lab.choose(ask, &told);
      REQUIRE(decision.route_name == expected);
      REQUIRE(explained.route_name == expected);
      REQUIRE((decision.kind == Decision::Kind::kNoRoute) == expected.empty());
      ++(expected.empty() ? none : matched);
    }
  }
  // Both kinds of outcome were met often.
  CHECK(matched > 5000);
  CHECK(none > 1000);
}
