"""The proxies of the edge's figures: how each is told the same. Each has a port for each kind of client connection, two routes, one
worker, and writes no log lines; clients of HTTP/2 and gRPC come with prior knowledge, without TLS. To the origin each speaks the
best that it can: HTTP/2 for such clients, but for nginx, which has it only for gRPC.
"""
import json
import pathlib
import shutil

import waypoint_envoy
from envoy import address, install
from labs import PORT, SLEEP, Failed, pod
from waypoint_lab import SPOKEN, origin

# Kind of client connection -> the port of each proxy. The origin's Service has the same, whose names say what is spoken there.
PORTS = {name: {kind: 8000 + 10 * k + n for k, kind in enumerate(SPOKEN)}
         for n, name in enumerate(("culvert", "haproxy", "nginx", "envoy"))}
PROTOCOLS = {"http": "HTTP", "http2": "HTTP2", "grpc": "GRPC"}


def front(kind, protocol):
    """A Gateway and its rules: what our edge is told."""
    port = PORTS["culvert"][kind]
    to = f"route: [{{destination: {{host: origin, port: {{number: {port}}}}}}}]"
    return f"""---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {{name: front-{kind}, namespace: outside}}
spec: {{selector: {{istio: edge}}, servers: [{{port: {{number: {port}, name: {kind}, protocol: {protocol}}}, hosts: ["*"]}}]}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: front-{kind}, namespace: outside}}
spec:
  hosts: ["*"]
  gateways: [front-{kind}]
  http:
  - {{match: [{{uri: {{prefix: /other/}}}}], {to}}}
  - {{{to}}}
"""


NODES = "".join(f"---\napiVersion: v1\nkind: Node\nmetadata: {{name: {name}}}\n" for name in ("east", "middle", "west"))
SERVICE_PORTS = "".join(f"\n  - {{name: {kind}, port: {port}, targetPort: {PORT}}}" for kind, port in PORTS["culvert"].items())
WORLD = NODES + f"""---
apiVersion: v1
kind: Namespace
metadata: {{name: outside}}
---
apiVersion: v1
kind: Service
metadata: {{name: origin, namespace: outside}}
spec:
  selector: {{app: direct}}
  ports:{SERVICE_PORTS}
---
apiVersion: v1
kind: Pod
metadata: {{name: edge, namespace: outside, labels: {{istio: edge}}}}
spec:
  nodeName: middle
  serviceAccountName: edge
  containers: [{{name: proxy, image: culvert-waypoint}}]
""" + "".join(front(kind, protocol) for kind, protocol in PROTOCOLS.items()) \
    + pod("outside", "client", "east", SLEEP) + pod("outside", "others", "middle", SLEEP) + origin("outside", "direct", "v1")

# Its own bound of connections wants two descriptors for each, more than a hard limit of 20,000 has; those of idle clients take one.
HAPROXY = """global
  maxconn 10100
  ulimit-n {descriptors}
  no strict-limits
  nbthread 1
defaults
  mode http
  timeout connect 5s
  timeout client 600s
  timeout server 600s
frontend in
  bind :{http}
  use_backend out if {{ path_beg /other/ }}
  default_backend out
frontend in-2
  bind :{http2} proto h2
  bind :{grpc} proto h2
  use_backend out-2 if {{ path_beg /other/ }}
  default_backend out-2
backend out
  http-reuse always
  server origin {origin}
backend out-2
  http-reuse always
  server origin {origin} proto h2
"""
NGINX = """worker_processes 1;
master_process off;
daemon off;
user root;
worker_rlimit_nofile {descriptors};
pid {folder}/nginx.pid;
error_log {folder}/nginx.log;
events {{ worker_connections 16384; }}
http {{
  access_log off;
  client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  keepalive_requests 100000000;
  keepalive_timeout 600s;
  upstream origin {{ server {origin}; keepalive 64; keepalive_requests 100000000; }}
  upstream origin-grpc {{ server {origin}; keepalive 64; keepalive_requests 100000000; }}
  proxy_http_version 1.1;
  proxy_set_header Connection "";
  server {{
    listen {http};
    listen {http2} http2;
    location / {{ proxy_pass http://origin; }}
    location /other/ {{ proxy_pass http://origin; }}
  }}
  server {{
    listen {grpc} http2;
    location / {{ grpc_pass grpc://origin-grpc; }}
    location /other/ {{ grpc_pass grpc://origin-grpc; }}
  }}
}}
"""


def envoy_configuration(ip):
    listeners, clusters = [], []
    for kind, port in PORTS["envoy"].items():
        routes = [{"match": {"prefix": prefix}, "route": {"cluster": kind, "timeout": "0s", "retry_policy": waypoint_envoy.RETRIES}}
                  for prefix in ("/other/", "/")]
        http = waypoint_envoy.manager(kind, [{"name": "all", "domains": ["*"], "routes": routes}],
                                      codec_type="HTTP1" if kind == "http" else "HTTP2")
        listeners.append({"name": kind, "address": address("0.0.0.0", port), "filter_chains": [{"filters": [http]}]})
        protocol = "http_protocol_options" if kind == "http" else "http2_protocol_options"
        clusters.append(waypoint_envoy.cluster(kind, address(ip, PORT), {protocol: {}}))
    return {"static_resources": {"listeners": listeners, "clusters": clusters}}


def commands(lab, names, descriptors, options):
    """{name: command} of those of `names` that the bench starts itself."""
    folder, ip = pathlib.Path(lab.folder.name), lab.ip("outside/direct-v1")
    out = {}
    for name, text, flags in (("haproxy", HAPROXY, ["-db", "-f"]), ("nginx", NGINX, ["-c"])):
        program = shutil.which(name) or shutil.which(name, path="/usr/sbin")
        if program is None:
            raise Failed(f"{name} is not installed; `./dev bench` does that")
        path = lab.file(f"{name}.conf", text.format(origin=f"{ip}:{PORT}", folder=folder, descriptors=descriptors, **PORTS[name]))
        out[name] = [program, *flags, path]
    if "envoy" in names:
        path = lab.file("edge.json", json.dumps(envoy_configuration(ip), indent=1))
        out["envoy"] = [install(), "-c", path, "--concurrency", options.envoy_threads, "-l", "warning", "--disable-hot-restart"]
    return out
