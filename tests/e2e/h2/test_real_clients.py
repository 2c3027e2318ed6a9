"""lib/h2 against curl and h2load. (curl 7.88 cannot do parallel transfers with prior knowledge.)"""
import os
import socket
import subprocess

import pytest

SERVER = os.path.join(os.environ.get("CULVERT_BUILD", "build"), "tests/e2e/h2/h2_server")


@pytest.fixture
def server():
    process = subprocess.Popen([SERVER, "127.0.0.1:0"], stdout=subprocess.PIPE, text=True)
    yield process, int(process.stdout.readline().split()[1])
    process.kill()
    process.wait()
    process.stdout.close()


def curl(port, path, *arguments):
    return subprocess.run(
        ["curl", "--http2-prior-knowledge", "-sS", "--max-time", "30", *arguments, f"http://127.0.0.1:{port}{path}"],
        capture_output=True, timeout=60)


def test_a_body_of_any_size_arrives_whole(server):
    for size in (0, 1, 16375, 16376, 65535, 65536, 50_000_000):
        assert len(curl(server[1], f"/{size}").stdout) == size


def test_an_upload_of_any_size_is_counted(server, tmp_path):
    body = tmp_path / "body"
    for size in (0, 1, 4_194_304, 30_000_000):
        body.write_bytes(b"y" * size)
        assert curl(server[1], "/", "--data-binary", f"@{body}").stdout == f"{size}\n".encode()


@pytest.mark.parametrize("path, requests", [("/1000", 20000), ("/2000000", 300)])
def test_many_streams_share_connections(server, path, requests):
    process, port = server
    done = subprocess.run(
        ["h2load", "-n", str(requests), "-c", "3", "-m", "50", f"http://127.0.0.1:{port}{path}"],
        capture_output=True, text=True, timeout=60, check=True)
    assert f"{requests} succeeded, 0 failed, 0 errored, 0 timeout" in done.stdout
    for _ in range(3):
        assert process.stdout.readline() == "ended: in order\n"


def test_trailers_arrive(server):
    assert b"x-end: here" in curl(server[1], "/trailers", "-i").stdout


def test_an_informational_response_arrives_before_the_final_one(server):
    said = curl(server[1], "/hints", "-i").stdout.replace(b"\r\n", b"\n")
    assert said.startswith(b"HTTP/2 103 \nlink: </a.css>\n\nHTTP/2 200 \n")


def test_heads_of_real_clients_get_the_form_of_all_requests(server):
    said = curl(server[1], "/mirror", "-X", "PUT", "-d", "abc", "-b", "a=b; c=d", "-H", "Te: trailers").stdout.decode()
    assert said.startswith(f"PUT http://127.0.0.1:{server[1]} /mirror\n")
    assert {"cookie: a=b; c=d", "te: trailers", "--"} < set(said.splitlines())
    assert "content-length" not in said and "host:" not in said
    head = curl(server[1], "/mirror", "-I").stdout
    assert b"HTTP/2 200" in head and b"content-length: " in head


def test_trailers_of_real_clients_arrive(server, tmp_path):
    (tmp_path / "body").write_bytes(b"y" * 100_000)
    done = subprocess.run(["nghttp", "-d", str(tmp_path / "body"), "--trailer", "x-sum: 1", "-H", "cookie: e=f",
                           f"http://127.0.0.1:{server[1]}/mirror"], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.endswith("--\nx-sum: 1\n") and "cookie: e=f\n" in done.stdout


def test_a_host_that_is_none_is_answered_with_400(server):
    assert b"HTTP/2 400" in curl(server[1], "/3", "-i", "-H", "Host: user@web").stdout


def test_a_stream_that_is_dropped_is_reset(server):
    done = curl(server[1], "/reset")
    assert done.returncode == 92  # CURLE_HTTP2_STREAM
    assert b"CANCEL" in done.stderr


def test_a_client_that_goes_away_midway_ends_its_connection_only(server):
    process, port = server
    assert curl(port, "/500000000", "--max-time", "0.2", "-o", "/dev/null").returncode == 28
    assert process.stdout.readline().startswith("ended:")
    assert curl(port, "/3").stdout == b"xxx"


def test_http_1_is_answered_with_goaway_and_closed(server):
    process, port = server
    with socket.create_connection(("127.0.0.1", port), timeout=10) as s:
        s.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        received = b""
        while chunk := s.recv(65536):
            received += chunk
    assert b"\x07\x00\x00\x00\x00\x00" in received  # a GOAWAY frame on stream 0
    assert "protocol" in process.stdout.readline()
