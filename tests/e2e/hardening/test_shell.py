"""A running ztunnel's shell (docs/hardening.md), read from /proc, and traffic through it."""
import os
import pathlib
import re

import pytest
from flows import NODES, Mesh, client_pod, meshed, server_pod
from lab import Lab

RUN = os.getpid()
PODS = NODES + meshed("shop") + server_pod("shop", "web", "east") + client_pod("shop", "far", "west")
CAP_SYS_ADMIN, NOTHING = 1 << 21, 0
PRIVATE_KEY = re.compile(rb"-----BEGIN (EC )?PRIVATE KEY-----\n[A-Za-z0-9+/]{40}")


def ztunnel(lab, node):
    return next(one["pid"] for one in lab.status()["components"] if one["id"] == f"node/{node}/ztunnel")


def threads(pid):
    """The status of each thread, as a dictionary."""
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        lines = (task / "status").read_text().splitlines()
        yield dict(line.split(":\t", 1) for line in lines if ":\t" in line)


def memory(pid):
    """The writable memory of a process, one mapping at a time."""
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb") as mem:
        for line in maps:
            span, mode, rest = line.split(maxsplit=2)
            if not mode.startswith("rw") or "[v" in rest:
                continue
            begin, end = (int(edge, 16) for edge in span.split("-"))
            mem.seek(begin)
            try:
                yield mem.read(end - begin)
            except OSError:  # gone meanwhile, or of a device
                continue


@pytest.fixture(scope="module")
def mesh():
    with Lab(f"hardening-{RUN}", PODS) as lab:
        mesh = Mesh(lab, clients=["shop/far"])
        for _ in range(5):
            mesh.answered("shop/far", "shop/web", 8080)
        yield mesh
        mesh.close()


@pytest.mark.parametrize("node", ["east", "west"])
def test_every_thread_has_one_capability_a_filter_and_no_new_privileges(mesh, node):
    seen = list(threads(ztunnel(mesh.lab, node)))
    assert len(seen) > 2
    for status in seen:
        sets = {name: int(status[name], 16) for name in ("CapEff", "CapPrm", "CapBnd", "CapInh", "CapAmb")}
        assert sets == {"CapEff": CAP_SYS_ADMIN, "CapPrm": CAP_SYS_ADMIN, "CapBnd": CAP_SYS_ADMIN, "CapInh": NOTHING,
                        "CapAmb": NOTHING}, status["Name"]
        assert (status["Seccomp"], status["NoNewPrivs"]) == ("2", "1"), status["Name"]


def test_no_core_is_dumped(mesh):
    limits = pathlib.Path(f"/proc/{ztunnel(mesh.lab, 'east')}/limits").read_text()
    assert re.search(r"Max core file size +0 +0 +bytes", limits), limits


@pytest.mark.parametrize("node", ["east", "west"])
def test_no_private_key_is_left_in_memory_as_text(mesh, node):
    parts = list(memory(ztunnel(mesh.lab, node)))
    assert any(b"-----BEGIN CERTIFICATE-----" in part for part in parts), "what is read is ztunnel's memory"
    assert not any(PRIVATE_KEY.search(part) for part in parts)


def test_nothing_that_ztunnel_needs_is_refused(mesh):
    mesh.answered("shop/far", "shop/web", 8080)
    mesh.lab.exec("node/east", "curl", "-sS", "--max-time", "60", "http://127.0.0.1:15000/config_dump", check=True)
    mesh.lab.exec("node/east", "curl", "-sS", "--max-time", "60", "http://127.0.0.1:15020/metrics", check=True)
    for node in ("east", "west"):
        assert "sandbox: refused" not in mesh.lab.logs(f"node/{node}", "ztunnel")


def test_the_shell_can_be_left_off():
    with Lab(f"hardening-off-{RUN}", PODS, flags=["--ztunnel-flag=--sandbox=off"]) as lab:
        assert {status["Seccomp"] for status in threads(ztunnel(lab, "east"))} == {"0"}
        mesh = Mesh(lab, clients=["shop/far"])
        mesh.answered("shop/far", "shop/web", 8080)
        mesh.close()
