"""`culvert-waypoint` as a plain HTTP/1.1 edge, beside HAProxy, nginx and Envoy: one worker each, the same client and the same
origin, none of them in the mesh. Each has two routes, and writes no log lines.
"""
import contextlib
import dataclasses
import json
import pathlib
import shutil
import time

import waypoint_envoy
from envoy import address, install
from figures import requests, run_alternating, say
from labs import PORT, SLEEP, Failed, Lab, ended, pod
from readings import memory
from report import row
from report_waypoint import EDGES, load_rows
from states import Holder
from waypoint_lab import origin
from ways import Way

EDGE_PORT = 8000
PORTS = {"culvert": EDGE_PORT, "haproxy": 8001, "nginx": 8002, "envoy": 8003}
LISTED = {"edge": "as a plain HTTP/1.1 edge beside HAProxy, nginx and Envoy: requests, CPU time, idle connections"}
READY_S = 30
IDLE = 4000
WORLD = "".join(f"---\napiVersion: v1\nkind: Node\nmetadata: {{name: {name}}}\n" for name in ("east", "middle", "west")) + f"""---
apiVersion: v1
kind: Namespace
metadata: {{name: outside}}
---
apiVersion: v1
kind: Service
metadata: {{name: origin, namespace: outside}}
spec: {{selector: {{app: direct}}, ports: [{{name: http, port: {PORT}}}]}}
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {{name: front, namespace: outside}}
spec: {{selector: {{istio: edge}}, servers: [{{port: {{number: {EDGE_PORT}, name: http, protocol: HTTP}}, hosts: ["*"]}}]}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: front, namespace: outside}}
spec:
  hosts: ["*"]
  gateways: [front]
  http:
  - {{match: [{{uri: {{prefix: /other/}}}}], route: [{{destination: {{host: origin, port: {{number: {PORT}}}}}}}]}}
  - {{route: [{{destination: {{host: origin, port: {{number: {PORT}}}}}}}]}}
---
apiVersion: v1
kind: Pod
metadata: {{name: edge, namespace: outside, labels: {{istio: edge}}}}
spec:
  nodeName: middle
  serviceAccountName: edge
  containers: [{{name: proxy, image: culvert-waypoint}}]
""" + pod("outside", "client", "east", SLEEP) + pod("outside", "others", "middle", SLEEP) + origin("outside", "direct", "v1")

HAPROXY = """global
  maxconn 8192
  nbthread 1
defaults
  mode http
  timeout connect 5s
  timeout client 600s
  timeout server 600s
frontend in
  bind :{port}
  use_backend out if {{ path_beg /other/ }}
  default_backend out
backend out
  http-reuse always
  server origin {origin}:{origin_port}
"""
NGINX = """worker_processes 1;
master_process off;
daemon off;
user root;
worker_rlimit_nofile 20000;
pid {folder}/nginx.pid;
error_log {folder}/nginx.log;
events {{ worker_connections 8192; }}
http {{
  access_log off;
  client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  keepalive_requests 100000000;
  keepalive_timeout 600s;
  upstream origin {{ server {origin}:{origin_port}; keepalive 64; keepalive_requests 100000000; }}
  proxy_http_version 1.1;
  proxy_set_header Connection "";
  server {{
    listen {port};
    location / {{ proxy_pass http://origin; }}
    location /other/ {{ proxy_pass http://origin; }}
  }}
}}
"""


class Edge(Way):
    """The client, and the proxy's process."""

    def __init__(self, name, lab, target, pids=()):
        self.name, self.lab, self.pids, self.targets = name, lab, list(pids), {"edge": target}

    def client(self, path):
        return "outside/client"

    def run(self, path, word, *flags, timeout=120):
        return super().run(path, word, "--proxied", "--authority", "www.example", *flags, timeout=timeout)

    def wait_ready(self):
        end = time.monotonic() + READY_S
        while True:
            try:
                return self.run("edge", "requests", "--seconds", "0.1", "--warm-up", "0", timeout=20)
            except Failed:
                if time.monotonic() > end:
                    raise
            time.sleep(0.2)


