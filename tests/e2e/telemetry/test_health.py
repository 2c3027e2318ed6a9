"""TCP health by edge: on a link that is made slow, and lossy, its edge reports it, and no other does."""
import pytest
from lab import wait_until
from scrape import CLIENT, FAR, NEAR, connections, metrics, tally, total

EDGE = {"source_workload": "client", "destination_workload": "far"}
LOSS = ["INPUT", "-p", "tcp", "--sport", "15008", "-m", "statistic", "--mode", "random", "--probability", "0.2", "-j", "DROP"]


@pytest.fixture
def slow(lab):
    """What leaves far's pod waits in a queue: at 1 Mbit/s, for 0.3 s at most."""
    rule = ["dev", "eth0", "root", "tbf", "rate", "1mbit", "burst", "4kb", "latency", "300ms"]
    lab.exec(FAR, "tc", "qdisc", "add", *rule, check=True)
    yield lab
    lab.exec(FAR, "tc", "qdisc", "del", *rule)


@pytest.fixture
def lossy(lab):
    """A fifth of what far's tunnels send to the client is lost; where it arrives, since what OUTPUT drops was never
    sent to TCP."""
    lab.exec(CLIENT, "iptables", "-A", *LOSS, check=True)
    yield lab
    lab.exec(CLIENT, "iptables", "-D", *LOSS)


def health(lab, node, reporter, **edge):
    """{"rtt_sum": S, "rtt_count": N, "segments": N, "retransmits": N} of an edge."""
    families, edge = metrics(lab, node), {"reporter": reporter, **edge}
    values = {"segments": total(families, "culvert_tcp_segments_sent", **edge),
              "retransmits": total(families, "culvert_tcp_retransmits", **edge), "rtt_sum": 0.0, "rtt_count": 0.0}
    for sample in families["culvert_tcp_rtt_seconds"].samples:
        if edge.items() <= sample.labels.items():
            values["rtt_" + sample.name.rsplit("_", 1)[1]] += sample.value
    return values


def mean_rtt(before, after):
    return (after["rtt_sum"] - before["rtt_sum"]) / (after["rtt_count"] - before["rtt_count"])


@pytest.mark.parametrize("node,reporter", [("node/east", "source"), ("node/west", "destination")])
def test_both_ends_of_a_tunnel_report_what_they_sent_and_how_long_it_took(lab, node, reporter):
    before = health(lab, node, reporter, **EDGE)
    tally(lab, lab.ips(FAR)[0], 7001, 20, 10)
    after = wait_until(lambda: (now := health(lab, node, reporter, **EDGE))["rtt_count"] >= before["rtt_count"] + 20
                       and now, "a round trip a connection")
    assert after["segments"] >= before["segments"] + 20
    assert 0 < mean_rtt(before, after) < 10


def test_a_slow_link_is_seen_in_the_round_trips_of_its_edge(slow):
    ip = slow.ips(FAR)[0]
    call = slow.popen(CLIENT, "nc", ip, "7004", stdin=-1)
    try:
        call.stdin.write("hello\n")
        call.stdin.flush()
        before = health(slow, "node/west", "destination", **EDGE)
        tally(slow, ip, 7005, 5, 10)
        after = health(slow, "node/west", "destination", **EDGE)
        assert mean_rtt(before, after) > 0.005
        one, = connections(slow, "node/west", path="inbound-tunnel", bytes_sent=6)
        assert one["tcp"]["network"]["srtt_us"] > 5_000
        assert one["tcp"]["application"]["rtt_us"] < one["tcp"]["network"]["srtt_us"]
    finally:
        call.kill()
        call.wait()


def test_segments_that_are_lost_are_counted_by_who_sends_them_again(lossy):
    before = health(lossy, "node/west", "destination", **EDGE)["retransmits"]

    def sent_again():
        tally(lossy, lossy.ips(FAR)[0], 7001, 10, 10)
        return health(lossy, "node/west", "destination", **EDGE)["retransmits"] > before
    wait_until(sent_again, "a retransmit", timeout=60)


def test_a_connection_inside_a_node_has_no_health_of_a_network(lab):
    tally(lab, lab.ips(NEAR)[0], 7001, 5, 10)
    inside = {"source_workload": "client", "destination_workload": "near"}
    assert health(lab, "node/east", "source", **inside)["segments"] == 0
