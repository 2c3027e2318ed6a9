"""A pod with very many connections, and peers that do not read, beside one that just asks and is answered.

What the quiet pod's requests take is printed, with the ratio to those without the hog; what is asserted
is that each is answered. `--long`: as many connections as the machine's limits allow, up to 50,000.
"""
import json
import statistics
import subprocess

from lab import wait_until
from survival_mesh import PORT, SERVERS
from test_bounds import MUTE, STUCK

HOG = """
import json, resource, socket, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
kept = []
ips = sys.argv[1].split(",")
for n in range(int(sys.argv[3])):
    try:
        s = socket.create_connection((ips[n % len(ips)], int(sys.argv[2])), 10)
        s.sendall(b"x")
        if s.recv(1) == b"x":
            kept.append(s)
    except OSError:
        break
print(json.dumps({"kept": len(kept)}), flush=True)
turn = 0
for line in sys.stdin:
    for s in kept[turn::97]:  # not all are idle
        s.sendall(b"x")
        s.recv(1)
    turn = (turn + 1) % 97
"""
ASK = """
import json, socket, sys, time
s = socket.create_connection((sys.argv[1], int(sys.argv[2])), 10)
s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
took = []
for n in range(int(sys.argv[3])):
    began = time.perf_counter()
    s.sendall(b"%08d" % n)
    answer = b""
    while len(answer) < 8:
        part = s.recv(8 - len(answer))
        if not part:
            sys.exit("cut")
        answer += part
    if answer != b"%08d" % n:
        sys.exit("another's bytes")
    took.append(time.perf_counter() - began)
took.sort()
print(json.dumps({"p50": took[len(took) // 2] * 1e6, "p99": took[len(took) * 99 // 100] * 1e6}))
"""


def ask(lab, ip, count):
    done = lab.exec("shop/web-east", "python3", "-c", ASK, ip, PORT, count)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def beside_hog(lab, ips, connections, requests):
    """The quiet pod's figures with the hog, and how many connections that had: half of them over each address
    family, because one pair of addresses has but 28,232 ports."""
    ip = ips[0]
    mute = lab.popen("shop/web-west", "python3", "-c", MUTE)
    stuck = hog = None
    try:
        assert mute.stdout.readline() == "listening\n"
        stuck = lab.popen("shop/alpha", "python3", "-c", STUCK, ip)
        assert stuck.stdout.readline() == "stuck\n"
        hog = lab.popen("shop/alpha", "python3", "-c", HOG, ",".join(ips), PORT, connections, stdin=subprocess.PIPE)
        kept = json.loads(hog.stdout.readline())["kept"]  # until it is refused: its share is used up
        hog.stdin.write("\n")
        hog.stdin.flush()
        return ask(lab, ip, requests), kept
    finally:
        for process in (hog, stuck, mute):
            if process:
                process.kill()
                process.wait()


def test_a_quiet_pod_is_answered_beside_one_with_very_many_connections(mesh, long_run):
    ips = mesh.ips(SERVERS["west"])
    ip = ips[0]
    rounds, connections, requests = (5, 50_000, 5000) if long_run else (1, 200, 300)
    ratios = {"p50": [], "p99": []}
    for _ in range(rounds):
        alone = ask(mesh, ip, requests)
        beside, kept = beside_hog(mesh, ips, connections, requests)
        assert kept >= min(connections, 1000) or kept == connections
        for name, values in ratios.items():
            values.append(beside[name] / alone[name])
        print(f"\n{kept} connections of the hog: alone {alone}, beside it {beside} (microseconds)")
        wait_until(lambda: mesh.connect("shop/alpha", ip, PORT, "--send", "x")[0].get("received") == "x", "the next round")
    print({name: f"{statistics.median(values):.2f} of alone" for name, values in ratios.items()})
