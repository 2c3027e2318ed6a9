"""Envoy with the routes that groups have for it, written by hand: a listener a group, a cluster a version."""
import collections
import contextlib
import importlib.util
import json
import pathlib
import subprocess
import sys
import tempfile
import time

import ask
import outside
import tables

ROOT = pathlib.Path(__file__).resolve().parents[2]
HERE = pathlib.Path(__file__).resolve().parent
READY_S = 180


def binary():
    """Envoy as the bench installs it."""
    bench = ROOT / "tools" / "bench"
    sys.path.insert(0, str(bench))
    try:
        spec = importlib.util.spec_from_file_location("bench_envoy", bench / "envoy.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(bench))
    return module.install()


def typed(name, **fields):
    return {"@type": f"type.googleapis.com/envoy.extensions.filters.{name}", **fields}


# Whose x-forwarded-for names one of these alone is of the mesh: what it says in x-envoy headers counts.
OF_THE_MESH = {"cidr_ranges": [{"address_prefix": "10.0.0.0", "prefix_len": 8}]}


def listener(group, path):
    filters = [{"name": "envoy.filters.http.cors", "typed_config": typed("http.cors.v3.Cors")},
               {"name": "envoy.filters.http.fault", "typed_config": typed("http.fault.v3.HTTPFault")},
               {"name": "envoy.filters.http.router", "typed_config": typed("http.router.v3.Router")}]
    hosts = [{"name": "all", "domains": ["*"], "routes": group.given["envoy"]}]
    manager = typed("network.http_connection_manager.v3.HttpConnectionManager", stat_prefix=group.name, internal_address_config=OF_THE_MESH,
                    route_config={"virtual_hosts": hosts}, http_filters=filters)
    if group.proxies:  # who asks at its socket is of the mesh, or anybody
        manager.update(use_remote_address=True, internal_address_config={"unix_sockets": group.proxies == "mesh"})
    return {"name": group.name, "address": {"pipe": {"path": path}},
            "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}]}


def cluster(version, port):
    address = {"socket_address": {"address": "127.0.0.1", "port_value": port}}
    endpoints = [{"lb_endpoints": [{"endpoint": {"address": address}}]}]
    many = [{"max_connections": 10000, "max_pending_requests": 10000, "max_requests": 10000, "max_retries": 10000}]  # as Istio has it
    return {"name": version, "type": "STATIC", "connect_timeout": "10s", "circuit_breakers": {"thresholds": many},
            "load_assignment": {"cluster_name": version, "endpoints": endpoints}}


def logged(place, log, clusters, routes):
    """The configuration of an Envoy at this socket."""
    line = {"@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog", "path": log,
            "log_format": {"text_format_source": {"inline_string": "%PATH% %RESPONSE_CODE% %RESPONSE_FLAGS%\n"}}}
    manager = typed("network.http_connection_manager.v3.HttpConnectionManager", stat_prefix="told",
                          access_log=[{"name": "envoy.access_loggers.file", "typed_config": line}],
                          route_config={"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": routes}]},
                          http_filters=[{"name": "envoy.filters.http.router", "typed_config": typed("http.router.v3.Router")}])
    return {"static_resources": {"clusters": clusters, "listeners": [
        {"name": "told", "address": {"pipe": {"path": place}}, "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}]}]}}


@contextlib.contextmanager
def running(clusters, routes):
    """An Envoy that answers, inside `with`: its socket, and its log with "PATH STATUS FLAGS" of each request."""
    with tempfile.TemporaryDirectory(prefix="culvert-envoy-") as name:
        folder = pathlib.Path(name)
        place, log = str(folder / "told.sock"), folder / "access.log"
        (folder / "envoy.json").write_text(json.dumps(logged(place, str(log), clusters, routes)))
        log.touch()
        process = subprocess.Popen([binary(), "-c", folder / "envoy.json", "--concurrency", "1", "-l", "off", "--disable-hot-restart",
                                    "--file-flush-interval-msec", "50"])
        try:
            until = time.monotonic() + READY_S
            while "error" in ask.ask({"to": place, "method": "GET", "path": "/ready", "authority": "a", "headers": []}):
                if process.poll() is not None or time.monotonic() > until:
                    raise RuntimeError("Envoy does not answer")
                time.sleep(0.1)
            yield place, log
        finally:
            end(process)


class Envoy(contextlib.ExitStack):
    """Running inside `with`, beside an echo server a version."""

    def __enter__(self):
        super().__enter__()
        try:
            self.folder = pathlib.Path(self.enter_context(tempfile.TemporaryDirectory(prefix="culvert-envoy-")))
            self.groups = [group for group in tables.groups() if "envoy" in group.given]
            self.ports = ports = {version: self.server(version) for version in tables.VERSIONS}
            config = {"static_resources": {
                "listeners": [listener(group, self.place(group)) for group in self.groups],
                "clusters": [cluster(version, port) for version, port in ports.items()]}}
            (self.folder / "envoy.json").write_text(json.dumps(config, indent=1))
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def place(self, group):
        return str(self.folder / f"{group.name}.sock")

    def server(self, version):
        process = subprocess.Popen([sys.executable, HERE / "echo.py", version], stdout=subprocess.PIPE, text=True)
        self.callback(end, process)
        return int(process.stdout.readline())

    def start(self):
        log = self.folder / "envoy.log"
        with log.open("w") as out:
            process = subprocess.Popen([binary(), "-c", self.folder / "envoy.json", "--concurrency", "1", "-l", "warning",
                                        "--disable-hot-restart"], stdout=out, stderr=subprocess.STDOUT)
        self.callback(end, process)
        deadline = time.monotonic() + READY_S
        while any("error" in one for one in ask.ask_all([
                {"to": self.place(self.groups[-1]), "method": "GET", "path": "/", "authority": "a", "headers": []}])):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"Envoy does not answer:\n{log.read_text()[-3000:]}")
            time.sleep(0.1)

    def answers(self):
        """(case, what came back) of each case of groups with routes for Envoy."""
        cases = [case for group in self.groups for case in group.cases if case.given.get("times", 1) == 1]
        asked = [outside.request(case, self.place(case.group)) for case in cases]
        results = ask.ask_all(asked)
        copies = self.copies({number(one): len(case.given.get("mirrored", [])) for case, one in zip(cases, asked, strict=True)})
        return [(case, {**result, "mirrored": copies[number(one)]}) for case, one, result in zip(cases, asked, results, strict=True)]

    def copies(self, least):
        """By request: "VERSION as HOST" of the copies that servers got, once there are so many: they come behind the answers."""
        until = time.monotonic() + READY_S
        while True:
            out = collections.defaultdict(list)
            for version, port in self.ports.items():
                told = ask.ask({"to": ["localhost", port], "method": "GET", "path": "/_mirrored", "authority": "a", "headers": []})
                for asked, hosts in json.loads(told["body"]).items():
                    out[asked] += [f"{version} as {host}" for host in hosts]
            if all(len(out[one]) >= count for one, count in least.items()) or time.monotonic() > until:
                return out
            time.sleep(0.05)


def number(request):
    return dict(request["headers"])["x-ask"]


def end(process):
    process.terminate()
    try:
        process.wait(timeout=60)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
