// The conditions of rules: each field, where it holds and where it nearly does.
#include "culvert/l7/match.hpp"

#include "lab.hpp"

using namespace culvert::l7;
using namespace culvert::l7::test;

namespace {

struct Row {
  const char* match;  // one element of `match`
  Ask ask;
  bool holds;
};

bool holds(const char* match, const Ask& ask) {
  auto lab = lab_with("match: [" + std::string(match) + "], " + to("v2"));
  const auto where = lab.where(ask);
  CHECK((where == "v1" || where == "v2"));
  return where == "v2";
}

void check(const std::vector<Row>& rows) {
  for (const auto& row : rows) {
    CAPTURE(row.match);
    CAPTURE(row.ask.path);
    CHECK(holds(row.match, row.ask) == row.holds);
  }
}

}  // namespace

TEST_CASE("uri: the path without its query, exactly, by prefix, by a pattern of the whole") {
  check({
      {"{uri: {exact: /a}}", {"/a"}, true},
      {"{uri: {exact: /a}}", {"/a?b=c"}, true},
      {"{uri: {exact: /a}}", {"/a#b"}, true},
      {"{uri: {exact: /a}}", {"/a/"}, false},
      {"{uri: {exact: /a}}", {"/A"}, false},
      {"{uri: {prefix: /a}}", {"/a"}, true},
      {"{uri: {prefix: /a}}", {"/ab/c"}, true},
      {"{uri: {prefix: /a}}", {"/b/a"}, false},
      {"{uri: {prefix: /a}}", {"/?/a"}, false},
      {"{uri: {prefix: /}}", {"/x"}, true},
      {"{uri: {regex: \"/a.c\"}}", {"/abc"}, true},
      {"{uri: {regex: \"/a.c\"}}", {"/abc?q"}, true},
      {"{uri: {regex: \"/a.c\"}}", {"/abcd"}, false},
      {"{uri: {regex: \".*/c\"}}", {"/b/c"}, true},
  });
}

TEST_CASE("ignoreUriCase: of exact and prefix") {
  check({
      {"{uri: {exact: /Abc}, ignoreUriCase: true}", {"/aBC"}, true},
      {"{uri: {exact: /Abc}, ignoreUriCase: true}", {"/abcd"}, false},
      {"{uri: {prefix: /Abc}, ignoreUriCase: true}", {"/ABCd"}, true},
      {"{uri: {prefix: /Abc}, ignoreUriCase: true}", {"/ab"}, false},
      {"{uri: {exact: /Abc}, ignoreUriCase: false}", {"/abc"}, false},
      {"{uri: {regex: \"(?i)/Abc\"}}", {"/aBC"}, true},
  });
}

TEST_CASE("scheme, method and authority are compared as they were sent") {
  check({
      {"{method: {exact: POST}}", {.method = "POST"}, true},
      {"{method: {exact: POST}}", {.method = "post"}, false},
      {"{method: {prefix: P}}", {.method = "PUT"}, true},
      {"{method: {regex: \"GET|HEAD\"}}", {.method = "HEAD"}, true},
      {"{method: {regex: \"GET|HEAD\"}}", {.method = "HEADS"}, false},
      {"{scheme: {exact: https}}", {.scheme = "https"}, true},
      {"{scheme: {exact: https}}", {.scheme = "http"}, false},
      {"{authority: {exact: a.example}}", {.authority = "a.example"}, true},
      {"{authority: {exact: a.example}}", {.authority = "a.example:80"}, false},
      {"{authority: {prefix: \"a.example:\"}}", {.authority = "a.example:80"}, true},
  });
}

