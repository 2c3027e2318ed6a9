"""How connections end: each half by itself, a reset as a reset, and a refusal at once."""
import os
import signal
import time

import pytest
from lab import wait_until
from town import CLIENT, heard_by, ip_of, talk

pytestmark = pytest.mark.sanitized

FIN_FIRST, SERVER_ENDS_FIRST, SERVER_RESETS, SERVER_LISTENS, RESET_AFTER_FIN, BOTH_END = range(7001, 7007)
CLOSED_PORT = 9
AT_ONCE_S = 5  # ztunnel gives up dialing after 10


def call(way, family, port, steps):
    lab, server = way
    answer = talk(lab, ip_of(lab, server, family), port, steps)
    return answer, lambda: heard_by(lab, server, "talk", port, answer["getsockname"])


def test_a_client_that_has_ended_still_hears_the_answer(way, family):
    answer, server = call(way, family, FIN_FIRST, "send:my words,fin,eof")
    assert answer["heard"] == ["after your end"] and "error" not in answer
    assert server()["heard"] == ["my words"]


def test_a_server_that_has_ended_still_hears_the_client(way, family):
    answer, server = call(way, family, SERVER_ENDS_FIRST, "eof,sleep:0.1,send:late words,fin")
    assert answer["heard"] == ["before your end"] and "error" not in answer
    assert server()["heard"] == ["late words"] and "error" not in server()


def test_both_may_end_at_the_same_time(way, family):
    answer, server = call(way, family, BOTH_END, "send:hi,fin,eof")
    assert answer["heard"] == ["bye"] and "error" not in answer
    assert server()["heard"] == ["hi"] and "error" not in server()


def test_a_reset_by_the_server_is_a_reset_at_the_client(way, family):
    answer, _ = call(way, family, SERVER_RESETS, "send:hi\\n,eof")
    assert (answer["error"], answer["at"]) == ("ECONNRESET", "eof")


def test_a_reset_by_the_client_is_a_reset_at_the_server(way, family):
    answer, server = call(way, family, SERVER_LISTENS, "send:hi\\n,line,rst")
    assert answer["heard"] == ["go on\n"]
    assert (server()["error"], server()["at"]) == ("ECONNRESET", "eof")


def test_a_reset_after_the_clients_end_is_a_reset_too(way, family):
    answer, server = call(way, family, RESET_AFTER_FIN, "send:hi,fin,eof")
    assert (answer["error"], answer["at"]) == ("ECONNRESET", "eof")
    assert server()["heard"] == ["hi"]


def test_a_server_that_dies_in_a_transfer_is_never_taken_for_one_that_ended(way):
    lab, server = way
    victim = next(p for p in lab.pod(server)["processes"] if p["id"].endswith("/flood"))
    flood = lab.popen(CLIENT, "python3", "-c", DOWNLOAD, ip_of(lab, server, 4))
    assert flood.stdout.readline() == "flowing\n"
    wait_until(lambda: has_unread(lab, server), "bytes that the server has not read")
    os.kill(victim["pid"], signal.SIGKILL)
    assert flood.stdout.readline() == "ConnectionResetError\n"
    assert flood.wait(timeout=60) == 0
    lab_is_whole_again(lab, server, victim["pid"])


def has_unread(lab, server):
    """Else its kernel says FIN for it when it dies, as nothing was lost."""
    shown = lab.exec(server, "ss", "-Htn", "state", "established", "sport", "=", ":5001", check=True).stdout
    return any(int(line.split()[0]) > 0 for line in shown.splitlines())


# Sends what the server has not read when it dies, so that its kernel says RST (as without a mesh).
DOWNLOAD = """
import socket, sys
s = socket.create_connection((sys.argv[1], 5001))
s.sendall(b'{"ignore": true}' + b"\\n" + b"x" * 1000000)
print("flowing", flush=True)
try:
    print("end" if s.recv(1) == b"" else "data", flush=True)
except OSError as error:
    print(type(error).__name__, flush=True)
"""


def lab_is_whole_again(lab, server, old_pid):
    """The supervisor restarts the server; the tests after this one use it."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        now = next(p for p in lab.pod(server)["processes"] if p["id"].endswith("/flood"))
        if now["pid"] not in (0, old_pid) and now["state"] == "running":
            if talk(lab, ip_of(lab, server, 4), 5001, "send:{}\\n,fin,eof")["connected"]:
                return
        time.sleep(0.1)
    raise AssertionError(f"{server} was not restarted")


@pytest.mark.parametrize("server", ["town/near", "town/far", "wild/outsider"])
def test_a_closed_port_refuses_at_once(joined, server, family):
    """The mesh learns it after the application's connect: then it is a reset before any byte."""
    answer = talk(joined, ip_of(joined, server, family), CLOSED_PORT, "eof")
    assert answer["error"] in ("ECONNREFUSED", "ECONNRESET")
    assert answer["seconds"] < AT_ONCE_S


def test_a_server_may_speak_first(way, family):
    lab, server = way
    answer = talk(lab, ip_of(lab, server, family), 2525, "line,send:shout\\n,line,fin,eof")
    name = server.split("/")[1]
    assert answer["heard"] == [f"220 hello from {name}\r\n", "SHOUT\n", ""]
