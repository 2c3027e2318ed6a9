"""Programs that people have: curl, nginx, iperf3, Python's HTTP server, netcat."""
import hashlib
import json
import os
import random
import subprocess

import pytest
from lab import wait_until
from town import CLIENT, ip_of

PAGE_BYTES = 3_000_000

NGINX = """
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 256; }}
http {{
  access_log {folder}/access.log;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  server {{
    listen 8090;
    listen [::]:8090;
    root {folder}/pages;
    location /who {{ return 200 "$remote_addr $remote_port\\n"; }}
  }}
}}
"""


@pytest.fixture
def running():
    """Starts programs in pods; ends them after the test."""
    started = []

    def start(lab, pod, *argv, port, **options):
        process = lab.popen(pod, *argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options)
        started.append(process)
        wait_until(lambda: f":{port} " in lab.exec(pod, "ss", "-Hltn").stdout, f"{argv[0]} listens on {port}")
        return process

    yield start
    for process in started:
        process.terminate()
        process.wait(timeout=60)


@pytest.fixture
def pages(tmp_path):
    folder = tmp_path / "pages"
    folder.mkdir()
    (folder / "big").write_bytes(random.randbytes(PAGE_BYTES))
    os.chmod(tmp_path, 0o755)
    for parent in list(tmp_path.parents)[:2]:
        os.chmod(parent, 0o755)  # nginx' worker is not root
    return folder


def url(address, port, path):
    host = f"[{address}]" if ":" in address else address
    return f"http://{host}:{port}/{path}"


def digest(lab, target, *flags):
    done = lab.exec(CLIENT, "sh", "-c", f"curl -sS -g --max-time 120 {' '.join(flags)} '{target}' | sha1sum")
    return done.stdout.split()[0]


def test_curl_fetches_pages_from_nginx_which_logs_its_address(joined, running, pages):
    config = pages.parent / "nginx.conf"
    config.write_text(NGINX.format(folder=pages.parent))
    wanted = hashlib.sha1((pages / "big").read_bytes()).hexdigest()
    for server in ("town/near", "town/far"):
        running(joined, server, "nginx", "-p", pages.parent, "-e", pages.parent / "error.log", "-c", config, port=8090)
        for family in (4, 6):
            address = ip_of(joined, server, family)
            assert digest(joined, url(address, 8090, "big")) == wanted
            done = joined.exec(CLIENT, "curl", "-sS", "-g", "-w", "%{local_ip} %{local_port}\n",
                               url(address, 8090, "who"), check=True)
            seen, own = done.stdout.splitlines()
            assert seen == own and own.split()[0] == ip_of(joined, CLIENT, family)


def test_curl_fetches_a_page_from_pythons_http_server(joined, running, pages, family):
    running(joined, "town/far", "python3", "-m", "http.server", "8091", "--bind", "::", "-d", pages, port=8091)
    wanted = hashlib.sha1((pages / "big").read_bytes()).hexdigest()
    assert digest(joined, url(ip_of(joined, "town/far", family), 8091, "big"), "--http1.0") == wanted


@pytest.mark.parametrize("server", ["town/near", "town/far"])
def test_iperf3_measures_both_directions(joined, running, server, family):
    running(joined, server, "iperf3", "-s", "-p", "5201", port=5201)
    for direction in ([], ["-R"]):
        done = joined.exec(CLIENT, "iperf3", "-c", ip_of(joined, server, family), "-p", "5201", "-n", "50M", "-P", "2",
                           "-J", *direction)
        report = json.loads(done.stdout)
        assert "error" not in report, report
        assert report["end"]["sum_sent"]["bytes"] >= 50_000_000
        assert report["end"]["sum_received"]["bytes"] >= 25_000_000  # when the sender was done
        assert report["end"]["sum_received"]["bits_per_second"] > 0


def test_netcat_talks_to_netcat(joined, family):
    address = ip_of(joined, "town/far", family)
    server = joined.popen("town/far", "nc", "-l", f"-{family}", "-N", address, "5555", stdin=subprocess.PIPE)
    wait_until(lambda: ":5555 " in joined.exec("town/far", "ss", "-Hltn").stdout, "netcat listens")
    client = joined.popen(CLIENT, "nc", "-N", address, "5555", stdin=subprocess.PIPE)
    server.stdin.write("from the server\n")
    server.stdin.close()
    assert client.communicate("from the client\n", timeout=60)[0] == "from the server\n"
    assert server.stdout.read() == "from the client\n" and server.wait(timeout=60) == 0
    assert client.returncode == 0
