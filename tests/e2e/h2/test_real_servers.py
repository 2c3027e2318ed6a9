"""lib/h2 as a client of nginx."""
import os
import shutil
import socket
import subprocess
import time

import pytest
from lab import free_port

CLIENT = os.path.join(os.environ.get("CULVERT_BUILD", "build"), "tests/e2e/h2/h2_client")
CONFIGURATION = """
daemon off;
master_process off;
worker_processes 1;
pid {folder}/pid;
error_log {folder}/error.log;
events {{}}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  client_max_body_size 100m;
  {paths}
  server {{
    listen 127.0.0.1:{port} http2;
    root {folder}/files;
    location /upload {{ return 200 "got it"; }}
    location /nothing {{ return 204; }}
  }}
}}
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("nginx")
    (folder / "files").mkdir()
    for size in (0, 1, 16_384, 5_000_000):
        (folder / "files" / str(size)).write_bytes(b"x" * size)
    port = free_port()
    paths = "".join(f"{kind}_temp_path {folder}/{kind};\n" for kind in ("proxy", "fastcgi", "uwsgi", "scgi"))
    folder.chmod(0o755)
    (folder / "conf").write_text("user root;\n" + CONFIGURATION.format(folder=folder, port=port, paths=paths))
    process = subprocess.Popen([shutil.which("nginx"), "-p", str(folder), "-c", str(folder / "conf")])
    deadline = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            break
        except OSError:
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.05)
    yield f"127.0.0.1:{port}"
    process.terminate()
    process.wait()


def ask(server, *arguments):
    return subprocess.run([CLIENT, server, *map(str, arguments)], capture_output=True, text=True, timeout=60,
                          check=True).stdout.splitlines()


def test_bodies_of_any_size_arrive_as_announced(server):
    for size in (0, 1, 16_384, 5_000_000):
        said = ask(server, "GET", f"/{size}")
        assert said[0] == "200" and f"announced {size}" in said and said[-1] == f"received {size}"


def test_answers_without_bodies_end_with_their_heads(server):
    said = ask(server, "HEAD", "/5000000")
    assert said[0] == "200" and "announced 5000000" in said and said[-1] == "received 0"
    nothing = ask(server, "GET", "/nothing")
    assert nothing[0] == "204" and nothing[-1] == "received 0"
    assert ask(server, "GET", "/missing")[0] == "404"


def test_requests_with_bodies_are_taken(server):
    for size in (0, 1, 1_000_000):
        said = ask(server, "PUT", "/upload", size)
        assert said[0] == "200" and said[-1] == "received 6"