TEST_CASE("headers: all must hold; names in any case, values as sent; {} is presence") {
  check({
      {"{headers: {x: {exact: a}}}", {.headers = {{"x", "a"}}}, true},
      {"{headers: {X: {exact: a}}}", {.headers = {{"x", "a"}}}, true},
      {"{headers: {x: {exact: a}}}", {.headers = {{"x", "A"}}}, false},
      {"{headers: {x: {exact: a}}}", {}, false},
      {"{headers: {x: {exact: \"\"}}}", {.headers = {{"x", ""}}}, true},
      {"{headers: {x: {exact: \"\"}}}", {}, false},
      {"{headers: {x: {prefix: a}}}", {.headers = {{"x", "ab"}}}, true},
      {"{headers: {x: {regex: \"a|b\"}}}", {.headers = {{"x", "b"}}}, true},
      {"{headers: {x: {regex: \"a|b\"}}}", {.headers = {{"x", "bb"}}}, false},
      {"{headers: {x: {}}}", {.headers = {{"x", ""}}}, true},
      {"{headers: {x: {}}}", {.headers = {{"y", "1"}}}, false},
      {"{headers: {x: {exact: a}, y: {exact: b}}}", {.headers = {{"x", "a"}, {"y", "b"}}}, true},
      {"{headers: {x: {exact: a}, y: {exact: b}}}", {.headers = {{"x", "a"}}}, false},
      {"{headers: {x: {exact: \"a,b\"}}}", {.headers = {{"x", "a"}, {"x", "b"}}}, false},
      {"{headers: {x: {exact: \"a,b\"}}}", {.headers = {{"x", "a,b"}}}, true},
      {"{headers: {x: {exact: a}}}", {.headers = {{"x", "a"}, {"x", "b"}}}, true},
      {"{headers: {x: {exact: b}}}", {.headers = {{"x", "a"}, {"x", "b"}}}, true},
      {"{headers: {x: {exact: c}}}", {.headers = {{"x", "a"}, {"x", "b"}}}, false},
      {"{headers: {\":method\": {exact: PUT}}}", {.method = "PUT"}, true},
      {"{headers: {host: {exact: a.example}}}", {.authority = "a.example"}, true},
  });
}

TEST_CASE("withoutHeaders: none may hold; one that is not there counts as empty") {
  check({
      {"{withoutHeaders: {x: {exact: a}}}", {.headers = {{"x", "a"}}}, false},
      {"{withoutHeaders: {x: {exact: a}}}", {.headers = {{"x", "b"}}}, true},
      {"{withoutHeaders: {x: {exact: a}}}", {}, true},
      {"{withoutHeaders: {x: {exact: b}}}", {.headers = {{"x", "a"}, {"x", "b"}}}, false},
      {"{withoutHeaders: {x: {}}}", {.headers = {{"x", ""}}}, false},
      {"{withoutHeaders: {x: {}}}", {}, true},
      {"{withoutHeaders: {x: {prefix: a}}}", {.headers = {{"x", "ab"}}}, false},
      {"{withoutHeaders: {x: {regex: \".*\"}}}", {}, false},
      {"{withoutHeaders: {x: {regex: \".+\"}}}", {}, true},
      {"{withoutHeaders: {x: {exact: a}, y: {exact: b}}}", {.headers = {{"y", "b"}}}, false},
  });
}

TEST_CASE("queryParams: the first value, as sent; {} is presence") {
  check({
      {"{queryParams: {k: {exact: v}}}", {"/?k=v"}, true},
      {"{queryParams: {k: {exact: v}}}", {"/?j=1&k=v&l"}, true},
      {"{queryParams: {k: {exact: v}}}", {"/?k=w&k=v"}, false},
      {"{queryParams: {k: {exact: v}}}", {"/?kk=v"}, false},
      {"{queryParams: {k: {exact: v}}}", {"/?K=v"}, false},
      {"{queryParams: {k: {exact: \"\"}}}", {"/?k"}, true},
      {"{queryParams: {k: {exact: \"\"}}}", {"/?k=1"}, false},
      {"{queryParams: {k: {prefix: ab}}}", {"/?k=abc"}, true},
      {"{queryParams: {k: {regex: \"\\\\d+$\"}}}", {"/?k=123"}, true},
      {"{queryParams: {k: {regex: \"\\\\d+$\"}}}", {"/?k=a123"}, false},
      {"{queryParams: {k: {}}}", {"/?k=anything"}, true},
      {"{queryParams: {k: {}}}", {"/"}, false},
      {"{queryParams: {k: {exact: \"a b\"}}}", {"/?k=a%20b"}, false},
      {"{queryParams: {a: {exact: x}, b: {exact: y}}}", {"/?a=x&b=y"}, true},
      {"{queryParams: {a: {exact: x}, b: {exact: y}}}", {"/?a=x"}, false},
  });
}

