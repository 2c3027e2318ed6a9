"""The administration interface: what it knows, what it carries, what it lets be changed."""
import base64
import json
import os
import re
import subprocess

import pytest
from lab import APPS, wait_until
from scrape import CLIENT, FAR, NEAR, SPIFFE, access_lines, admin, connections, counted, http, tally


HOLD_300 = ("import socket, sys, time; held = [socket.create_connection((sys.argv[1], 7004)) for _ in range(300)]; "
            "time.sleep(600)")


def dump(lab, node):
    status, body = admin(lab, node, "/config_dump")
    assert status == 200
    return json.loads(body)


def by(objects, name, key="name"):
    return next(one for one in objects if one[key] == name)


def test_the_dump_has_what_istioctl_reads_of_workloads_services_and_policies(lab):
    out = dump(lab, "node/east")
    far = by(out["workloads"], "far")
    assert far["workloadIps"] == [ip for ip in lab.ips(FAR) if ip]
    assert (far["protocol"], far["status"], far["node"], far["serviceAccount"]) == ("HBONE", "Healthy", "west", "far")
    assert far["locality"]["zone"] == "eu-2"
    assert by(out["workloads"], "outsider")["protocol"] == "TCP"
    service = by(out["services"], "far")
    assert service["hostname"] == "far.town.svc.cluster.local" and service["ports"] == {"80": 7001}
    assert all(vip.startswith(out["config"]["network"] + "/") for vip in service["vips"]) and service["vips"]
    endpoint, = service["endpoints"].values()
    assert endpoint["workloadUid"] == far["uid"] and endpoint["port"] == {"80": 7001}
    policy = by(out["policies"], "no-7002")
    assert (policy["namespace"], policy["action"], policy["scope"]) == ("town", "Deny", "Namespace")
    assert any(match.get("destinationPorts") == [7002] for rule in policy["rules"] for clause in rule for match in clause)


def test_the_dump_has_certificates_with_chain_roots_serial_and_validity(lab):
    out = by(dump(lab, "node/west")["certificates"], SPIFFE + "far", "identity")
    assert out["state"] == "Available"
    for one in [out["certChain"][0], out["rootCerts"][0]]:
        assert base64.b64decode(one["pem"]).startswith(b"-----BEGIN CERTIFICATE-----")
        assert one["serialNumber"].isdigit()
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", one["validFrom"])
        assert one["validFrom"] < one["expirationTime"]


@pytest.mark.parametrize("server,path,nodes", [(NEAR, "joined", ("node/east", "node/east")),
                                               (FAR, "tunnel", ("node/east", "node/west"))])
def test_a_live_connection_is_listed_on_both_sides_until_it_ends(lab, server, path, nodes):
    ip = lab.ips(server)[0]
    call = lab.popen(CLIENT, "nc", ip, "7004", stdin=-1)
    try:
        call.stdin.write("0123456789\n")
        call.stdin.flush()

        def listed(node, **wanted):
            return [one for one in connections(lab, node, **wanted) if one["bytes_sent"] == 11]
        out, = wait_until(lambda: listed("node/east", path=path), f"the {path} connection")
        assert out["direction"] == "outbound" and out["original_address"] == f"{ip}:7004"
        assert out["source"]["identity"] == SPIFFE + "client" and out["source"]["pod"] == "client"
        assert out["destination"]["identity"] == SPIFFE + server.split("/")[1]
        assert out["mutual_tls"] and out["age_ms"] >= 0 and out["bytes_received"] == 0
        assert out["tcp"]["application"]["rtt_us"] > 0
        assert ("network" in out["tcp"]) == (path == "tunnel")
        if path == "tunnel":
            arrived, = listed("node/west", path="inbound-tunnel")
            assert arrived["source"] == {**out["source"], "workload": arrived["source"]["workload"]}
            assert arrived["traceparent"] == out["traceparent"]
            for one in (out, arrived):
                assert one["tcp"]["network"]["srtt_us"] > 0 and one["tcp"]["network"]["round_trips"] > 0

        def states(node):
            return {one["info"]["name"]: one for one in dump(lab, node)["workloadState"].values()}
        outbound = states(nodes[0])["client"]["connections"]["outbound"]
        assert any(one["originalDst"] == f"{ip}:7004" and one["protocol"] == "HBONE" for one in outbound)
        inbound = states(nodes[1])[server.split("/")[1]]["connections"]["inbound"]
        assert any(one["actualDst"] == f"{ip}:7004" and one["protocol"] == "HBONE" for one in inbound)
    finally:
        call.kill()
        call.wait()
    wait_until(lambda: not listed("node/east") and not listed(nodes[1]), "the list to be empty again")


def test_a_limit_that_may_not_be_asked_for_is_refused(lab):
    assert json.loads(admin(lab, "node/east", "/connections?limit=1")[1])["total"] >= 0
    for limit in ("0", "10001", "-1", "x", ""):
        assert admin(lab, "node/east", f"/connections?limit={limit}")[0] == 400, limit


def test_levels_are_asked_with_get_and_changed_with_post_only(lab):
    assert admin(lab, "node/west", "/logging")[1] == "current log level is ztunnel=info,access=info\n"
    try:
        assert admin(lab, "node/west", "/logging?level=access:off", "-X", "POST")[0] == 200
        silent = len(access_lines(lab, "node/west"))
        tally(lab, lab.ips(FAR)[0], 7001, 3, 10)
        assert admin(lab, "node/west", "/logging?level=access:debug", "-X", "POST")[0] == 200
        tally(lab, lab.ips(FAR)[0], 7001, 1, 10)
        lines = wait_until(lambda: [one["message"] for one in access_lines(lab, "node/west")[silent:]
                                    if one["message"] == "connection complete"], "the last connection's line")
        assert len(lines) == 1
        assert "connection opened" in [one["message"] for one in access_lines(lab, "node/west")[silent:]]
        assert admin(lab, "node/west", "/logging?level=loud", "-X", "POST")[0] == 400
    finally:
        assert admin(lab, "node/west", "/logging?reset", "-X", "POST")[1].endswith("ztunnel=info,access=info\n")


