"""A lab without the mesh: pods reach each other by name, exec is faithful, labs stand side by side."""
import json
import os

import machine
import pytest
from lab import APPS, Lab, culvert, wait_until

RUN = os.getpid()  # two runs on one machine do not share labs
NAME = f"e2e-shop-{RUN}"
SHOP = f"""
apiVersion: v1
kind: Node
metadata: {{name: east}}
---
apiVersion: v1
kind: Node
metadata: {{name: west}}
---
apiVersion: v1
kind: Pod
metadata: {{name: web, namespace: shop, labels: {{app: web}}}}
spec:
  nodeName: east
  containers:
  - name: web
    command: [python3, {APPS}/http_echo.py]
    args: ["$(PORT)"]
    env: [{{name: PORT, value: "8080"}}]
    ports: [{{containerPort: 8080}}]
    readinessProbe: {{httpGet: {{path: /ready, port: 8080}}}}
---
apiVersion: v1
kind: Service
metadata: {{name: catalog, namespace: shop}}
spec:
  selector: {{app: web}}
  ports: [{{port: 8080}}]
---
apiVersion: v1
kind: Pod
metadata: {{name: far, namespace: shop}}
spec:
  nodeName: west
  containers: [{{name: c, command: [sleep, "100000"]}}]
---
apiVersion: v1
kind: Pod
metadata: {{name: near, namespace: tools}}
spec:
  nodeName: east
  containers: [{{name: c, command: [sleep, "100000"]}}]
"""


@pytest.fixture(scope="module")
def shop():
    with Lab(NAME, SHOP, mesh=False) as lab:
        yield lab


@pytest.mark.parametrize("client", ["shop/far", "tools/near"])
@pytest.mark.parametrize("family", ["4", "6"])
def test_a_service_name_leads_to_its_pod(shop, client, family):
    name = "catalog" if client.startswith("shop/") else "catalog.shop"
    code, body = shop.curl(client, f"http://{name}:8080/hello", f"-{family}")
    assert code == 0, body
    seen = json.loads(body)
    assert seen["server"] == "web" and seen["path"] == "/hello"
    ipv4, ipv6 = shop.ips(client)
    assert seen["peer"][0] == (ipv4 if family == "4" else ipv6)


@pytest.mark.parametrize("name", ["catalog", "catalog.shop", "catalog.shop.svc",
                                  "catalog.shop.svc.cluster.local"])
def test_all_four_forms_of_a_service_name_resolve(shop, name):
    assert shop.curl("shop/far", f"http://{name}:8080/")[0] == 0


def test_the_short_form_is_not_known_in_another_namespace(shop):
    assert shop.curl("tools/near", "http://catalog:8080/")[0] != 0


def test_the_server_logs_its_clients_real_addresses(shop):
    ipv4, _ = shop.ips("shop/far")
    shop.connect("shop/far", shop.ips("shop/web")[0], 8080, "--send", "GET / HTTP/1.0\r\n\r\n")
    wait_until(lambda: any(line.get("getpeername", [""])[0] == ipv4
                           for line in shop.log_lines("shop/web")), "the connection in the log")


def test_an_http_probe_comes_from_the_node(shop):
    node = shop.status()["nodes"][0]["ips"]
    probes = [line for line in shop.log_lines("shop/web") if "/ready" in line.get("line", "")]
    assert probes and probes[0]["peer"][0] in node


def test_exec_ends_as_its_command_ends(shop):
    done = shop.exec("shop/far", "sh", "-c", "echo out; echo err >&2; exit 42")
    assert (done.returncode, done.stdout, done.stderr) == (42, "out\n", "err\n")


def test_exec_passes_standard_input_and_arguments_untouched(shop):
    done = shop.exec("shop/far", "cat", "-", input="a\nb")
    assert done.stdout == "a\nb"
    done = shop.exec("shop/far", "printf", "%s|", "two words", "--name", "", "$HOME")
    assert done.stdout == "two words|--name||$HOME|"


def test_exec_is_inside_the_pod(shop):
    done = shop.exec("shop/far", "sh", "-c", "hostname; ls /sys/class/net; cat /proc/self/cgroup")
    assert done.stdout.startswith("far\neth0\nlo\n")
    assert f"/culvert/lab/{NAME}/west/pods/{shop.pod('shop/far')['uid']}" in done.stdout


