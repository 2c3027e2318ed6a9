#!/usr/bin/python3
"""Shows a Culvert mesh at work on this machine: two nodes, real traffic, and what became of it."""
import argparse
import json
import pathlib
import secrets
import sys
import time

import books
from observe import Capture, Failed, HBONE_PORT, Lab, REPO

SAMPLE = REPO / "manifests" / "samples" / "bookshop.yaml"
REQUESTS = 300  # of the latency measurement, each kind
# Who asks whom; what comes of it is read from the run, never assumed.
QUESTIONS = [("shop/web", "catalog.shop", "shop/catalog"), ("shop/web", "stock.warehouse", "warehouse/stock"),
             ("shop/catalog", "stock.warehouse", "warehouse/stock"),
             ("default/visitor", "catalog.shop", "shop/catalog")]


def title(text):
    print(f"\n\033[1m{text}\033[0m" if sys.stdout.isatty() else f"\n{text}")


def ask(lab, client, host, nonce):
    """One request; the client's own words when it fails."""
    done = lab.exec(client, "curl", "-sS", "-m", "10", "-d", nonce, f"http://{host}:8080/order")
    if done.returncode == 0:
        return True, json.loads(done.stdout)
    return False, done.stderr.strip() or f"curl ended with {done.returncode}"


def show_pods(lab):
    title("The mesh")
    print(f"  up in {lab.seconds:.1f} s from {SAMPLE.relative_to(REPO)}")
    for pod in lab.status()["pods"]:
        inside = "in the mesh" if pod.get("meshed") else "not in the mesh"
        name = f"{pod['namespace']}/{pod['name']}"
        print(f"  {name:16} on node {pod['node']:5} {inside:16} {', '.join(pod['ips'])}")


def show_conversations(lab, words):
    """Asks all questions; each carries the secret word of its side: in the mesh or not."""
    title("Who asked whom")
    meshed = {f"{p['namespace']}/{p['name']}" for p in lab.status()["pods"] if p.get("meshed")}
    answers = []
    for client, host, server in QUESTIONS:
        before = len(lab.accepted(server))
        ok, answer = ask(lab, client, host, words[client in meshed])
        answers.append((client, host, server, ok, answer, before))
        print(f"  {client} -> http://{host}:8080   {'answered by ' + answer['server'] if ok else 'refused: ' + answer}")
    time.sleep(0.3)  # the access log is written when a connection ends
    return answers


def show_identities(lab, nodes):
    title("With which identity (access logs of the destination's ztunnel)")
    seen = set()
    for node in nodes:
        for line in lab.accesses(node):
            if line.get("direction") != "inbound":
                continue
            key = (line.get("src.identity"), line.get("src.workload"), line.get("dst.identity"),
                   line.get("dst.workload"), line.get("policy"), line.get("error"))
            if key in seen:
                continue
            seen.add(key)
            source = key[0] or f"{key[1] or line.get('src.addr')} (no identity)"
            verdict = f"REFUSED by policy {key[4]}: {key[5]}" if key[4] else (key[5] or "allowed")
            print(f"  {source}\n      -> {key[2] or key[3]}\n      {verdict}, {line.get('bytes_sent', '?')} bytes there, "
                  f"{line.get('bytes_recv', '?')} back, {line.get('duration')}")


def show_peers(lab, answers):
    title("What the applications saw as their peer (their own logs)")
    addresses = {f"{p['namespace']}/{p['name']}": p["ips"] for p in lab.status()["pods"]}
    for client, _, server, ok, _, before in answers:
        new = lab.accepted(server)[before:]
        mine = [a for a in new if a["peer"][0] in addresses[client]]
        if ok and mine:
            print(f"  {server} accepted {mine[-1]['peer'][0]} port {mine[-1]['peer'][1]}: that is {client}'s own address")
        elif not mine:
            print(f"  {server} saw nothing of {client}'s refused request")
        else:
            print(f"  {server} saw {client}, although its request failed")


