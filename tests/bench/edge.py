#!/usr/bin/env python3
"""Plain HTTP/1.1 through one worker of each proxy, alternating, before the same origin: CPU of the proxy a
request, and so requests a second and core; and the memory of idle connections. Ours is bench_http_edge: connections alone, without
routes.

    tests/bench/edge.py [BUILD] [--rounds N] [--requests N] [--connections N] [--idle N]

haproxy and nginx are left out, and named, where they are not installed.
"""
import argparse
import os
import pathlib
import re
import shutil
import socket
import statistics
import subprocess
import tempfile
import time

ORIGIN, FIRST = 18880, 18881

HAPROXY = """global
  maxconn 8192
  nbthread 1
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
frontend in
  bind 127.0.0.1:{port}
  default_backend out
backend out
  http-reuse always
  server origin 127.0.0.1:{origin}
"""
NGINX = """worker_processes 1;
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/nginx.log;
events {{ worker_connections 8192; }}
http {{
  access_log off;
  client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  keepalive_requests 100000000;
  upstream origin {{ server 127.0.0.1:{origin}; keepalive 64; keepalive_requests 100000000; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{ proxy_pass http://origin; proxy_http_version 1.1; proxy_set_header Connection ""; }}
  }}
}}
"""


def with_children(pid):
    found = subprocess.run(["pgrep", "-P", str(pid)], text=True, capture_output=True).stdout
    return [pid, *map(int, found.split())]


def resident_kib(pid):
    return sum(int(re.search(r"VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{one}/status").read_text()).group(1))
               for one in with_children(pid))


def idle_kib(port, pid, count):
    """What a connection takes that has had one request, and waits for the next."""
    before, idle = resident_kib(pid), []
    for _ in range(count):
        idle.append(socket.create_connection(("127.0.0.1", port)))
        idle[-1].sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert idle[-1].recv(4096)
    time.sleep(1)
    taken = (resident_kib(pid) - before) / count
    for one in idle:
        one.close()
    return taken


def cpu_seconds(pid):
    """Of a process and its children."""
    total = 0.0
    for one in with_children(pid):
        fields = pathlib.Path(f"/proc/{one}/stat").read_text().rsplit(")", 1)[1].split()
        total += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return total


def wait_for(port):
    for _ in range(200):
        with socket.socket() as s:
            if s.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise SystemExit(f"nothing listens on port {port}")


def proxies(build, folder):
    """Name -> command, by port."""
    ours = build / "tests/bench/bench_http_edge"
    found = {"culvert": lambda port: [ours, "--port", str(port), "--to", f"127.0.0.1:{ORIGIN}"]}
    for name, text in (("haproxy", HAPROXY), ("nginx", NGINX)):
        program = shutil.which(name) or shutil.which(name, path="/usr/sbin")
        if program is None:
            print(f"{name} is not installed: left out")
            continue

        def command(port, name=name, text=text, program=program):
            file = folder / f"{name}.conf"
            file.write_text(text.format(port=port, origin=ORIGIN, folder=folder))
            return [program, "-f", file, "-db"] if name == "haproxy" else [program, "-c", file]
        found[name] = command
    return found


def load(port, requests, connections):
    out = subprocess.run(["h2load", "--h1", "-t", "1", "-c", str(connections), "-n", str(requests),
                          f"http://127.0.0.1:{port}/path"], text=True, capture_output=True, check=True).stdout
    assert f"{requests} succeeded" in out, out
    return float(re.search(r"([\d.]+) req/s", out).group(1))


def main():
    flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("build", nargs="?", default="build", type=pathlib.Path)
    flags.add_argument("--rounds", type=int, default=3)
    flags.add_argument("--requests", type=int, default=60_000)
    flags.add_argument("--connections", type=int, default=32)
    flags.add_argument("--idle", type=int, default=4000)
    args = flags.parse_args()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="culvert-edge-"))
    running = [subprocess.Popen([args.build / "tests/bench/bench_http_edge", "--port", str(ORIGIN)])]
    try:
        wait_for(ORIGIN)
        ports, processes, costs, rates = {}, {}, {}, {}
        for at, (name, command) in enumerate(proxies(args.build, folder).items()):
            ports[name] = FIRST + at
            processes[name] = subprocess.Popen(command(ports[name]))
            running.append(processes[name])
            wait_for(ports[name])
            load(ports[name], args.requests // 10, args.connections)
        for _ in range(args.rounds):
            for name, port in ports.items():
                before = cpu_seconds(processes[name].pid)
                rates.setdefault(name, []).append(load(port, args.requests, args.connections))
                spent = cpu_seconds(processes[name].pid) - before
                costs.setdefault(name, []).append(spent / args.requests * 1e6)
        print(f"{args.connections} connections, {args.rounds} rounds of {args.requests} requests; direct: "
              f"{load(ORIGIN, args.requests, args.connections):.0f} requests/s")
        for name in ports:
            cost = statistics.median(costs[name])
            print(f"{name:<10} {cost:6.1f} us of CPU a request = {1e6 / cost:7.0f} requests/s a core; "
                  f"{statistics.median(rates[name]):7.0f} requests/s seen; "
                  f"{idle_kib(ports[name], processes[name].pid, args.idle):.1f} KiB an idle connection")
        if "haproxy" in ports:
            ratio = statistics.median(costs["haproxy"]) / statistics.median(costs["culvert"])
            print(f"ours to haproxy, requests/s a core: {ratio:.2f}")
    finally:
        for process in running:
            process.terminate()
        for process in running:
            process.wait()
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