TEST_CASE("port, and who the client is") {
  check({
      {"{port: 9090}", {.port = 9090}, true},
      {"{port: 9090}", {.port = 80}, false},
      {"{sourceNamespace: shop}", {.ns = "shop"}, true},
      {"{sourceNamespace: shop}", {.ns = "web"}, false},
      {"{sourceNamespace: shop}", {.ns = ""}, false},
      {"{sourceLabels: {app: web}}", {.labels = {{"app", "web"}, {"v", "1"}}}, true},
      {"{sourceLabels: {app: web}}", {.labels = {{"app", "api"}}}, false},
      {"{sourceLabels: {app: web, v: \"1\"}}", {.labels = {{"app", "web"}}}, false},
      {"{sourceLabels: {app: web}}", {}, false},
      {"{gateways: [mesh]}", {}, true},
      {"{gateways: [edge]}", {}, false},
      {"{name: a, statPrefix: b}", {}, true},
  });
}

TEST_CASE(
    "a list of matches is or, fields within one are and, and the first rule that holds wins") {
  auto lab =
      Lab(subsets() +
          object("VirtualService", "reviews",
                 "{hosts: [reviews], http: [{match: [{uri: {prefix: /a}, method: {exact: GET}}, "
                 "{headers: {x: {exact: \"1\"}}}], " +
                     to("v2") + "}, {match: [{uri: {prefix: /a}}], " + to("v3") + "}, {" +
                     to("v1") + "}]}"));
  CHECK(lab.where({"/a"}) == "v2");
  CHECK(lab.where({.path = "/a", .method = "POST"}) == "v3");
  CHECK(lab.where({.path = "/b", .headers = {{"x", "1"}}, .method = "POST"}) == "v2");
  CHECK(lab.where({"/b"}) == "v1");
}

TEST_CASE("steering by cookie") {
  auto lab = lab_with("match: [{headers: {cookie: {regex: \"^(.*?;)?(user=jason)(;.*)?$\"}}}], " +
                      to("v2"));
  const auto with = [&](const std::string& cookie) {
    return lab.where({.headers = {{"cookie", cookie}}});
  };
  CHECK(with("user=jason") == "v2");
  CHECK(with("a=b;user=jason;c=d") == "v2");
  CHECK(with("user=jasonx") == "v1");
  CHECK(with("xuser=jason") == "v1");
  CHECK(with("USER=jason") == "v1");
  CHECK(lab.where({}) == "v1");
  CHECK(with("a=b; user=jason") == "v1");  // the pattern takes no blank
  // Crumbs of HTTP/2 are one cookie.
  CHECK(lab.where({.headers = {{"cookie", "user=jason;"}, {"cookie", "a=b"}}}) == "v2");
  CHECK(lab.where({.headers = {{"cookie", "a=b"}, {"cookie", "user=jason"}}}) == "v1");
}

TEST_CASE("rules by header are found in their order, more names than are looked up too") {
  std::string rules;
  for (int i = 0; i < 8; ++i) {
    const auto name = "h" + std::to_string(i);
    rules += "{name: " + name + ", match: [{headers: {" + name +
             ": {exact: \"1\"}}}, {name: both, headers: {" + name +
             ": {exact: \"2\"}, x: {exact: a}}}], " + to("v2") + "}, ";
  }
  auto lab = Lab(subsets() + object("VirtualService", "reviews",
                                    "{hosts: [reviews], http: [" + rules + "{" + to("v1") + "}]}"));
  for (int i = 0; i < 8; ++i) {
    const auto name = "h" + std::to_string(i);
    CAPTURE(name);
    CHECK(lab.choose({.headers = {{name, "1"}}}).route_name == name);
    CHECK(lab.choose({.headers = {{"x", "a"}, {name, "2"}}}).route_name == name + ".both");
    CHECK(lab.where({.headers = {{name, "2"}}}) == "v1");
    CHECK(lab.choose({.headers = {{name, "1"}, {name, "9"}}}).route_name == name);
    CHECK(lab.where({.headers = {{name, "8"}, {name, "9"}}}) == "v1");
    // The older of two that hold.
    if (i != 3) {
      CHECK(lab.choose({.headers = {{name, "1"}, {"h3", "1"}}}).route_name ==
            "h" + std::to_string(std::min(i, 3)));
    }
  }
}
