"""Maps that fill up are told of before they are full."""
import subprocess
import urllib.error
import urllib.request

from prometheus_client.parser import text_string_to_metric_families

from lab import free_port, wait_until
from node import Ztunnel

SLOTS = 10


def entry(node, word, number):
    """Adds or removes a key of cv_origin that no connection has (48-byte keys, 24-byte values)."""
    key = [str(number + 1)] + ["0"] * 47
    value = ["value", *["0"] * 24] if word == "update" else []
    subprocess.run(["/usr/sbin/bpftool", "map", word, "pinned", f"{node.pins}/cv_origin", "key", *key, *value],
                   check=True, capture_output=True)


def full_maps(node):
    return node.call("GET", "/healthz/ready")[1]["full_maps"]


def test_a_map_at_eighty_percent_is_told_in_the_log_and_in_the_status(node):
    node.command += ["--max-handshakes", str(SLOTS)]
    node.start()
    assert full_maps(node) == []
    for number in range(8):
        entry(node, "update", number)
    wait_until(lambda: full_maps(node) == ["cv_origin"], "the alarm")
    assert f"cv_origin holds 8 of {SLOTS} entries" in node.log()
    for number in range(8):
        entry(node, "delete", number)
    wait_until(lambda: full_maps(node) == [], "the end of the alarm")
    assert f"cv_origin holds 0 of {SLOTS} entries again" in node.log()


def scrape(port):
    """{(name, value of its label or ""): value} of the agent's own metrics at its port; {} before it listens."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60) as page:
            families = text_string_to_metric_families(page.read().decode())
    except urllib.error.URLError:
        return {}
    return {(one.name, next(iter(one.labels.values()), "")): one.value for family in families for one in family.samples}


def test_prometheus_sees_the_maps_the_pods_and_the_alarm(node):
    port = free_port()
    node.command += ["--max-handshakes", str(SLOTS), "--metrics-port", str(port)]
    node.start()
    wait_until(lambda: ("culvert_agent_map_entries", "cv_pod") in scrape(port), "the first look")
    before = scrape(port)
    assert before[("culvert_agent_map_capacity", "cv_pod")] == 1024
    assert before[("culvert_agent_map_capacity", "cv_origin")] == SLOTS
    assert before[("culvert_agent_map_alarm", "cv_origin")] == 0
    assert before[("culvert_agent_pods", "captured")] == before[("culvert_agent_ztunnel_connected", "")] == 0
    assert before[("process_resident_memory_bytes", "")] > 0
    node.enroll(node.pod("u1"))
    for number in range(8):
        entry(node, "update", number)
    ztunnel = Ztunnel(node.zds)
    ztunnel.snapshot()
    wait_until(lambda: scrape(port).get(("culvert_agent_map_alarm", "cv_origin")) == 1, "the alarm")
    after = scrape(port)
    assert after[("culvert_agent_map_entries", "cv_origin")] == 8 and after[("culvert_agent_map_entries", "cv_pod")] == 1
    assert after[("culvert_agent_pods", "captured")] == after[("culvert_agent_ztunnel_connected", "")] == 1
    ztunnel.close()
