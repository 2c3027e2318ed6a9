"""Pins made into those of layout 1, as the agents of that layout left them.

The programs on the hooks go on with the maps that they have; the pins are what an agent finds.
"""
import json
import pathlib
import subprocess

POD_VALUE_1 = 48  # bytes of cv_pod_value in layout 1: addresses, flags, turn, reserved ports, block
BPFTOOL = "/usr/sbin/bpftool"


def bpftool(*argv):
    done = subprocess.run([BPFTOOL, "-j", *map(str, argv)], text=True, capture_output=True)
    assert done.returncode == 0, f"bpftool {argv}: {done.stdout}{done.stderr}"
    return json.loads(done.stdout) if done.stdout.strip() else None


def hexes(values):
    return [f"{int(v, 16):02x}" for v in values]


def dump(path):
    """{key: value} of a pinned map, as lists of two hexadecimal digits."""
    return {tuple(hexes(e["key"])): hexes(e["value"]) for e in bpftool("map", "dump", "pinned", path)}


def shape(path):
    found = bpftool("map", "show", "pinned", path)
    return {key: found[key] for key in ("id", "bytes_key", "bytes_value", "max_entries")}


def layout_of(pins):
    value = next(iter(dump(pathlib.Path(pins) / "cv_layout").values()))
    return int.from_bytes(bytes.fromhex("".join(value[:4])), "little")


def write_layout(pins, layout):
    value = layout.to_bytes(4, "little") + (288).to_bytes(4, "little")
    bpftool("map", "update", "pinned", f"{pins}/cv_layout", "key", "hex", *["00"] * 4, "value", "hex",
            *[f"{b:02x}" for b in value])


def make_older(pins):
    """Puts a cv_pod of layout 1 in the place of the pinned one, with its entries, and says so."""
    path = pathlib.Path(pins) / "cv_pod"
    entries = dump(path)
    path.unlink()
    bpftool("map", "create", path, "type", "hash", "key", 8, "value", POD_VALUE_1, "entries", 1024, "name", "cv_pod")
    for key, value in entries.items():
        bpftool("map", "update", "pinned", path, "key", "hex", *key, "value", "hex", *value[:POD_VALUE_1])
    write_layout(pins, 1)
    return entries
