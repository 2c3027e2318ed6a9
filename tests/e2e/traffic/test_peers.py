"""Both applications see each other, not the mesh: by accept, getpeername and connect's own address."""
import json
import os
import subprocess

import pytest
from lab import APPS
from town import CLIENT, heard_by, ip_of, talk, vip_of

pytestmark = pytest.mark.sanitized

PORT = 7006  # the server says something and both end
SERVICES = {"town/near": "near-only", "town/far": "far-only"}


def check_server_saw(lab, server, port, call, family):
    """The server's log has the client's own address and port, by accept and by getpeername."""
    assert call["connected"] and call["getsockname"][0] == ip_of(lab, CLIENT, family)
    line = heard_by(lab, server, "talk", port, call["getsockname"], event="accepted")
    assert line["getpeername"] == line["peer"] == call["getsockname"]
    assert line["getsockname"] == [ip_of(lab, server, family), port]


def test_server_and_client_see_each_other_by_pod_address(way, family):
    lab, server = way
    address = ip_of(lab, server, family)
    call = talk(lab, address, PORT, "fin,eof")
    assert call["getpeername"] == [address, PORT] and call["heard"] == ["bye"]
    check_server_saw(lab, server, PORT, call, family)


def test_the_client_sees_the_services_address_that_it_asked_for(way, family):
    lab, server = way
    address = vip_of(lab, SERVICES[server], family)
    call = talk(lab, address, 7006, "fin,eof")
    assert call["getpeername"] == [address, 7006] and call["heard"] == ["bye"]
    check_server_saw(lab, server, 7006, call, family)


def test_a_dual_stack_socket_sees_mapped_addresses_for_ipv4(way):
    lab, server = way
    address = ip_of(lab, server, 4)
    call = talk(lab, address, PORT, "fin,eof", "--dual")
    assert call["getpeername"] == ["::ffff:" + address, PORT] and call["heard"] == ["bye"]
    check_server_saw(lab, server, PORT, call, 4)


@pytest.fixture(scope="module")
def go_client(tmp_path_factory):
    """A client by Go's own resolver and dialer, which uses dual-stack sockets where it listens."""
    program = tmp_path_factory.mktemp("go") / "dual_stack"
    env = dict(os.environ, GO111MODULE="off", GOFLAGS="", CGO_ENABLED="0", GOTOOLCHAIN="local")
    built = subprocess.run(["go", "build", "-o", program, APPS / "dual_stack.go"], env=env, text=True,
                           capture_output=True, timeout=300)
    assert built.returncode == 0, built.stderr
    return program


def test_a_go_client_sees_whom_it_dialed_by_name_and_address(joined, go_client):
    for host in ("far-only", "near-only", vip_of(joined, "far-only", 4), ip_of(joined, "town/far", 6),
                 "::ffff:" + ip_of(joined, "town/far", 4)):
        done = joined.exec(CLIENT, go_client, host, PORT)
        assert done.returncode == 0, (host, done.stderr)
        seen = json.loads(done.stdout)
        assert seen["heard"] == "bye"
        wanted = host.removeprefix("::ffff:")
        if wanted[0].isdigit() or ":" in wanted:
            assert seen["remote"] == [wanted, PORT]
        server = "town/near" if host == "near-only" else "town/far"
        line = heard_by(joined, server, "talk", PORT, seen["local"], event="accepted")
        assert line["getpeername"] == seen["local"]
