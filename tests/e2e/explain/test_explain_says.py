"""What `culvert explain` and the commands around it say: names, mistakes, differences, forms of output."""
import datetime
import json
import os
import pathlib
import subprocess

import pytest
import walks
from flows import Mesh
from lab import BUILD, ENV, Lab, culvert, wait_until
from objects import authorization, source

RUN = os.getpid()


@pytest.fixture(scope="module")
def mesh():
    with Lab(f"explain-says-{RUN}", walks.WORLD, flags=walks.FLAGS) as lab:
        mesh = Mesh(lab, ["shop/near"])
        yield mesh
        mesh.close()


def run(mesh, *args, status=0):
    """Standard output of a command that ends so; on failure what it said on standard error."""
    done = culvert(*args, "--name", mesh.lab.name, check=False)
    assert done.returncode == status, f"{args}: {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout if done.stdout else done.stderr


def document(mesh, *args, status=0):
    return json.loads(run(mesh, *args, "-o", "json", status=status))


@pytest.mark.parametrize("args, words", [
    (["explain", "shop/naer", "front:80"], ["no pod shop/naer", "did you mean shop/near?"]),
    (["explain", "shop/near", "frnt:80"], ["nothing in the mesh is called frnt"]),
    (["explain", "shop/near", "shop/wbe:80"], ["shop/wbe", "did you mean shop/web?"]),
    (["explain", "shop/near", "shop/web"], ["which port", "8080, 9090"]),
    (["explain", "shop/near", "10.0.0.1"], ["which port"]),
    (["explain", "shop/near", "web:eighty"], ["is no destination", "next:"]),
    (["workloads", "shop/wbe"], ["no workload shop/wbe", "did you mean shop/web?"]),
    (["services", "frnt"], ["no service frnt", "did you mean front?"]),
    (["policies", "shop/none"], ["no policy shop/none"]),
    (["hooks", "--node", "eats"], ["no node eats", "did you mean east?"]),
])
def test_a_mistake_is_told_with_what_was_probably_meant(mesh, args, words):
    said = run(mesh, *args, status=1)
    for word in words:
        assert word in said


def test_the_policy_that_decides_is_named_with_its_file_and_line(mesh):
    deny = authorization("shop", "no-near", "DENY", source(principals=["cluster.local/ns/shop/sa/near"]))
    path = mesh.lab.path("# a comment\n---\n" + deny)
    mesh.lab.apply(path)
    try:
        report = document(mesh, "explain", "shop/near", "shop/stock:8080")
        assert report["result"] == {"outcome": "reset", "flag": "DENY",
                                    "reason": "denied by policy shop/no-near"}
        assert report["steps"][-1]["objects"][0] == {
            "kind": "AuthorizationPolicy", "namespace": "shop", "name": "no-near", "defined": f"{path}:3"}
        mesh.refused("shop/near", "shop/stock", 8080, policy="shop/no-near")
        text = run(mesh, "explain", "shop/near", "shop/stock:8080")
        assert "DENY shop/no-near matches, and decides" in text and f"[{path}:3]" in text
        assert "by tunnel: denied by policy shop/no-near" in text
        listed = document(mesh, "policies", "--workload", "shop/stock")
        assert [one["defined"] for one in listed if one["name"] == "no-near"] == [f"{path}:3"]
    finally:
        mesh.lab.delete("-f", path)
    again = document(mesh, "explain", "shop/near", "shop/stock:8080")
    assert again["result"]["outcome"] == "answered"
    assert all(one["stale"] for one in again["recent"])


def test_connections_that_are_open_now_are_said_with_their_way_and_policy(mesh):
    allow = authorization("shop", "near-only", "ALLOW", source(principals=["cluster.local/ns/shop/sa/near"]))
    with mesh.with_objects(allow):
        for name in ("one", "two"):
            mesh.flow("shop/near", "shop/stock", 8080, keep=name)
        report = document(mesh, "explain", "shop/near", "shop/stock:8080")
        assert [(one["node"], one["direction"], one["path"], one["count"], one.get("verdict")) for one in report["open"]] == [
            ("east", "outbound", "tunnel", 2, None),
            ("west", "inbound", "tunnel", 2, {"allowed": True, "reason": "allowed by policy", "policy": "shop/near-only"})]
        text = run(mesh, "explain", "shop/near", "shop/stock:8080")
        assert "2 inbound on west to shop/stock by tunnel" in text and "allowed by policy shop/near-only" in text
        assert document(mesh, "explain", "shop/near", "shop/web:8080")["open"] == []
        for name in ("one", "two"):
            mesh.one("shop/near", on=name, close=True)
    wait_until(lambda: document(mesh, "explain", "shop/near", "shop/stock:8080")["open"] == [], "nothing open")