def test_a_cpu_profile_is_read_by_pprof_and_names_functions(lab, tmp_path):
    def profile(*flags):
        return http(lab, "node/east", "http://127.0.0.1:15000/debug/pprof/profile?seconds=2&frequency=1000", *flags)
    before = counted(lab, "node/east")["opened"]
    load = lab.popen(CLIENT, "python3", APPS / "tally.py", lab.ips(FAR)[0], 7001, 1_000_000, 20_000)
    try:
        wait_until(lambda: counted(lab, "node/east")["opened"] > before + 20, "the load")
        status, headers, body = profile()
    finally:
        load.kill()
        load.wait()
    assert (status, headers["content-type"]) == (200, "application/octet-stream")
    path = tmp_path / "profile.pb.gz"
    path.write_bytes(body)
    raw = pprof(path, "-raw")
    assert "PeriodType: cpu nanoseconds" in raw and "thread:[worker-0]" in raw
    assert "culvert::" in raw and "culvert-ztunnel" in raw
    assert "culvert::" in pprof(path, "-cum", "-top")


def test_profiles_are_bounded_and_one_at_a_time(lab):
    for query in ("seconds=0", "seconds=301", "frequency=0", "frequency=1001", "seconds=x"):
        assert admin(lab, "node/east", f"/debug/pprof/profile?{query}")[0] == 400, query
    url = "http://127.0.0.1:15000/debug/pprof/profile?seconds=10"
    both = [lab.popen("node/east", "curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", url) for _ in range(2)]
    assert sorted(one.communicate(timeout=60)[0] for one in both) == ["200", "409"]


def pprof(path, *args):
    """What `go tool pprof` prints of a profile."""
    done = subprocess.run(["go", "tool", "pprof", *args, str(path)], capture_output=True, text=True, timeout=300,
                          env=dict(os.environ, PPROF_TMPDIR=str(path.parent), HOME=str(path.parent)))
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_heap_profile_is_read_by_pprof_and_names_who_holds_the_memory(lab, tmp_path):
    url = "http://127.0.0.1:15000/debug/pprof/heap"
    assert admin(lab, "node/east", "/debug/pprof/heap")[0] == 409
    for query in ("", "?activate=maybe"):
        assert admin(lab, "node/east", f"/debug/pprof/heap/profiling{query}", "-X", "POST")[0] == 400
    assert admin(lab, "node/east", "/debug/pprof/heap/profiling?activate=true", "-X", "POST")[0] == 200
    path, calls = tmp_path / "heap.pb.gz", []
    try:
        calls = [lab.popen(CLIENT, "python3", "-c", HOLD_300, lab.ips(FAR)[0])]
        wait_until(lambda: json.loads(admin(lab, "node/east", "/connections?limit=1")[1])["total"] >= 300,
                   "300 connections")
        status, headers, body = http(lab, "node/east", url)
        assert (status, headers["content-type"]) == (200, "application/octet-stream")
        path.write_bytes(body)
        raw = pprof(path, "-raw")
        assert "inuse_objects/count inuse_space/bytes" in raw and "PeriodType: space bytes" in raw
        top = pprof(path, "-sample_index=inuse_space", "-cum", "-top")
        assert "culvert::" in top and "serve_outbound" in top, top
        held = in_use(raw)
        assert held > 300 * 1024, top  # of 300 connections
    finally:
        for call in calls:
            call.kill()
            call.wait()
    wait_until(lambda: json.loads(admin(lab, "node/east", "/connections?limit=1")[1])["total"] == 0, "none")
    path.write_bytes(http(lab, "node/east", url)[2])
    assert in_use(pprof(path, "-raw")) < held
    assert admin(lab, "node/east", "/debug/pprof/heap/profiling?activate=false", "-X", "POST")[0] == 200
    assert admin(lab, "node/east", "/debug/pprof/heap")[0] == 409


def in_use(raw):
    """The bytes of all samples in what pprof -raw prints."""
    samples = raw.split("Samples:")[1].split("Locations")[0]
    return sum(int(size) for size in re.findall(r"^ +\d+ +(\d+):", samples, re.M))


def test_the_heap_page_says_what_is_known(lab):
    status, body = admin(lab, "node/east", "/debug/pprof/heap?debug=1")
    values = dict(line.split(" ", 1) for line in body.splitlines() if re.fullmatch(r"\w+ [\d.]+", line))
    assert status == 200 and "without sampling" in body and "<malloc" in body
    assert 0 < int(values["heap_in_use_bytes"]) < float(values["process_virtual_memory_bytes"])


def test_an_unknown_path_is_answered_with_those_that_exist(lab):
    index = admin(lab, "node/east", "/")[1]
    status, body = admin(lab, "node/east", "/nothing")
    assert status == 404
    listed = set(re.findall(r"(GET|POST) +(/\w[\w/]*)", index))
    assert ("GET", "/config_dump") in listed
    for method, path in listed:
        assert f"{method} {path}" in json.loads(body)["next"]
    assert admin(lab, "node/east", "/config_dump", "-X", "POST")[0] == 405
    assert admin(lab, "node/east", "/quitquitquit")[0] == 405