def test_exec_in_a_node_sees_the_nodes_links(shop):
    links = shop.exec("node/east", "ip", "-br", "link").stdout
    assert "eth0@" in links and len(links.splitlines()) == 4  # lo, eth0, two pods


def test_exec_names_the_pods_when_there_is_no_such_pod(shop):
    done = shop.exec("shop/nobody", "true")
    assert done.returncode == 127
    assert "no pod shop/nobody" in done.stderr and "shop/web" in done.stderr


def test_a_capture_sees_the_bytes_on_the_nodes_link(shop):
    with shop.capture("node/east", "tcp port 8080", interface="eth0") as capture:
        assert shop.curl("shop/far", "http://catalog:8080/find-me-on-the-wire", "-4")[0] == 0
    assert b"find-me-on-the-wire" in capture.bytes


def test_a_killed_process_comes_back(shop):
    before = shop.pod("tools/near")["processes"][0]["pid"]
    shop.kill("tools/near")
    wait_until(lambda: shop.pod("tools/near")["processes"][0]["pid"] not in (0, before),
               "the pod's process again")


def test_status_says_in_words_why_a_pod_is_not_in_the_mesh(shop):
    pods = culvert("pods", "--name", NAME).stdout
    assert "--mesh=none" in pods and "shop/web" in pods
    assert shop.status()["healthy"]


def test_apply_adds_changes_and_delete_removes_a_pod(shop):
    pod = """
apiVersion: v1
kind: Pod
metadata: {name: late, namespace: shop, labels: {app: late}}
spec:
  containers: [{name: c, command: [sleep, "%s"]}]
"""
    shop.apply(pod % "1000")
    uid = shop.pod("shop/late")["uid"]
    assert shop.exec("shop/late", "hostname").stdout == "late\n"
    shop.apply(pod % "1000")
    assert shop.pod("shop/late")["uid"] == uid, "an unchanged pod keeps running"
    shop.apply(pod % "2000")
    assert shop.pod("shop/late")["uid"] != uid, "a changed pod is replaced"
    shop.delete("Pod", "shop/late")
    with pytest.raises(KeyError):
        shop.pod("shop/late")
    assert "shop/late" in shop.delete("Pod", "shop/late", check=False).stderr


def test_a_new_services_name_appears_in_running_pods(shop):
    shop.apply("kind: Service\napiVersion: v1\nmetadata: {name: second, namespace: shop}\n"
               "spec: {selector: {app: web}, ports: [{port: 8080}]}\n")
    assert shop.curl("shop/far", "http://second.shop.svc:8080/")[0] == 0
    shop.delete("Service", "shop/second")
    assert shop.curl("shop/far", "http://second.shop.svc:8080/")[0] != 0


def test_labs_stand_side_by_side(shop):
    with Lab(f"e2e-other-{RUN}", SHOP, mesh=False) as other:
        assert other.curl("shop/far", "http://catalog:8080/")[0] == 0
        other.kill("shop/web")
        assert shop.curl("shop/far", "http://catalog:8080/")[0] == 0
    assert machine.remains(f"e2e-other-{RUN}") == {}
    assert shop.curl("shop/far", "http://catalog:8080/")[0] == 0


def test_a_name_in_use_is_refused_and_says_what_to_do(shop, tmp_path):
    path = tmp_path / "m.yaml"
    path.write_text(SHOP)
    done = culvert("lab", "up", "--name", NAME, "--mesh=none", "-f", path, check=False)
    assert done.returncode == 1
    assert "exists already" in done.stderr and f"culvert lab down --name {NAME}" in done.stderr
    assert shop.status()["healthy"]


def test_the_machines_own_rules_and_links_are_untouched_while_labs_run():
    before = machine.snapshot()
    with Lab(f"e2e-rules-{RUN}", SHOP, mesh=False) as lab:
        assert machine.snapshot() == before
        for pod in lab.status()["pods"]:
            rules = machine.rules(pod["netns"].rsplit("/", 1)[1])
            assert rules["iptables"] == [] and rules["nft"] == ""
    assert machine.snapshot() == before


def test_a_lab_whose_name_is_taken_is_refused_and_the_one_that_has_it_stays(shop):
    with pytest.raises(AssertionError, match="exists already"):
        Lab(NAME, SHOP, mesh=False).__enter__()
    assert shop.status()["up"] and shop.exec("shop/far", "true").returncode == 0
