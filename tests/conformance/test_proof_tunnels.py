"""What a DestinationRule says of TCP is done to the tunnels that a real waypoint opens."""
import re
import time

from proof_lab import WAYPOINT, ask, pods, rule, to
from waypoint_lab import wait_until

ASKED_S = 50


def keep_alives(shop):
    """Seconds until each keep-alive that the waypoint's tunnels wait for."""
    done = shop.exec(WAYPOINT, "ss", "-tnoH", "state", "established", "dport", "=", ":15008", check=True)
    assert ":15008" in done.stdout
    return [int(seconds) for seconds in re.findall(r"keepalive,(\d+)sec", done.stdout)]


def test_a_rules_keep_alive_is_the_tunnels(shop, family):
    shop.apply(rule([to("v3")]))
    assert pods(ask(shop, family)) == ["v3-1"]
    before = keep_alives(shop)
    shop.apply(rule([to("v3")], connectionPool={"tcp": {"tcpKeepalive": {"time": f"{ASKED_S}s", "interval": "5s", "probes": 4}},
                                                "http": {"maxRequestsPerConnection": 1}}))
    began = time.monotonic()

    def seen():
        pods(ask(shop, family))
        since = int(time.monotonic() - began)
        return any(ASKED_S - since - 1 <= one <= ASKED_S for one in keep_alives(shop))

    wait_until(seen, f"a keep-alive of {ASKED_S} s (before: {before})", 30)
