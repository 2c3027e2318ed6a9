"""The page of metrics, read by Prometheus's own Python parser, in both formats."""
import json

import pytest
from lab import wait_until
from scrape import CLIENT, FAR, counted, metrics, tally, total
from scrape import access_lines, admin

OPENMETRICS = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize("accept", [None, OPENMETRICS], ids=["text", "openmetrics"])
def test_the_page_is_valid_in_both_formats_and_packed(lab, accept, packed):
    tally(lab, lab.ips(FAR)[0], 7001, 1, 10)
    families = metrics(lab, "node/east", accept, packed)
    kinds = {"istio_tcp_connections_opened": "counter", "istio_tcp_sockets_open": "gauge", "istio_build": "gauge",
             "istio_xds_message": "counter", "istio_xds_message_bytes": "counter",
             "istio_xds_connection_terminations": "counter", "workload_manager_active_proxy_count": "gauge",
             "workload_manager_proxies_started": "counter", "process_open_fds": "gauge",
             "process_cpu_seconds": "counter", "culvert_tcp_rtt_seconds": "summary"}
    assert {name: families[name].type for name in kinds} == kinds
    assert total(families, "istio_build", component="ztunnel") == 1
    assert total(families, "workload_manager_active_proxy_count") == 2
    assert total(families, "workload_manager_pending_proxy_count") == 0
    assert total(families, "istio_xds_message", url="type.googleapis.com/istio.workload.Address") >= 1
    assert total(families, "process_open_fds") < total(families, "process_max_fds")


def test_region_and_zone_are_those_of_the_nodes(lab):
    tally(lab, lab.ips(FAR)[0], 7001, 1, 10)
    families = metrics(lab, "node/east")
    assert total(families, "istio_tcp_connections_opened", source_region="eu", source_zone="eu-1",
                 destination_region="eu", destination_zone="eu-2", destination_workload="far") >= 1


def test_open_sockets_and_connections_are_those_that_are_open(lab):
    def read():
        families = metrics(lab, "node/east")
        return (total(families, "istio_tcp_sockets_open", reporter="source"),
                total(families, "culvert_connections_open"))
    before = read()
    call = lab.popen(CLIENT, "nc", lab.ips(FAR)[0], "7004", stdin=-1)
    try:
        wait_until(lambda: read() == (before[0] + 1, before[1] + 1), f"one more than {before}")
    finally:
        call.kill()
        call.wait()
    wait_until(lambda: read() == before, f"as before: {before}")


def test_labels_that_are_off_are_missing_and_idle_label_sets_go(sparse):
    tally(sparse, sparse.ips(FAR)[0], 7001, 3, 10)
    opened = metrics(sparse, "node/east")["istio_tcp_connections_opened"].samples
    assert opened and not any({"source_principal", "destination_version", "response_flags"} & set(one.labels)
                              for one in opened)
    assert counted(sparse, "node/east", reporter="source")["opened"] == 3
    wait_until(lambda: counted(sparse, "node/east")["opened"] == 0, "the idle label set to go", timeout=60)
    tally(sparse, sparse.ips(FAR)[0], 7001, 2, 10)
    assert counted(sparse, "node/east", reporter="source")["opened"] == 2


def test_the_filter_of_the_access_log_is_a_flag_and_is_changed_live(sparse):
    def ports():
        return [line["dst.hbone_addr"].rsplit(":", 1)[1] for line in access_lines(sparse, "node/west")]
    tally(sparse, sparse.ips(FAR)[0], 7001, 2, 10)
    tally(sparse, sparse.ips(FAR)[0], 7002, 1, 10)
    wait_until(lambda: "7002" in ports(), "the refused connection's line")
    assert "7001" not in ports()
    assert admin(sparse, "node/west", "/logging")[1] == "current log level is ztunnel=info,access=info filter=errors\n"
    changed = admin(sparse, "node/west", "/logging?access_filter=direction%3Dinbound,reason%3D-", "-X", "POST")
    assert changed == (200, "current log level is ztunnel=info,access=info filter=direction=inbound,reason=-\n")
    refused = ports().count("7002")
    tally(sparse, sparse.ips(FAR)[0], 7002, 3, 10)
    tally(sparse, sparse.ips(FAR)[0], 7001, 2, 10)
    wait_until(lambda: ports().count("7001") == 2, "the answered connections' lines")
    assert ports().count("7002") == refused
    assert admin(sparse, "node/west", "/logging?access_filter=nope", "-X", "POST")[0] == 400
    assert json.dumps(admin(sparse, "node/west", "/logging?reset", "-X", "POST")[1]).endswith('filter=errors\\n"')