def show_wire(lab, wire, words):
    title(f"On the wire between the nodes ({len(wire.lines)} TCP packets captured on node {wire.node}'s uplink)")
    meshed = {ip for pod in lab.status()["pods"] if pod.get("meshed") for ip in pod["ips"]}
    for port, count in sorted(wire.ports(meshed).items()):
        name = "HBONE: TLS 1.3" if port == HBONE_PORT else "plaintext"
        print(f"  {count} packets between pods of the mesh to port {port} ({name})")
    for inside, whose in ((True, "pods of the mesh"), (False, "the pod that is not in the mesh")):
        found = wire.bytes.count(words[inside].encode())
        print(f"  \"{words[inside]}\", which {whose} sent in this run, is in the capture {found} times")


def show_hooks(lab):
    title("Which hook did it (counters in the kernel's maps)")
    for row in sorted(lab.counters(), key=lambda r: (r["hook"], r["reason"], r["pod"])):
        print(f"  {row['node']:5} {row['pod']:16} {row['hook']:12} {row['count']:>6}  {row['text']}")


def measure(lab, client, host):
    script = pathlib.Path(__file__).with_name("latency.py")
    done = lab.exec(client, "python3", str(script), host, "8080", str(REQUESTS))
    return json.loads(done.stdout) if done.returncode == 0 else None


def show_latency(meshed, plain):
    title(f"Latency of a small request, web to stock, node to node ({REQUESTS} each, this run)")
    if not meshed or not plain:
        return print("  not measured: the policy refuses web")
    print(f"  {'':24}{'with the mesh':>20}{'without':>16}{'ratio':>8}")
    for kind, words in (("kept", "on a kept connection"), ("new", "on a new connection")):
        for quantile in ("p50", "p99"):
            a, b = meshed[kind][quantile], plain[kind][quantile]
            print(f"  {words + ', ' + quantile:28}{a:13.0f} us{b:13.0f} us{a / b:8.1f}")


def keep(name):
    title("The lab stays up; try")
    for command in (f"culvert lab exec --name {name} shop/web -- curl -s http://stock.warehouse:8080/",
                    f"culvert lab logs --name {name} node/west ztunnel", f"culvert maps programs --lab {name}",
                    f"culvert lab kill --name {name} node/west ztunnel --hold      # and ask again: refused",
                    f"culvert lab restart --name {name} node/west ztunnel",
                    f"culvert lab apply --name {name} -f YOUR.yaml", f"culvert lab down --name {name}"):
        print(f"  build/bin/{command}")


def run(options):
    words = {inside: "secret-" + secrets.token_hex(8) for inside in (True, False)}
    lab = Lab(options.lab, SAMPLE, mesh=True)
    lab.__enter__()
    try:
        nodes = [node["name"] for node in lab.status()["nodes"]]
        show_pods(lab)
        with Capture(lab, nodes[0]) as wire:
            answers = show_conversations(lab, words)
        show_identities(lab, nodes)
        show_peers(lab, answers)
        show_wire(lab, wire, words)
        show_hooks(lab)
        print("\n  measuring latency, here and in the same lab without the mesh ...", flush=True)
        meshed = measure(lab, "shop/web", "stock.warehouse")
        with Lab(f"{options.lab}-plain", SAMPLE, mesh=False) as plain_lab:
            plain = measure(plain_lab, "shop/web", "stock.warehouse")
        show_latency(meshed, plain)
        title(f"What rules about HTTP do (a waypoint before {books.APP.relative_to(REPO)})")
        with Lab(f"{options.lab}-books", books.APP, mesh=True) as books_lab:
            books.show(books_lab, lambda line: print(line, flush=True))
        if options.keep:
            return keep(options.lab)
    except BaseException:
        lab.__exit__()
        raise
    lab.__exit__()
    title("Everything is taken down again. `./dev demo --keep` leaves it up and names commands to try.")


def main():
    parser = argparse.ArgumentParser(prog="./dev demo", description=__doc__)
    parser.add_argument("--keep", action="store_true", help="leave the lab up, and name commands to try")
    parser.add_argument("--lab", default="demo", help="its name; those of the other two begin with it")
    try:
        run(parser.parse_args())
    except Failed as failure:
        print(f"demo: {failure}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