def test_an_open_connection_that_contradicts_the_prediction_is_a_difference(mesh):
    asked = ["explain", "shop/near", f"shop/stock:{walks.EXCLUDED_PORT}"]

    def configured_s_ago():
        at = datetime.datetime.fromisoformat(document(mesh, *asked)["configured_at"][:-1] + "+00:00")
        return (datetime.datetime.now(datetime.timezone.utc) - at).total_seconds()
    # What was opened sooner may have been decided by the earlier configuration.
    wait_until(lambda: configured_s_ago() > 3, "a configuration that has settled")
    exclude_port(mesh, "east", walks.EXCLUDED_PORT, delete=True)
    try:
        mesh.flow("shop/near", "shop/stock", walks.EXCLUDED_PORT, keep="odd")
        said = "ztunnel carries an open connection to shop/stock, which was to be left alone"
        assert said in document(mesh, *asked, status=2)["differences"]
        mesh.one("shop/near", on="odd", close=True)
    finally:
        run(mesh, "maps", "diff", "--fix")


def test_pods_and_services_are_told_with_file_and_line(mesh):
    steps = document(mesh, "explain", "shop/near", "front:80")["steps"]
    defined = {(one["kind"], one["name"]): one["defined"] for step in steps for one in step["objects"]}
    for kind, name in (("Pod", "near"), ("Pod", "web"), ("Service", "front")):
        path, line = defined[kind, name].rsplit(":", 1)
        text = pathlib.Path(path).read_text().splitlines()[int(line) - 1:]
        document_text = "\n".join(text).split("\n---")[0]
        assert f"kind: {kind}" in document_text and f"name: {name}," in document_text, (kind, name, defined)


def test_somebody_listens_or_nobody_does(mesh):
    report = document(mesh, "explain", "shop/near", "shop/web:8080")
    assert report["branches"][0]["listening"] is True
    report = document(mesh, "explain", "shop/near", "shop/web:8888")
    assert report["branches"][0]["listening"] is False
    assert "nobody listens" in run(mesh, "explain", "shop/near", "shop/web:8888")


def exclude_port(mesh, node, port, delete=False):
    """Writes an exclusion into the kernel's map, or takes one out, as no agent would."""
    pin = next(one["bpf_dir"] for one in mesh.lab.status()["nodes"] if one["name"] == node)
    key = (48).to_bytes(4, "little") + bytes([1, 0, 0, 0]) + port.to_bytes(2, "big") + bytes(14)
    what = ["delete"] if delete else ["update"]
    value = [] if delete else ["value", "1", "0", "0", "0"]
    subprocess.run(["bpftool", "map", *what, "pinned", f"{pin}/cv_exclude", "key", "hex", *key.hex(" ").split(), *value],
                   check=True)


def test_what_the_kernel_has_otherwise_is_a_difference_and_is_mended(mesh):
    assert "what the agents want" in run(mesh, "maps", "diff")
    exclude_port(mesh, "east", 9090)
    report = document(mesh, "explain", "shop/near", "shop/stock:9090", status=2)
    assert report["result"]["outcome"] == "answered" and report["branches"][0]["path"] == "tunnel"
    assert any("node east" in line for line in report["differences"]), report["differences"]
    found = document(mesh, "maps", "diff", status=2)
    assert [(one["node"], one["map"], one["entry"], one["state"]) for one in found] == [
        ("east", "cv_exclude", "port 9090", "extra")]
    assert "--fix" in run(mesh, "maps", "diff", status=2)
    assert "1 mended" in run(mesh, "maps", "diff", "--fix")
    assert document(mesh, "maps", "diff") == []
    assert document(mesh, "explain", "shop/near", "shop/stock:9090")["differences"] == []


def test_an_entry_with_other_addresses_is_found_and_mended(mesh):
    pin = next(one["bpf_dir"] for one in mesh.lab.status()["nodes"] if one["name"] == "east")
    cookie = next(line for line in document(mesh, "maps", "dump", "cv_pod") if line["pod"] == "shop/near")["netns_cookie"]
    key = int(cookie).to_bytes(8, "little").hex(" ").split()
    looked = json.loads(subprocess.run(["bpftool", "-j", "map", "lookup", "pinned", f"{pin}/cv_pod", "key", "hex", *key],
                                       check=True, capture_output=True, text=True).stdout)
    value = [byte[2:] for byte in looked["value"]]
    value[15] = f"{int(value[15], 16) ^ 1:02x}"  # the last byte of its IPv4 address
    subprocess.run(["bpftool", "map", "update", "pinned", f"{pin}/cv_pod", "key", "hex", *key, "value", "hex", *value],
                   check=True)
    found = document(mesh, "maps", "diff", status=2)
    assert [(one["map"], one["state"]) for one in found] == [("cv_pod", "different")]
    assert mesh.ip("shop/near") in found[0]["wanted"] and mesh.ip("shop/near") not in found[0]["kernel"].split()
    run(mesh, "maps", "diff", "--fix")
    assert document(mesh, "maps", "diff") == []
    mesh.answered("shop/near", "shop/web", 8080)


