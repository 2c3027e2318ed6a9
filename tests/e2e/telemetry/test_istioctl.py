"""The real istioctl, of the version that istioctl/go.mod pins, reads what ztunnels dump. Only with --long: it is a
build of some thousand packages (ten minutes on two cores the first time). test_admin.py holds the dump to its form in
every run.
"""
import json
import os
import pathlib
import platform
import re
import subprocess

import pytest
from lab import BUILD, wait_until
from scrape import CLIENT, FAR, NEAR, SPIFFE, admin

MODULE = pathlib.Path(__file__).resolve().parent / "istioctl"
BUILD_TIMEOUT_S = 3600
MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}


def version_of(text):
    return tuple(map(int, re.search(r"go ?(\d+)\.(\d+)(?:\.(\d+))?", text).groups(default="0")))


def go():
    """A Go that is new enough for the module: the installed one, or the one that it fetches as a module."""
    wanted = re.search(r"^go [\d.]+$", (MODULE / "go.mod").read_text(), re.M).group()
    installed = subprocess.run(["go", "version"], text=True, capture_output=True, check=True).stdout
    if version_of(installed) >= version_of(wanted):
        return "go"
    name = f"golang.org/toolchain@v0.0.1-{wanted.replace(' ', '')}.linux-{MACHINES[platform.machine()]}"
    fetched = subprocess.run(["go", "mod", "download", "-json", name], cwd="/", text=True, capture_output=True)
    assert fetched.returncode == 0, fetched.stdout + fetched.stderr
    folder = pathlib.Path(json.loads(fetched.stdout)["Dir"])
    for program in [*folder.glob("bin/*"), *folder.glob("pkg/tool/*/*")]:
        program.chmod(0o755)  # modules have no executable files
    return str(folder / "bin/go")


@pytest.fixture(scope="module")
def istioctl():
    """Runs `istioctl ztunnel-config ARGS` on a dump, and gives what it prints."""
    program = BUILD / "tests/e2e/telemetry/istioctl"
    program.parent.mkdir(parents=True, exist_ok=True)
    env = dict(os.environ, GOTOOLCHAIN="local", GOFLAGS="-buildvcs=false")
    env.pop("GOROOT", None)
    built = subprocess.run([go(), "build", "-ldflags=-s -w", "-o", program, "istio.io/istio/istioctl/cmd/istioctl"],
                           cwd=MODULE, env=env, text=True, capture_output=True, timeout=BUILD_TIMEOUT_S)
    assert built.returncode == 0, built.stderr

    def run(dump, *args):
        done = subprocess.run([str(program), "ztunnel-config", *args, "-f", str(dump)], text=True, capture_output=True,
                              timeout=60, env=dict(os.environ, KUBECONFIG=os.devnull))
        assert done.returncode == 0, done.stderr
        return done.stdout
    return run


@pytest.fixture(scope="module")
def dumps(lab, tmp_path_factory):
    """{node: file} of dumps that were taken while client is connected to both servers."""
    calls = [lab.popen(CLIENT, "nc", lab.ips(server)[0], "7004", stdin=-1) for server in (NEAR, FAR)]
    folder, out = tmp_path_factory.mktemp("dumps"), {}

    def connections(node, direction):
        states = json.loads(admin(lab, node, "/config_dump")[1])["workloadState"].values()
        return sum(len(state["connections"][direction]) for state in states)
    try:
        wait_until(lambda: connections("node/east", "outbound") == 2 and connections("node/west", "inbound") == 1,
                   "both connections")
        for node in ("east", "west"):
            out[node] = folder / f"{node}.json"
            out[node].write_text(admin(lab, f"node/{node}", "/config_dump")[1])
    finally:
        for call in calls:
            call.kill()
            call.wait()
    return out


def rows(text):
    """The lines below the head, cut at runs of two blanks or more, or at one where columns are that narrow."""
    return [line.split() for line in text.splitlines()[1:] if line.strip()]


def test_it_lists_workloads_with_addresses_nodes_and_protocols(lab, istioctl, dumps):
    found = {(ns, name): rest for ns, name, *rest in rows(istioctl(dumps["east"], "workload"))}
    assert found["town", "far"] == [",".join(ip for ip in lab.ips(FAR) if ip), "west", "None", "HBONE"]
    assert found["wild", "outsider"][-1] == "TCP"
    only = rows(istioctl(dumps["east"], "workload", "--workload-namespace", "wild"))
    assert [row[1] for row in only] == ["outsider"]


def test_it_lists_services_with_their_healthy_endpoints(istioctl, dumps):
    service, = rows(istioctl(dumps["west"], "service"))
    assert service[:2] == ["town", "far"] and service[-2:] == ["None", "1/1"]


def test_it_lists_policies_and_prints_their_rules(istioctl, dumps):
    assert ["town", "no-7002", "Deny", "Namespace"] in rows(istioctl(dumps["west"], "policy"))
    policy = next(one for one in json.loads(istioctl(dumps["west"], "policy", "-o", "json")) if one["name"] == "no-7002")
    assert [match for rule in policy["rules"] for clause in rule for match in clause] == [{"destinationPorts": [7002]}]


def test_it_lists_certificates_as_valid_with_leaf_and_root(istioctl, dumps):
    found = [row for row in rows(istioctl(dumps["west"], "certificate")) if row[0] == SPIFFE + "far"]
    assert [row[1:4] for row in found] == [["Leaf", "Available", "true"], ["Root", "Available", "true"]]
    assert all(re.fullmatch("[0-9a-f]+", row[4]) for row in found)


def test_it_lists_live_connections_by_name(lab, istioctl, dumps):
    east = rows(istioctl(dumps["east"], "connections"))
    outbound = {row[4] for row in east if row[:2] == ["client.town", "Outbound"]}
    assert outbound == {"near.town:7004", "far.town:7004"}, east
    assert [row[:2] for row in rows(istioctl(dumps["west"], "connections", "--direction", "inbound"))] == [
        ["far.town", "Inbound"]]
    raw = rows(istioctl(dumps["west"], "connections", "--raw"))
    assert raw[0][2] == f"{lab.ips(FAR)[0]}:7004" and raw[0][-1] == "HBONE"


@pytest.mark.parametrize("what", ["workload", "service", "policy", "certificate", "connections", "all"])
def test_each_part_is_printed_in_json_and_yaml_too(istioctl, dumps, what):
    for node in ("east", "west"):
        assert json.loads(istioctl(dumps[node], what, "-o", "json"))
        assert istioctl(dumps[node], what, "-o", "yaml").strip()
