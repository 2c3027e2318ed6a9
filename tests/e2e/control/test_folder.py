"""The folder: what is wrong in it, what vanishes from it, and what is hostile."""
import os
import shutil
import signal

import pytest

from lab import wait_until
from control import ADDRESS, deny, names, node, pod

BAD_POLICY = deny("no-bad").replace("rules:", "rulez:")


def test_a_bad_object_keeps_its_last_good_state_and_its_place_is_told(control, subscribe):
    control.write("mesh.yaml", node("n1"), pod("web", "n1"))
    control.write("policy.yaml", deny("no-bad"))
    control.start()
    ztunnel = subscribe()
    ztunnel.first()
    generation = control.status()["generation"]
    control.write("policy.yaml", BAD_POLICY)
    code, body = control.sync()
    assert code == 200 and body["generation"] == generation
    told = next(d for d in body["diagnostics"] if d["field"] == "spec.rulez")
    assert told["file"].endswith("policy.yaml") and told["line"] == 6 and told["suggestion"] == "rules"
    assert f"policy.yaml:{told['line']}:" in told["text"]
    assert any(c["name"] == "no-bad" and c["type"] == "Accepted" and c["status"] is False
               for c in body["conditions"])
    assert "shop/no-bad" in control.call("GET", "/resources")[1]["authorizations"]
    assert ztunnel.silent()
    control.sync()
    assert control.log().count("spec.rulez") == 1
    control.write("policy.yaml", deny("no-bad"))
    assert control.sync()[1]["diagnostics"] == []


def test_a_bad_object_that_was_never_good_is_refused_and_the_rest_holds(control):
    control.write("mesh.yaml", node("n1"), pod("web", "n1"), BAD_POLICY)
    control.start()
    resources = control.call("GET", "/resources")[1]
    assert resources["authorizations"] == {} and list(resources["addresses"]) == ["Kubernetes//Pod/shop/web"]
    assert resources["addresses"]["Kubernetes//Pod/shop/web"]["workload"]["addresses"] == ["10.0.0.5"]


def test_an_object_given_twice_is_told_with_both_places(control):
    control.write("a.yaml", node("n1"), pod("web", "n1"))
    control.start()
    control.write("b.yaml", pod("web", "n1", ip="10.0.0.99"))
    body = control.sync()[1]
    assert {os.path.basename(d["file"]) for d in body["diagnostics"]} == {"a.yaml", "b.yaml"}
    workload = control.call("GET", "/resources")[1]["addresses"]["Kubernetes//Pod/shop/web"]["workload"]
    assert workload["addresses"] == ["10.0.0.5"]


def test_a_folder_that_is_missing_at_the_start_is_a_clear_error(control):
    control.config.rmdir()
    process = control.start(wait=False)
    assert process.wait(timeout=60) == 1
    assert str(control.config) in control.log()


def test_a_folder_that_vanishes_keeps_everything_in_force_and_may_come_back(control, subscribe):
    control.write("mesh.yaml", node("n1"), pod("web", "n1"))
    control.start()
    ztunnel = subscribe()
    ztunnel.first()
    shutil.move(control.config, control.folder / "away")
    code, body = control.sync()
    assert code == 503 and any(d["file"] == str(control.config) for d in body["diagnostics"])
    assert body["objects"] == 2 and ztunnel.silent()
    shutil.move(control.folder / "away", control.config)
    control.write("api.yaml", pod("api", "n1", ip="10.0.0.6"))
    assert names(ztunnel.next()) == ["Kubernetes//Pod/shop/api"]
    assert control.sync()[1]["diagnostics"] == []


def test_files_that_change_all_the_time_never_break_it(control, subscribe):
    control.write("mesh.yaml", node("n1"), pod("web", "n1"))
    control.start()
    ztunnel = subscribe()
    ztunnel.first()
    for i in range(200):
        path = control.config / f"f{i % 7}.yaml"
        if i % 3 == 2:
            path.unlink(missing_ok=True)
        else:
            path.write_text(pod(f"p{i % 7}", "n1", ip=f"10.0.1.{i % 7}")[:None if i % 2 else 150])
    for i in range(7):
        (control.config / f"f{i}.yaml").unlink(missing_ok=True)
    code, body = control.sync()
    assert code == 200 and body["objects"] == 2 and body["diagnostics"] == []
    assert list(ztunnel.resources[ADDRESS]) == ["Kubernetes//Pod/shop/web"]