def test_a_map_without_its_listeners_is_ztunnels_to_mend(mesh):
    mesh.lab.kill("node/west", "ztunnel", hold=True)
    try:
        wait_until(lambda: culvert("maps", "diff", "--name", mesh.lab.name, check=False).returncode == 2, "a difference")
        found = document(mesh, "maps", "diff", "--fix", status=2)
        assert {(one["node"], one["map"], one["mended_by"]) for one in found} == {("west", "cv_listener", "ztunnel")}
        report = document(mesh, "explain", "shop/near", "shop/stock:8080", status=2)
        assert report["kernel"]["outcome"] == "reset" and report["result"]["outcome"] == "answered"
    finally:
        mesh.lab.restart("node/west", "ztunnel")
    wait_until(lambda: culvert("maps", "diff", "--name", mesh.lab.name, check=False).returncode == 0, "no difference")


def test_watching_prints_again(mesh):
    process = subprocess.Popen([str(BUILD / "bin" / "culvert"), "maps", "--watch", "--every", "1", "--name", mesh.lab.name],
                               env=ENV, text=True, stdout=subprocess.PIPE)
    try:
        heads = 0
        for line in process.stdout:
            heads += line.startswith("NODE")
            if heads == 2:
                break
        assert heads == 2, "it ended"
    finally:
        process.kill()
        process.wait()


def test_every_list_has_the_same_in_json_and_yaml_and_as_a_table(mesh):
    near = document(mesh, "workloads", "shop/near")[0]
    assert near["identity"] == "spiffe://cluster.local/ns/shop/sa/near" and near["node"] == "east"
    assert "- name: near\n  namespace: shop\n" in run(mesh, "workloads", "shop/near", "-o", "yaml")
    front = document(mesh, "services", "front")[0]
    assert [one["workload"] for one in front["endpoints"]] == ["shop/web"] and front["ports"] == [
        {"port": 80, "target_port": 8080}]
    certificates = document(mesh, "certs", "-n", "shop", "--node", "east")
    assert {one["identity"].rsplit("/", 1)[1] for one in certificates} == {"web", "near"}
    assert all(one["state"] == "Available" for one in certificates)
    hooks = document(mesh, "hooks", "--node", "east")
    assert {one["hook"] for one in hooks} >= {"connect4", "connect6", "sock_ops", "sk_lookup"}, hooks
    for command in ("workloads", "services", "policies", "certs", "hooks", "pods", "status", "maps"):
        assert run(mesh, command), command
        assert run(mesh, command, "-o", "yaml"), command


COMPLETE = {
    "bash": ('source <(culvert completion bash); COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _culvert; '
             'printf "%s\\n" "${COMPREPLY[@]}"'),
    # What its widget would be told.
    "zsh": ('compadd() { shift; print -l -- "$@" }; compdef() { }; words=("$@"); CURRENT=$#; '
            'source <(culvert completion zsh); _culvert'),
    # Installed, at the first TAB of a shell.
    "zsh by fpath": ('culvert completion zsh >"$HOME/_culvert"; fpath=("$HOME" $fpath); autoload -Uz compinit; compinit -u -D; '
                     'compadd() { shift; print -l -- "$@" }; words=("$@"); CURRENT=$#; $_comps[culvert]'),
    "fish": 'culvert completion fish | source; complete -C "$argv[2..-1]"',
}


@pytest.mark.parametrize("shell", COMPLETE)
def test_shells_complete_pods_and_options(mesh, tmp_path, shell):
    run_as = {"bash": ["bash", "-c"], "zsh": ["zsh", "-f", "-c"], "fish": ["fish", "--no-config", "-c"]}[shell.split()[0]]

    def complete(*words):
        path = f"{BUILD / 'bin'}:{os.environ['PATH']}"
        env = {**ENV, "PATH": path, "HOME": str(tmp_path), "TERM": "dumb"}
        return subprocess.run([*run_as, COMPLETE[shell], shell, *words], text=True, capture_output=True, check=True,
                              env=env).stdout.split()
    assert complete("culvert", "expl") == ["explain"]
    assert complete("culvert", "explain", "--name", mesh.lab.name, "shop/n") == ["shop/near"]
    assert complete("culvert", "pods", "-o", "") == ["json", "table", "yaml"]
