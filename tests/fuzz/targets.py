#!/usr/bin/python3
"""The fuzz targets, and how each is run: the fixed short run of `./dev test`, or for as long as one likes.

usage: tests/fuzz/targets.py BUILD_DIR [TARGET ...] [--time DURATION]

Without --time the short run: the corpus and a fixed number of inputs made from a fixed seed. With it
(90s, 30m, 8h) that long for each target, on all cores; what it learned stays in BUILD_DIR/fuzz. An
input that breaks a property is kept in BUILD_DIR/fuzz/TARGET/crash-*: mend the code, and add the
input to tests/fuzz/corpus/TARGET as regression-WHAT.
"""
import argparse
import os
import pathlib
import re
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
CORPUS, DICTIONARIES = HERE / "corpus", HERE / "dictionaries"
SEED = 20260101
INPUT_TIMEOUT_S = 60  # one input, on a machine that does much else
RSS_LIMIT_MB = 2048

# Inputs of the short run: two to six seconds each on one core.
SHORT_RUNS = {
    "access_filter": 60_000, "admin_request": 15_000, "authority": 200_000, "baggage": 200_000,
    "certificate_request": 3_000, "certificates": 4_000, "first_bytes": 6_000, "forwarded": 200_000, "grpc_exchange": 2_000, "grpc_framing": 150_000,
    "grpc_status": 200_000, "h2_client": 3_000, "h2_server": 8_000, "handover_words": 200_000,
    "hbone_request": 100_000, "http1": 60_000, "http1_asked": 2_000, "http1_served": 2_000, "http2_asked": 1_500, "http2_served": 1_500, "revocation_list": 3_000, "routes": 2_500, "spiffe_id": 200_000, "state_files": 10_000,
    "tls_handshake": 4_000, "tls_records": 20_000, "traceparent": 300_000, "xds_delta": 20_000,
    "xds_session": 8_000, "yaml_objects": 3_000, "zds_messages": 100_000,
}
# A target that reads what another does, from the other end, has its words.
SAME_WORDS = {"first_bytes": "http1", "grpc_exchange": "h2_server", "h2_client": "h2_server", "http1_asked": "http1", "http1_served": "http1",
              "http2_asked": "h2_server", "http2_served": "h2_server", "state_files": "yaml_objects"}


def built(build):
    """The targets that the build declares."""
    text = (HERE / "meson.build").read_text()
    return sorted(re.findall(r"^  '(\w+)': \[", text, re.M))


def binary(build, target):
    return pathlib.Path(build).resolve() / "tests/fuzz" / f"fuzz_{target}"


def argv(build, target, learned, *more):
    """libFuzzer's command line; new inputs go to the folder `learned`."""
    findings = pathlib.Path(build).resolve() / "fuzz" / target
    findings.mkdir(parents=True, exist_ok=True)
    dictionary = DICTIONARIES / f"{SAME_WORDS.get(target, target)}.txt"
    return [str(binary(build, target)), f"-artifact_prefix={findings}/", f"-timeout={INPUT_TIMEOUT_S}",
            f"-rss_limit_mb={RSS_LIMIT_MB}", *([f"-dict={dictionary}"] if dictionary.exists() else []),
            *more, str(learned), str(CORPUS / target)]


def short_argv(build, target, scratch):
    return argv(build, target, scratch, f"-seed={SEED}", f"-runs={SHORT_RUNS[target]}")


def problem(build, target):
    """Why a target cannot be run, or None."""
    if target not in SHORT_RUNS:
        return "it has no number of inputs in tests/fuzz/targets.py"
    if not os.access(binary(build, target), os.X_OK):
        return "the binary is missing"
    if not any((CORPUS / target).glob("*")):
        return "it has no seeds"
    return None


def seconds(text):
    found = re.fullmatch(r"(\d+)([smh]?)", text)
    if not found:
        raise argparse.ArgumentTypeError("write 90s, 30m or 8h")
    return int(found[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[found[2]]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build")
    parser.add_argument("target", nargs="*")
    parser.add_argument("--time", type=seconds, metavar="DURATION")
    options = parser.parse_args()
    unknown = set(options.target) - set(built(options.build))
    if unknown:
        parser.error(f"no target {', '.join(sorted(unknown))}; there are {', '.join(built(options.build))}")
    for target in options.target or built(options.build):
        why = problem(options.build, target)
        if why:
            sys.exit(f"fuzz/{target}: {why}")
        print(f"== {target}", flush=True)
        if options.time is None:
            with tempfile.TemporaryDirectory(prefix="culvert-fuzz-") as scratch:
                done = subprocess.run(short_argv(options.build, target, scratch))
        else:
            learned = pathlib.Path(options.build).resolve() / "fuzz" / "learned" / target
            learned.mkdir(parents=True, exist_ok=True)
            done = subprocess.run(argv(options.build, target, learned, f"-fork={os.cpu_count()}",
                                       f"-max_total_time={options.time}"))
        if done.returncode != 0:
            sys.exit(f"fuzz/{target}: a property does not hold: the input is in {options.build}/fuzz/{target}")


if __name__ == "__main__":
    main()
