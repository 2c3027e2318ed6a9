#!/usr/bin/python3
"""Mistakes made on purpose in the compiler and matcher: the tables must find each (mutants.yaml).

usage: tests/conformance/mutants.py [BUILD_DIR] [WORDS]     WORDS: only mutants of files with these in their names

A mutant is one file of lib/l7 compiled anew, without optimisation, and linked before the library, so that it costs seconds.
"""
import concurrent.futures
import dataclasses
import os
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile

import yaml

import judge
import tables

ROOT = pathlib.Path(__file__).resolve().parents[2]
SOURCES = ROOT / "lib" / "l7"
PROGRAM = "tests/conformance/conformance-decide"
AT_ONCE = 2
NOT_FOR_MUTANTS = re.compile(r"^(-O\d|-g|-Werror.*|-W[^l].*|-D_FORTIFY_SOURCE=\d|-fstack-.*|-MD|-fsanitize.*)$")


@dataclasses.dataclass
class Mutant:
    file: str
    number: int
    old: str
    new: str

    @property
    def name(self):
        return f"{self.file}-{self.number}: {self.old!r} -> {self.new!r}"

    def text(self):
        text = (SOURCES / self.file).read_text()
        if text.count(self.old) != 1:
            raise ValueError(f"{self.name}: is {text.count(self.old)} times in the file, must be once")
        return text.replace(self.old, self.new)


def mutants(words=""):
    listed = yaml.safe_load((pathlib.Path(__file__).parent / "mutants.yaml").read_text())
    return [Mutant(file, i, one["from"], one["to"]) for file, all_of in listed.items() if words in file
            for i, one in enumerate(all_of, 1)]


def commands(build):
    """How the build compiles and links what mutants are made of: {file: argv}, argv."""
    listed = subprocess.run(["ninja", "-C", build, "-t", "commands", PROGRAM], check=True, capture_output=True,
                            text=True).stdout.splitlines()
    compiles = {}
    for line in listed:
        argv = shlex.split(line)
        if "-c" in argv and "lib/l7/" in argv[-1]:
            compiles[pathlib.PurePath(argv[-1]).name] = argv
    return compiles, shlex.split(listed[-1])


def build_one(mutant, compiles, link, build, scratch):
    """The path of a mutant's program; None where it does not compile."""
    source, obj, program = scratch / mutant.file, scratch / "mutant.o", scratch / "decide"
    source.write_text(mutant.text())
    argv = []
    words = iter(compiles[mutant.file])
    for word in words:
        if word in ("-o", "-c", "-MQ", "-MF"):
            next(words)
        elif not NOT_FOR_MUTANTS.match(word):
            argv.append(word)
    done = subprocess.run([*argv, "-O0", "-w", "-o", obj, "-c", source], cwd=build, capture_output=True, text=True)
    if done.returncode != 0:
        print(f"{mutant.name}: does not compile:\n{done.stderr[-1500:]}", flush=True)
        return None
    at = link.index("-o")
    subprocess.run([*link[:at], "-o", program, obj, *link[at + 2:]], cwd=build, check=True, capture_output=True)
    return program


def caught(mutant, compiles, link, build):
    """The first case that fails with the mutant; None where none does."""
    with tempfile.TemporaryDirectory(prefix="culvert-mutant-") as folder:
        program = build_one(mutant, compiles, link, build, pathlib.Path(folder))
        if not program:
            return None
        groups = tables.groups()
        try:
            results = judge.decide([judge.asked(group) for group in groups], program)
        except (RuntimeError, subprocess.TimeoutExpired) as error:
            return f"the program failed: {error}"
    try:
        return next((fault for group, result in zip(groups, results, strict=True)
                     for fault in judge.faults_of(group, result)), None)
    except (KeyError, TypeError) as error:
        return f"the program's answer makes no sense: {error!r}"


def survivors(build, words=""):
    """Mutants that no case catches; each is told of as it is tried."""
    compiles, link = commands(build)
    left = []
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        tried = mutants(words)
        for mutant, why in zip(tried, pool.map(lambda one: caught(one, compiles, link, build), tried), strict=True):
            print(f"{'caught' if why else 'SURVIVED'}  {mutant.name}  {(why or '')[:100]}", flush=True)
            if not why:
                left.append(mutant)
    return tried, left


def main():
    build = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else os.environ.get("CULVERT_BUILD", ROOT / "build")).resolve()
    tried, left = survivors(build, sys.argv[2] if len(sys.argv) > 2 else "")
    print(f"{len(tried) - len(left)} of {len(tried)} mutants caught")
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main())
