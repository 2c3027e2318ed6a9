"""Frames by hand, ways to send them past the socket hooks, and a look at what reaches the node."""
import ctypes
import errno
import json
import os
import select
import socket
import struct
import subprocess
import threading

from world import BUILD, WAIT_S, enter_netns

CULVERT = os.path.join(BUILD, "tools/culvert/culvert")
MARK = b"past-the-mesh"  # in every frame of these tests; what is seen of it has left the pod
PORT = 4444
SYN, PUSH_ACK = 2, 24
ETH_IP, ETH_IP6, ETH_VLAN = 0x0800, 0x86DD, 0x8100
TCP, HOP_BY_HOP, DESTINATION, FRAGMENT = 6, 0, 60, 44
SOL_PACKET, PACKET_QDISC_BYPASS, AF_XDP, SOL_XDP, XDP_UMEM_REG = 263, 20, 44, 283, 4


def tcp(flags=PUSH_ACK, port=PORT, payload=MARK):
    return struct.pack("!HHIIBBHHH", 41000, port, 1, 1, 5 << 4, flags, 65535, 0, 0) + payload


def ip4(source, target, inside, fragment=0, protocol=TCP):
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(inside), 7, fragment, 64, protocol, 0,
                       socket.inet_aton(source), socket.inet_aton(target))
    total = sum(struct.unpack("!10H", head))
    check = 0xFFFF & ~((total & 0xFFFF) + (total >> 16))
    return head[:10] + struct.pack("!H", check) + head[12:] + inside


def ip6(source, target, inside, following=TCP):
    return struct.pack("!IHBB", 6 << 28, len(inside), following, 64) + \
        socket.inet_pton(socket.AF_INET6, source) + socket.inet_pton(socket.AF_INET6, target) + inside


def extension(following):
    return bytes([following, 0, 1, 4, 0, 0, 0, 0])


def ethernet(kind, inside, tags=()):
    head = b"\xff" * 6 + b"\x02\x00\x00\x00\x00\x01"
    for tag in tags:
        head += struct.pack("!HH", ETH_VLAN, tag)
    return head + struct.pack("!H", kind) + inside


def send_frame(frame, protocol=ETH_IP, bypass=False):
    """By packet(7), from the pod's eth0: 0, or the errno."""
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    try:
        if bypass:
            s.setsockopt(SOL_PACKET, PACKET_QDISC_BYPASS, 1)
        s.sendto(frame, ("eth0", protocol))
        return 0
    except OSError as error:
        return error.errno
    finally:
        s.close()


def send_raw(target, segment):
    """By raw(7): the kernel makes the IP header."""
    family = socket.AF_INET6 if ":" in target else socket.AF_INET
    s = socket.socket(family, socket.SOCK_RAW, TCP)
    try:
        s.sendto(segment, (target, 0))
        return 0
    except OSError as error:
        return error.errno
    finally:
        s.close()


def send_udp(target):
    s = socket.socket(socket.AF_INET6 if ":" in target else socket.AF_INET, socket.SOCK_DGRAM)
    s.sendto(MARK, (target, PORT))
    s.close()


def register_xdp():
    """The first option that any AF_XDP sender has to set: 0, or the errno."""
    libc = ctypes.CDLL(None, use_errno=True)
    fd = libc.socket(AF_XDP, socket.SOCK_RAW, 0)
    if fd < 0:
        return ctypes.get_errno()
    area = ctypes.create_string_buffer(1 << 16)
    start = (ctypes.addressof(area) + 4095) & ~4095
    registration = struct.pack("=QQIIIxxxx", start, 8 * 4096, 4096, 0, 0)
    rc = libc.setsockopt(fd, SOL_XDP, XDP_UMEM_REG, registration, len(registration))
    error = ctypes.get_errno() if rc else 0
    os.close(fd)
    return error


class Left:
    """The frames that leave pod a with MARK in them, seen on the node's end of its link."""

    def __init__(self, world):
        self.frames, self.ready, self.stopping = [], threading.Event(), threading.Event()
        self.thread = threading.Thread(target=self._run, args=(world,), daemon=True)
        self.thread.start()
        assert self.ready.wait(WAIT_S)

    def _run(self, world):
        enter_netns(world.node)  # this thread only
        s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        s.bind((world.a.name, 0))
        self.ready.set()
        while not self.stopping.is_set() or select.select([s], [], [], 0.2)[0]:
            if select.select([s], [], [], 0.05)[0]:
                frame, source = s.recvfrom(65536)
                if MARK in frame and source[2] != socket.PACKET_OUTGOING:
                    self.frames.append(frame)
        s.close()

    def stop(self):
        self.stopping.set()
        self.thread.join()
        return self.frames


def counts(world, cookie):
    """What the hooks counted for a pod: reason -> number."""
    command = [CULVERT, "maps", "dump", "cv_counter", "--pod", str(cookie), "-o", "json", "--bpf-dir", world.pins,
               "--state-dir", "/nonexistent"]
    rows = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return {row["reason"]: int(row["count"]) for row in rows}


def errno_name(number):
    return errno.errorcode.get(number, str(number))
