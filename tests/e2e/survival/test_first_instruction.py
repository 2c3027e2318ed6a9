"""A pod's command starts only once the pod is captured: its very first connection is in the mesh, or refused."""
from lab import wait_until
from survival_mesh import PORT, Flood, pod, served

ROUNDS, AT_ONCE = 4, 5


def started(lab, key):
    """The last line that the flood of a pod's command wrote."""
    def done():
        lines = lab.log_lines(key)
        return lines[-1] if lines and lines[-1].get("done") else None
    return wait_until(done, f"the end of {key}'s connections")


def command(flood, ips, count=20):
    """Connects in its first instruction, and stays."""
    run = f"{flood} run {PORT} 1000 {count / 1000} {' '.join(ips)}; exec sleep 100000"
    return ["sh", "-c", run]


def test_twenty_pods_that_connect_in_their_first_instruction_are_captured(mesh, flood):
    to = [*mesh.ips("shop/web-west"), *mesh.ips("shop/web-east")]
    before = sum(served(mesh, key)["accepted"] for key in ("shop/web-east", "shop/web-west"))
    came = 0
    with mesh.capture("node/east", f"tcp port {PORT}") as east, \
            mesh.capture("node/west", f"tcp port {PORT}") as west:
        for turn in range(ROUNDS):
            keys = [f"shop/quick-{turn}-{n}" for n in range(AT_ONCE)]
            mesh.apply("\n---\n".join(pod(key, ("east", "west")[n % 2], command(flood, to))
                                      for n, key in enumerate(keys)))
            for key in keys:
                result = started(mesh, key)
                assert result["errors"] == {} and result["ok"] > 0, (key, result)
                came += result["ok"]
            for key in keys:
                mesh.delete("Pod", key)
    assert east.packets() == [] and west.packets() == []
    assert sum(served(mesh, key)["accepted"] for key in ("shop/web-east", "shop/web-west")) - before == came


def test_a_pod_whose_ztunnel_has_not_started_runs_nothing_and_is_refused(mesh, flood):
    to = [*mesh.ips("shop/web-east"), *mesh.ips("plain/outside")]
    servers = ("shop/web-east", "plain/outside")
    early = pod("shop/early", "west", command(flood, to))
    before = [served(mesh, key) for key in servers]
    mesh.kill("node/west", "ztunnel", hold=True)
    try:
        with mesh.capture("node/west", "tcp") as west:
            said = mesh.apply(early, check=False)
            assert said.returncode == 1 and "ztunnel has not taken it" in said.stderr
            assert mesh.log_lines("shop/early") == []
            # Its namespace is there and captured: whoever enters it is refused.
            forced = Flood(mesh, flood, "shop/early", to, 100, 0.5).result()
            assert forced["ok"] == 0 and set(forced["errors"]) == {"connect ECONNREFUSED"}, forced
        mine = mesh.ips("shop/early")
        # Its address may have been another pod's before, whose peers still write to it: the kernel's RST
        # is all that may leave.
        sent = [p for p in west.packets() if any(f" {ip}." in p.split(" > ")[0] for ip in mine)]
        assert [p for p in sent if "Flags [R" not in p] == []
        assert [served(mesh, key) for key in servers] == before
    finally:
        mesh.restart("node/west", "ztunnel")
    mesh.delete("Pod", "shop/early")
    mesh.apply(early)
    result = started(mesh, "shop/early")
    assert result["errors"] == {} and result["ok"] > 0, result