def test_hostile_files_are_reported_and_the_rest_holds(control):
    control.write("mesh.yaml", node("n1"), pod("web", "n1"))
    lol = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"{chr(c + 1)}: &{chr(c + 1)} [" + ", ".join([f"*{chr(c)}"] * 9) + "]\n" for c in range(97, 108))
    control.write("aliases.yaml", lol)
    control.write("deep.yaml", "[" * 100_000)
    control.write("binary.yaml", "\x00\x01\x02")
    (control.config / "latin.yaml").write_bytes(b"\xff\xfe\xfd")
    (control.config / "escape.yaml").write_text(node("../../escape"))
    os.symlink("/dev/zero", control.config / "endless.yaml")
    os.mkfifo(control.config / "pipe.yaml")
    os.symlink("nowhere", control.config / "dangling.yaml")
    control.start()
    body = control.status()
    assert {os.path.basename(d["file"]) for d in body["diagnostics"]} >= {
        "aliases.yaml", "deep.yaml", "latin.yaml", "escape.yaml"}
    assert [n["name"] for n in body["nodes"]] == ["n1"]
    assert "Kubernetes//Pod/shop/web" in control.call("GET", "/resources")[1]["addresses"]


def test_a_killed_control_comes_back_over_its_stale_sockets(control, subscribe):
    control.write("mesh.yaml", node("n1"), node("n2"), pod("web", "n1"))
    control.start()
    control.stop(signal.SIGKILL)
    control.write("mesh.yaml", node("n1"), pod("web", "n1"))
    control.start()
    wait_until(lambda: [p.name for p in control.sockets.iterdir()] == ["n1.sock"], "the stale socket's removal")
    assert names(subscribe().first()[ADDRESS]) == ["Kubernetes//Pod/shop/web"]


def test_admin_refusals_say_what_to_do(control):
    control.start()
    assert control.status()["nodes"] == []
    for method, path, code in [("GET", "/nothing", 404), ("GET", "/sync", 405), ("POST", "/sync?timeout_ms=x", 400)]:
        status, body = control.call(method, path)
        assert status == code and body["error"] and body["next"]


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL], ids=["TERM", "KILL"])
def test_a_bad_object_keeps_its_last_good_state_over_a_restart(control, how):
    control.write("mesh.yaml", node("n1"), pod("web", "n1"))
    control.write("policy.yaml", deny("no-bad"))
    control.start()
    control.write("policy.yaml", BAD_POLICY)
    assert control.sync()[0] == 200
    before = control.call("GET", "/resources")[1]
    control.stop(how)
    control.start()
    assert control.call("GET", "/resources")[1] | {"generation": 0} == before | {"generation": 0}
    told = control.status()
    assert [d["field"] for d in told["diagnostics"]] == ["spec.rulez"]
    assert any(c["name"] == "no-bad" and c["reason"] == "LastGoodInForce" for c in told["conditions"])
    (control.config / "policy.yaml").unlink()
    control.stop(how)
    control.start()
    assert control.call("GET", "/resources")[1]["authorizations"] == {}


def test_a_damaged_file_of_last_good_states_is_ignored_and_told(control):
    control.write("mesh.yaml", node("n1"), pod("web", "n1"))
    control.start()
    control.stop()
    saved = control.state / "objects.bin"
    good = saved.read_bytes()
    for content in (good[:-1], good + b"x", b"", b"\0" * 100, good.replace(b"web", b"wex", 1)):
        saved.write_bytes(content)
        control.start()
        assert "objects.bin" in control.log() and "it is ignored" in control.log()
        assert list(control.call("GET", "/resources")[1]["addresses"]) == ["Kubernetes//Pod/shop/web"]
        control.stop()
        assert saved.read_bytes() == good  # written anew
