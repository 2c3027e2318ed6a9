"""docs/telemetry.md names every metric, label, log key, flag and admin path of ztunnel, and no other; of a
waypoint the metrics, labels, log keys and flags of requests."""
import re

import tree

PAGE = "docs/telemetry.md"
METRICS_CODE = ("lib/telemetry/", "lib/proxy/", "ztunnel/")


def section(title):
    """The text of the page below a heading, up to the next of the same or a higher level."""
    page = tree.text(PAGE)
    match = re.search(rf"^(#+) {re.escape(title)}$", page, re.M)
    assert match, title
    rest = page[match.end():]
    end = re.search(rf"^#{{1,{len(match.group(1))}}} ", rest, re.M)
    return rest[:end.start()] if end else rest


def first_cells(text):
    """The names in backticks in the first cell of each row of the tables in `text`."""
    rows = re.findall(r"^\| (`[^|]*`) \|", text, re.M)
    return [name for row in rows for name in re.findall(r"`([^`]+)`", row)]


REQUESTS = ("lib/telemetry/request_", "lib/telemetry/exchange_")  # the waypoint's part


def sources(*folders):
    return "".join(tree.text(f) for f in tree.with_suffix(".cpp", ".hpp")
                   if f.startswith(folders) and not f.startswith(REQUESTS))


def test_the_page_has_each_metric_and_its_type():
    code = sources(*METRICS_CODE)
    named = re.findall(r'"((?:istio|workload_manager|process|culvert)_[a-z0-9_]+)"', code)
    assert sorted(set(named)) == sorted(first_cells(section("Metrics").split("### ")[0]))
    for name, kind in re.findall(r"^\| `(\w+)` \| (\w+) \|", section("Metrics"), re.M):
        assert (kind == "counter") == name.endswith("_total"), name


def test_the_page_has_each_label_in_its_order():
    table = tree.text("lib/telemetry/traffic_labels.cpp")
    table = table[table.index("kLabels{{"):table.index("}};")]
    labels = re.findall(r'\{"([a-z_]+)",', table)
    assert len(labels) == 27
    assert first_cells(section("Traffic labels")) == labels


def test_the_page_has_each_key_of_the_access_log():
    code = tree.text("lib/telemetry/access_log.cpp")
    code = code[code.index("void write_fields"):code.index("const char* level_name")]
    keys = set(re.findall(r'(?:plain|quoted|number)\(\s*"([a-z._]+)"', code))
    keys |= set(re.findall(r'known\(writer, "([a-z._]+)"', code))
    assert keys == set(first_cells(section("The access log").split("JSON has")[0]))


def test_the_page_and_the_index_have_each_path():
    code = sources("ztunnel/admin/")
    routes = set(re.findall(r'\{"(GET|POST)", "(/[\w/]*)"', code))
    admin = routes - {("GET", "/metrics"), ("GET", "/stats/prometheus"), ("GET", "/healthz/ready")}
    page = {tuple(name.split(" ")) for name in first_cells(section("Administration"))}
    assert page == admin
    index = set(re.findall(r'"(GET|POST) +(/\w[\w/]*) ', code))
    assert index == admin - {("GET", "/")}


def test_the_page_has_each_telemetry_flag():
    flags = re.findall(r'"(--(?:access|metrics)-[a-z-]+)"', tree.text("ztunnel/main.cpp"))
    page = tree.text(PAGE)
    wrong = [flag for flag in flags if flag != "--metrics-addr" and f"`{flag}" not in page]
    assert flags and not wrong, wrong


def test_the_page_has_each_reason():
    reasons = re.findall(r'^    "([A-Z0-9_-]+)",$', tree.text("lib/telemetry/connection_record.cpp"), re.M)
    row = next(line for line in tree.text(PAGE).splitlines() if line.startswith("| `response_flags`"))
    assert len(reasons) == 12
    assert set(re.findall(r"`([A-Z0-9_-]+)`", row)) == set(reasons)


def test_the_page_has_each_metric_of_requests():
    code = tree.text("lib/telemetry/request_metrics.cpp") + tree.text("lib/telemetry/request_routes.cpp")
    named = re.findall(r'"((?:istio|culvert)_[a-z0-9_]+)"', code)
    assert sorted(named) == sorted(first_cells(section("Request metrics").split("### ")[0]))


def test_the_page_has_each_label_of_requests_in_its_order():
    code = tree.text("lib/telemetry/request_labels.cpp")
    labels = re.findall(r'Label\{\s*"([a-z_]+)",', code)
    answer = re.search(r"kOfTheAnswer\{([^}]*)\}", code).group(1)
    assert first_cells(section("Request labels")) == labels + re.findall(r'"([a-z_]+)"', answer)


def test_the_page_has_each_key_of_the_log_of_requests():
    code = tree.text("lib/telemetry/exchange_log.cpp")
    code = code[code.index("void put_request"):]
    of_tap = {"event", "id", "attempt_list", "duration_ms", "end"}  # and of an attempt
    keys = set(re.findall(r'out\.(?:text|known|number|raw)\(\s*"([a-z_]+)"', code)) - of_tap
    assert keys == set(first_cells(section("The log of requests")))


def test_the_page_has_each_response_flag_that_a_request_can_get():
    table = tree.text("lib/telemetry/exchange_end.cpp")
    header = tree.text("include/culvert/telemetry/exchange_end.hpp")

    def names(enum):
        body = header[header.index(f"enum class {enum}"):]
        return re.findall(r"^  (k\w+),", body[:body.index("};")], re.M)

    flags = re.findall(r'"([A-Z]+)"', table[table.index("kFlags{"):table.index("};")])
    of_name = dict(zip(names("ExchangeFlag"), flags, strict=True))
    rows = re.findall(r'^    \{"[a-z-]+", (?:bit\(Flag::(k\w+)\)|kNoFlag),', table, re.M)
    of_end = dict(zip(names("ExchangeEnd"), rows, strict=True))
    code = sources("waypoint/") + table[table.index("ExchangeEnd end_of("):]
    given = {of_end[end] for end in re.findall(r"ExchangeEnd::(k\w+)", code)} - {""}
    given |= set(re.findall(r"ExchangeFlag::(k\w+)", code))
    assert first_cells(section("Response flags")) == [of_name[one] for one in of_name if one in given]
