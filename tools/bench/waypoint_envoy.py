"""Envoy in a waypoint's place: HBONE in, HTTP rules, HBONE on, with a certificate of the lab's authority. It is put
together as Istio's waypoints are: the listener that ends CONNECT hands the bytes to an internal listener with the
rules, whose endpoints are internal listeners that make CONNECT. It has less than those: no lookup of who asks,
no policy, no metrics by workload; a route and a cluster for what is measured, and a log line a request.
"""
import contextlib
import json
import pathlib
import shutil
import subprocess
import time

from envoy import HBONE_PORT, READY_S, access_log, address, install, leaf, tls, typed, windows
from labs import PORT, Failed, ended

# What Istio's routes have where a VirtualService says nothing of retries, and its clusters of limits.
RETRIES = {"retry_on": "connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes", "num_retries": 2,
           "retriable_status_codes": [503], "retry_host_predicate": [{
               "name": "envoy.retry_host_predicates.previous_hosts", "typed_config": typed(
                   "envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate")}],
           "host_selection_retry_max_attempts": 5}
NO_LIMITS = {"thresholds": [{"max_connections": 4294967295, "max_pending_requests": 4294967295,
                             "max_requests": 4294967295, "max_retries": 4294967295}]}
HTTP_2 = {"http2_protocol_options": windows()}


def internal(name):
    return {"envoy_internal_address": {"server_listener_name": name}}


def cluster(name, to, http=None, **fields):
    protocol = {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": typed(
        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions", explicit_http_config=http)} if http else {}
    return {"name": name, "type": "STATIC", "connect_timeout": "10s", "circuit_breakers": NO_LIMITS,
            "typed_extension_protocol_options": protocol, **fields,
            "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [{"endpoint": {"address": to}}]}]}}


def manager(name, hosts, **fields):
    return {"name": "http", "typed_config": typed(
        "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager", stat_prefix=name,
        stream_idle_timeout="0s", route_config={"virtual_hosts": hosts}, **fields,
        http_filters=[{"name": "router", "typed_config": typed("envoy.extensions.filters.http.router.v3.Router")}])}


def entrance(folder, ip, ports):
    """CONNECT is ended here, by the port that it names."""
    hosts = [{"name": f"port-{port}", "domains": [f"*:{port}"], "routes": [{
        "match": {"connect_matcher": {}},
        "route": {"cluster": f"rules-{word}", "timeout": "0s",
                  "upgrade_configs": [{"upgrade_type": "CONNECT", "connect_config": {}}]}}]} for word, port in ports.items()]
    socket = typed("envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext", require_client_certificate=True,
                   common_tls_context=tls(folder, "stand-in", "client"))
    http = manager("entrance", hosts, codec_type="HTTP2", http2_protocol_options={"allow_connect": True, **windows()},
                   upgrade_configs=[{"upgrade_type": "CONNECT"}])
    return {"name": "entrance", "address": address(ip, HBONE_PORT), "filter_chains": [
        {"transport_socket": {"name": "tls", "typed_config": socket}, "filters": [http]}]}


def routes(word, others, subsets, prefix):
    def one(match, **action):
        return {"match": match, "route": {"timeout": "0s", "retry_policy": RETRIES, **action}}
    weights = [{"name": f"{word}-{name}", "weight": share} for name, share in subsets.items()]
    last = list(subsets)[-1]
    return [*(one({"prefix": prefix(number)}, cluster=f"{word}-{last}") for number in range(others)),
            one({"prefix": "/"}, weighted_clusters={"clusters": weights})]


def on_to(folder, version, ip):
    """The internal listener that an endpoint is: CONNECT to the pod, over its node's HBONE port."""
    proxy = typed("envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy", stat_prefix=f"to-{version}",
                  cluster=f"tunnel-{version}", tunneling_config={"hostname": f"{ip}:{PORT}"})
    socket = typed("envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
                   common_tls_context=tls(folder, "stand-in", "origin"))
    return ({"name": f"to-{version}", "internal_listener": {},
             "filter_chains": [{"filters": [{"name": "tcp", "typed_config": proxy}]}]},
            cluster(f"tunnel-{version}", address(ip, HBONE_PORT), HTTP_2,
                    transport_socket={"name": "tls", "typed_config": socket}))


def configuration(folder, ip, ports, origins, subsets, others, prefix):
    """`origins`: {version: address}; `prefix`: what the n-th of the other routes matches."""
    listeners, clusters = [entrance(folder, ip, ports)], []
    for version, to in origins.items():
        listener, tunnel = on_to(folder, version, to)
        listeners.append(listener)
        clusters.append(tunnel)
    for word in ports:
        hosts = [{"name": "all", "domains": ["*"], "routes": routes(word, others, subsets, prefix)}]
        listeners.append({"name": f"rules-{word}", "internal_listener": {}, "filter_chains": [{"filters": [
            manager(word, hosts, access_log=access_log(folder / "requests.log"))]}]})
        clusters.append(cluster(f"rules-{word}", internal(f"rules-{word}")))
        http = {"http_protocol_options": {}} if word == "http" else HTTP_2
        clusters += [cluster(f"{word}-{version}", internal(f"to-{version}"), http) for version in origins]
    extension = {"name": "envoy.bootstrap.internal_listener", "typed_config": typed(
        "envoy.extensions.bootstrap.internal_listener.v3.InternalListener")}
    return {"bootstrap_extensions": [extension], "static_resources": {"listeners": listeners, "clusters": clusters}}


def certificate(lab, folder):
    """Of the waypoint's service account, signed as control signs."""
    authority = pathlib.Path("/run/culvert/lab", lab.name, "control/state/ca")
    shutil.copy(authority / "ca-cert.pem", folder / "root.pem")
    leaf(folder, "stand-in", authority / "ca-cert.pem", authority / "ca-key.pem")


@contextlib.contextmanager
def running(lab, pod, config, probe, options):
    """The process, in `pod`, once `probe` says true."""
    folder = pathlib.Path(lab.folder.name)
    path, log = lab.file("stand-in.json", json.dumps(config, indent=1)), folder / "stand-in.log"
    with log.open("w") as out:
        process = lab.popen(pod, install(), "-c", path, "--concurrency", options.envoy_threads, "-l", "warning",
                            "--disable-hot-restart", stdout=out, stderr=subprocess.STDOUT)
    with ended(process):
        end = time.monotonic() + READY_S
        while not probe():
            if process.poll() is not None or time.monotonic() > end:
                raise Failed(f"Envoy does not answer in the waypoint's place:\n{log.read_text()[-2000:]}")
            time.sleep(0.2)
        yield process
