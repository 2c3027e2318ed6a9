"""A pod that is removed while connections stand: its peers see their end, and nothing of it stays."""
import os
import pathlib

import machine
from lab import wait_until
from survival_mesh import PORT, component, entries, pod
from test_ztunnel_away import IDLE

KEY = "shop/victim"


def traces(lab, uid, inode):
    """What there is of the pod, by kind."""
    pins = pathlib.Path(f"/sys/fs/bpf/culvert/lab/{lab.name}/west/pods")
    return {
        "netns": os.path.exists(f"/run/netns/cv-{lab.name}-p-shop-victim"),
        "cgroup": os.path.exists(f"{machine.CGROUP2}/culvert/lab/{lab.name}/west/pods/{uid}"),
        "links": len(lab.exec("node/west", "ip", "-br", "link").stdout.splitlines()),
        "pins": len(list(pins.iterdir())),
        "entries": {name: entries(lab, name)["west"] for name in ("cv_pod", "cv_listener", "cv_counter",
                                                                  "cv_origin", "cv_client")},
        "held by ztunnel": holds(component(lab, "node/west/ztunnel")["pid"], inode),
        "held by the agent": holds(component(lab, "node/west/agent")["pid"], inode),
    }


def holds(pid, inode):
    """Descriptors of the process that are the network namespace (device, inode)."""
    found = 0
    for fd in pathlib.Path(f"/proc/{pid}/fd").iterdir():
        try:
            status = os.stat(fd)
        except FileNotFoundError:
            continue  # closed meanwhile
        found += (status.st_dev, status.st_ino) == inode
    return found


def idle(lab, source, ip):
    process = lab.popen(source, "python3", "-c", IDLE, ip, str(PORT))
    assert process.stdout.readline() == "open\n"
    return process


def test_a_removed_pod_ends_its_connections_and_leaves_nothing(mesh, flood):
    none = traces(mesh, "none", (0, 0))
    mesh.apply(pod(KEY, "west", [flood, "serve", PORT], PORT))
    uid = mesh.pod(KEY)["uid"]
    status = os.stat(f"/run/netns/cv-{mesh.name}-p-shop-victim")
    inode = (status.st_dev, status.st_ino)
    there = traces(mesh, uid, inode)
    assert there["netns"] and there["cgroup"] and there["links"] == none["links"] + 1
    assert there["held by ztunnel"] > 0 and there["pins"] == none["pins"] + 1
    # Both families, from the other node, from its own, and from outside of the mesh; and its own outward.
    peers = [idle(mesh, source, ip) for source in ("shop/alpha", "shop/beta", "plain/bare")
             for ip in mesh.ips(KEY)]
    outward = [mesh.popen(KEY, "python3", "-c", IDLE, ip, str(PORT))
               for ip in (*mesh.ips("shop/web-east"), *mesh.ips("plain/outside"))]
    assert [p.stdout.readline() for p in outward] == ["open\n"] * len(outward)
    serving = established(mesh, "shop/web-east")
    assert serving >= 2
    mesh.delete("Pod", KEY)
    for process in peers:
        assert process.stdout.readline() in ("end\n", "reset\n")
        process.wait(timeout=60)
    for process in outward:
        process.wait(timeout=60)  # killed with the pod
    wait_until(lambda: established(mesh, "shop/web-east") == 0, "the end of its connections at their server")
    wait_until(lambda: traces(mesh, uid, inode) == none, f"no trace, of {traces(mesh, uid, inode)}")


def established(lab, key):
    """Connections that the application of a server pod has."""
    return len(lab.exec(key, "ss", "-Htn", "state", "established", f"sport = :{PORT}").stdout.splitlines())
