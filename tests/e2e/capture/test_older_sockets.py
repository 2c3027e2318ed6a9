"""Connections that a pod had before it was enrolled: listed, and ended where the guard is strict."""
import socket
import threading

import pytest

from world import WAIT_S, enter_netns

A4, B4, A6, B6 = "10.77.0.2", "10.77.0.3", "fd77::2", "fd77::3"


class Held:
    """A connection that stands: a listener in one place, a caller in another, both held here."""

    def __init__(self, world, host, port, to_netns, from_netns):
        self.listener = in_netns(to_netns, listen, host, port)
        self.caller = in_netns(from_netns, socket.create_connection, (host, port), WAIT_S)
        self.server = self.listener.accept()[0]

    def speak(self):
        """Both directions, or what went wrong."""
        try:
            for one, other in ((self.caller, self.server), (self.server, self.caller)):
                one.settimeout(30)
                other.settimeout(30)
                one.sendall(b"x")
                if other.recv(1) != b"x":
                    return "end"
            return "talks"
        except TimeoutError:
            return "silent"
        except OSError as error:
            return type(error).__name__

    def close(self):
        for s in (self.caller, self.server, self.listener):
            s.close()


def listen(host, port):
    s = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind((host, port))
    s.listen()
    return s


def in_netns(name, function, *args):
    """A socket made by a thread that has entered the namespace stays there."""
    result = []

    def run():
        enter_netns(name)
        result.append(function(*args))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return result[0]


@pytest.fixture
def held(world):
    a, b = world.a.netns, world.b.netns
    connections = {
        "out": Held(world, B4, 5001, b, a),
        "in": Held(world, A4, 5002, a, b),
        "out6": Held(world, B6, 5003, b, a),
        "in6": Held(world, A6, 5004, a, b),
        "loopback": Held(world, "127.0.0.1", 5005, a, a),
        "own address": Held(world, A4, 5006, a, a),
        "excluded": Held(world, B4, 5007, b, a),
    }
    assert {c.speak() for c in connections.values()} == {"talks"}
    yield connections
    for connection in connections.values():
        connection.close()


OLDER = {"out", "in", "out6", "in6"}


def test_a_strict_guard_ends_them_in_both_directions_and_leaves_the_others(world, held):
    agent = world.agent(exclude_port="5007")
    agent.enroll(world.a)
    said = {name: connection.speak() for name, connection in held.items()}
    assert {name for name, word in said.items() if word != "talks"} == OLDER, said
    assert {said[name] for name in OLDER} <= {"ConnectionAbortedError", "ConnectionResetError", "BrokenPipeError",
                                              "end"}, said
    assert agent.ask("sockets", world.a.path) == {"sockets": []}


@pytest.mark.parametrize("mode", ["observe", "off"])
def test_they_are_listed_where_the_guard_is_not_strict(world, held, mode):
    agent = world.agent(exclude_port="5007")
    agent.enroll(world.a, A4, A6, mode)
    listed = agent.ask("sockets", world.a.path)["sockets"]
    ports = {int(end.rpartition(":")[2]) for local, remote, _ in listed for end in (local, remote)} & set(range(5001,
                                                                                                               5008))
    assert ports == {5001, 5002, 5003, 5004} and len(listed) == 4
    assert {state for *_, state in listed} == {"ESTAB"}
    assert {c.speak() for c in held.values()} == {"talks"}
    agent.enroll(world.a, A4, A6, "strict")
    assert {name for name, c in held.items() if c.speak() != "talks"} == OLDER


def hold(host, port, seconds):
    """How a connection on which nobody speaks fares for so long."""
    s = socket.create_connection((host, port), WAIT_S)
    s.settimeout(seconds)
    try:
        return "end" if s.recv(1) == b"" else "bytes"
    except TimeoutError:
        return "stands"
    except OSError as error:
        return type(error).__name__


def test_ztunnels_own_connections_are_not_taken_for_older_ones(world):
    agent = world.agent()
    agent.enroll(world.a)
    agent.enroll(world.b)
    listener = in_netns(world.b.netns, listen, B4, 5001)
    ztunnels = world.ztunnel(world.a, "relay"), world.ztunnel(world.b)
    fates = []
    thread = threading.Thread(target=lambda: fates.append(world.in_pod(world.a, hold, B4, 5001, 2.0)))
    thread.start()
    assert [z.next()["kind"] for z in ztunnels] == ["outbound", "plaintext"]
    accepted, _ = listener.accept()  # end to end
    for pod in (world.a, world.b):
        assert agent.ask("sockets", pod.path) == {"sockets": []}
        agent.enroll(pod, pod.v4, pod.v6, "observe")
        agent.enroll(pod, pod.v4, pod.v6, "strict")  # looks for older ones again
    thread.join()
    assert fates == ["stands"]
    accepted.close()
    listener.close()
