"""meshConfig.pathNormalization at the real process: what a rule sees of a path, and what is sent on."""
import json
import os

import pytest
from flows import echo_pod, front, meshed
from lab import Lab

WORLD = meshed("shop") + echo_pod("shop", "web", "east") + front(
    "shop", "east", "[{match: [{uri: {exact: /ruled/x}}], directResponse: {status: 418}}, {route: [{destination: {host: web}}]}]") + """---
apiVersion: v1
kind: Node
metadata: {name: east}
---
apiVersion: v1
kind: Pod
metadata: {name: client, namespace: default}
spec: {nodeName: east, containers: [{name: sleeper, command: [sleep, "100000"]}]}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {selector: {app: web}, ports: [{name: http, port: 8080}]}
"""

# Asked as it stands; what came on at the server, or 418 where the rule for /ruled/x was met.
ASKED = ["/ruled/x", "/a/../ruled/%78", "/ruled//x", "/ruled%2Fx"]
BECOMES = {
    "NONE": [418, "/a/../ruled/%78", "/ruled//x", "/ruled%2Fx"],
    "BASE": [418, 418, "/ruled//x", "/ruled%2Fx"],
    "MERGE_SLASHES": [418, 418, 418, "/ruled%2Fx"],
    "DECODE_AND_MERGE_SLASHES": [418, 418, 418, 418],
}


@pytest.mark.parametrize("option", BECOMES)
def test_each_option_holds_for_what_rules_see_and_servers_get(option):
    with Lab(f"prox-path-{os.getpid()}", WORLD, flags=[f"--waypoint-flag=--path-normalization={option}"]) as lab:
        edge = lab.ips("shop/edge")[0]

        def becomes(path):
            done = lab.exec("default/client", "curl", "-sS", "--path-as-is", "--max-time", "20", "-w", "\n%{http_code}",
                            f"http://{edge}{path}")
            assert done.returncode == 0, done.stderr
            body, _, status = done.stdout.rpartition("\n")
            return json.loads(body)["path"] if status == "200" else int(status)
        assert [becomes(path) for path in ASKED] == BECOMES[option]
