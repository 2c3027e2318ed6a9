"""Words that do not belong in the tree."""
import pathlib
import re

import test_layers
import tree

FORBIDDEN_NAMES = {"utils", "util", "common", "helpers", "helper", "manager", "misc"}
MARKERS = re.compile(r"\b(TO[D]O|FIX[M]E|XX[X])\b")
# CLI11 lets a callback end the program, or refuse an option, by its own exceptions only.
CLI11_WAY_OUT = re.compile(r"\bthrow CLI::(RuntimeError|ValidationError)\b")
# Traces of where the text was written, instead of what it says. A TLS session, a pod's sandbox and
# the registry of a cluster are words of the field and stay.
TRACES = [re.compile(pattern, flags) for pattern, flags in (
    (r"(?<![\w.])/wor[k]/", 0), (r"(?<![\w.])/roo[t]/", 0), (r"(?<![\w.])/home/\w", 0),
    (r"/tmp/[b]ash_jobs", 0), (r"\bCONTRACT[S]\.md\b", 0), (r"\blan[d]\.sh\b", 0), (r"\bwork[t]rees?\b", re.I),
    (r"\b(this|our|my|previous|earlier|last) (coding |working )?sessio[n]\b", re.I),
    (r"\b(this|our|my) (sandbo[x]|container image|workplace)\b", re.I), (r"\bsandboxed environmen[t]\b", re.I),
    (r"\bhelper sessio[n]s?\b|\bother helper[s]?\b|\bfrom the lea[d]\b", re.I),
    (r"\b[\w.-]+\.(corp|intranet|lan)\b(?!\.)", 0), (r"\b(artifactor[y]|jfro[g]|nexu[s])\b", re.I),
    (r"\b(pyp[i]\.org|proxy\.golan[g]\.org|registry\.npmj[s]\.org|index\.crate[s]\.io)\b", 0),
)]


def lines():
    for path in tree.files():
        if pathlib.PurePath(path).suffix in tree.TEXT:
            for number, line in enumerate(tree.text(path).splitlines(), 1):
                yield path, number, line


def test_no_file_or_folder_has_a_name_that_says_nothing():
    wrong = [f for f in tree.files() if FORBIDDEN_NAMES & {part.split(".")[0] for part in pathlib.PurePath(f).parts}]
    assert not wrong, tree.report(wrong)


def test_no_unreferenced_to_do_is_left():
    wrong = [f"{path}:{number}: {line.strip()}" for path, number, line in lines()
             if (m := MARKERS.search(line)) and not re.search(r"#\d+", line)]
    assert not wrong, tree.report(wrong)


def test_no_trace_of_the_workplace_is_left():
    wrong = [f"{path}:{number}: {line.strip()}" for path, number, line in lines()
             if any(trace.search(line) for trace in TRACES)]
    assert not wrong, tree.report(wrong)


def test_our_code_throws_nothing_and_formats_with_fmt():
    wrong = []
    for path in tree.with_suffix(*tree.CODE):
        for number, line in enumerate(tree.code_only(tree.text(path)).splitlines(), 1):
            line = CLI11_WAY_OUT.sub("", line) if tree.under(path, *test_layers.THIRD_PARTY["CLI/"]) else line
            if re.search(r"\bthrow\b|\bstd::v?format\w*\b|#include <format>", line):
                wrong.append(f"{path}:{number}: {tree.text(path).splitlines()[number - 1].strip()}")
    assert not wrong, tree.report(wrong)


def test_the_traces_are_found_and_the_words_of_the_field_are_not():
    def found(line):
        return any(trace.search(line) for trace in TRACES)
    assert all(map(found, ["see /wor" + "k/main", "in this sessio" + "n", "our sandbo" + "x lacks it"]))
    assert not any(map(found, ["a TLS session", "the pod's old sandbox", "culvert.io/workload", "this HTTP/2 session",
                               "svc.cluster.local", "HOME=/root", "/homework"]))