def envoy_configuration(ip):
    routes = [{"match": {"prefix": prefix}, "route": {"cluster": "origin", "timeout": "0s",
                                                      "retry_policy": waypoint_envoy.RETRIES}} for prefix in ("/other/", "/")]
    http = waypoint_envoy.manager("edge", [{"name": "all", "domains": ["*"], "routes": routes}])
    return {"static_resources": {
        "listeners": [{"name": "edge", "address": address("0.0.0.0", PORTS["envoy"]), "filter_chains": [{"filters": [http]}]}],
        "clusters": [waypoint_envoy.cluster("origin", address(ip, PORT), {"http_protocol_options": {}})]}}


def commands(lab, ways, options):
    """{name: command} of those that the bench starts itself."""
    folder, ip = pathlib.Path(lab.folder.name), lab.ip("outside/direct-v1")
    out = {}
    for name, text, flags in (("haproxy", HAPROXY, ["-db", "-f"]), ("nginx", NGINX, ["-c"])):
        program = shutil.which(name) or shutil.which(name, path="/usr/sbin")
        if program is None:
            raise Failed(f"{name} is not installed; `./dev bench` does that")
        path = lab.file(f"{name}.conf", text.format(port=PORTS[name], origin=ip, origin_port=PORT, folder=folder))
        out[name] = [program, *flags, path]
    if "envoy" in ways:
        path = lab.file("edge.json", json.dumps(envoy_configuration(ip), indent=1))
        out["envoy"] = [install(), "-c", path, "--concurrency", options.envoy_threads, "-l", "warning", "--disable-hot-restart"]
    return out


@contextlib.contextmanager
def open_edges(names, options):
    """{name: Edge} inside `with`, in the order of EDGES."""
    with contextlib.ExitStack() as stack:
        flags = ["--waypoint-flag=--workers=1", "--waypoint-flag=--access-log-filter=errors"]
        lab = stack.enter_context(Lab("edge", WORLD, flags=flags))
        out = {"direct": Edge("direct", lab, f"{lab.ip('outside/direct-v1')}:{PORT}"),
               "culvert": Edge("culvert", lab, f"{lab.ip('outside/edge')}:{EDGE_PORT}", [lab.container_pid("outside/edge")])}
        others = lab.ip("outside/others")
        for name, command in commands(lab, names, options).items():
            with pathlib.Path(lab.folder.name, f"{name}.out").open("w") as log:
                process = stack.enter_context(ended(lab.popen("outside/others", *command, stdout=log, stderr=log)))
            out[name] = Edge(name, lab, f"{others}:{PORTS[name]}", [process.pid])
        for edge in out.values():
            edge.wait_ready()
        yield {name: out[name] for name in EDGES if name in out}


def idle_kib(way, count):
    """What a connection takes that has had one request and waits for the next. Ten come first: they have what serving any takes."""
    holder = Holder(way, "edge", ("--proxied", "--authority", "www.example"))
    with ended(holder.process):
        read = []
        for step in (10, count):
            holder.tell(f"open {step}")
            time.sleep(1)
            read.append(memory(way.pids[0])["rss_kib"])
        holder.tell("ask")
        holder.tell("close")
    return (read[1] - read[0]) / (count - 10)


def measure_edge(names, options):
    load = dataclasses.replace(requests("edge", "edge: HTTP/1.1, 32 connections", 32, path="edge"), ways=EDGES)
    count = 500 if options.quick else IDLE
    with open_edges(names, options) as ways:
        runs = run_alternating([load], ways, options.rounds, options.seconds)[load.name]
        idle = {}
        for name, way in ways.items():
            if way.pids:
                idle[name] = [idle_kib(way, count)]
                say(f"{name}: {idle[name][0]:.2f} KiB an idle connection of {count}")
    return [*load_rows(load, runs), row("edge_idle", f"edge: memory of each of {count} idle connections", "KiB", idle)], runs


MEASURES = {"edge": measure_edge}
