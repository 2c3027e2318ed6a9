"""What the node tells of a connection: access log and metrics on both sides, readiness."""
import json
import re

import pytest
from lab import wait_until
from town import CLIENT, ip_of, talk

SENT, RECEIVED = 12_345, 14  # RECEIVED: what port 7001 answers, "after your end"
SPIFFE = "spiffe://cluster.local/ns/town/sa/"
NODES = {"town/near": ("node/east", "node/east"), "town/far": ("node/east", "node/west")}


def access_lines(lab, node, source, direction, after):
    """Of one connection; `after` lines of the log, as ports are used again."""
    lines = lab.logs(node, "ztunnel").splitlines()[after:]
    lines = [json.loads(line) for line in lines if '"scope":"access"' in line]
    return [line for line in lines if line["src.addr"] == source and line["direction"] == direction]


def address_text(address):
    ip, port = address
    return f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}"


def milliseconds(text):
    return int(re.fullmatch(r"(\d+)ms", text).group(1))


def test_both_sides_log_identities_bytes_and_duration(way, family):
    lab, server = way
    logged = {node: len(lab.logs(node, "ztunnel").splitlines()) for node in NODES[server]}
    answer = talk(lab, ip_of(lab, server, family), 7001, f"fill:{SENT},sleep:0.2,fin,eof")
    source = address_text(answer["getsockname"])
    for node, direction in zip(NODES[server], ("outbound", "inbound")):
        line, = wait_until(lambda: access_lines(lab, node, source, direction, logged[node]), f"{direction} of {source}")
        assert line["src.identity"] == SPIFFE + "client"
        assert line["dst.identity"] == SPIFFE + server.split("/")[1]
        assert (line["bytes_sent"], line["bytes_recv"]) == (SENT, RECEIVED)
        assert 150 <= milliseconds(line["duration"]) < 20_000
        assert "error" not in line


METRICS = {"opened": "istio_tcp_connections_opened_total", "closed": "istio_tcp_connections_closed_total",
           "received": "istio_tcp_received_bytes_total", "sent": "istio_tcp_sent_bytes_total"}


def counted(lab, node, reporter, server):
    """The four TCP metrics of client -> server, as a scraper in the node's namespace reads them."""
    text = lab.exec(node, "curl", "-sS", "--max-time", "60", "http://127.0.0.1:15020/metrics", check=True).stdout
    out = {}
    for short, name in METRICS.items():
        wanted = (f'reporter="{reporter}"', f'source_principal="{SPIFFE}client"',
                  f'destination_principal="{SPIFFE}{server.split("/")[1]}"', 'response_flags="-"',
                  'connection_security_policy="mutual_tls"')
        lines = [line for line in text.splitlines() if line.startswith(name + "{")]
        out[short] = sum(int(line.rsplit(" ", 1)[1]) for line in lines if all(w in line for w in wanted))
    return out


@pytest.mark.parametrize("server", ["town/near", "town/far"])
def test_the_metrics_count_what_was_opened_closed_and_sent(joined, server):
    sides = list(zip(NODES[server], ("source", "destination")))
    before = [counted(joined, *side, server) for side in sides]
    for _ in range(3):
        talk(joined, ip_of(joined, server, 4), 7001, f"fill:{SENT},fin,eof")
    wanted = {"opened": 3, "closed": 3, "received": 3 * SENT, "sent": 3 * RECEIVED}
    for side, old in zip(sides, before):
        def grown():
            now = counted(joined, *side, server)
            return {name: now[name] - old[name] for name in METRICS}
        wait_until(lambda: grown() == wanted, f"{wanted} at {side}, not {grown()}")


def test_an_open_connection_is_counted_as_opened_and_not_yet_as_closed(joined):
    before = counted(joined, "node/west", "destination", "town/far")
    call = joined.popen(CLIENT, "nc", ip_of(joined, "town/far", 4), "2525", stdin=-1)
    assert call.stdout.readline().startswith("220 ")
    now = counted(joined, "node/west", "destination", "town/far")
    call.kill()
    call.wait()
    assert (now["opened"], now["closed"]) == (before["opened"] + 1, before["closed"])


@pytest.mark.parametrize("node", ["node/east", "node/west"])
def test_each_node_tells_that_it_is_ready(joined, node):
    done = joined.exec(node, "curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}",
                       "http://127.0.0.1:15021/healthz/ready")
    assert done.stdout == "200"
    assert joined.exec(CLIENT, "curl", "-sS", "--max-time", "2", "http://127.0.0.1:15021/").returncode != 0


