"""Folders explain themselves, headers say what they are, and the build lists what is there."""
import os
import pathlib
import re

import tree

README_LINES = 80
# Twins: the headers of a module are explained beside its sources, its unit tests by the folder above.
EXPLAINED_ABOVE = {"include/culvert": "lib", "tests/unit": None}


def folders_with_sources():
    for path in sorted({str(pathlib.PurePath(f).parent) for f in
                        tree.with_suffix(*tree.CODE, ".py", ".proto", ".js", ".ts", ".yaml")}):
        parent = str(pathlib.PurePath(path).parent)
        if parent not in EXPLAINED_ABOVE:
            yield path
        elif EXPLAINED_ABOVE[parent] is None:
            yield parent
        else:
            beside = f"{EXPLAINED_ABOVE[parent]}/{pathlib.PurePath(path).name}"
            yield beside if (tree.ROOT / beside).is_dir() else path


def test_every_folder_with_sources_has_a_readme():
    wrong = sorted({f for f in folders_with_sources() if f"{f}/README.md" not in tree.files()})
    assert not wrong, tree.report(wrong)


def test_no_readme_has_more_than_80_lines():
    wrong = [f"{f}: {n} lines" for f in tree.files() if pathlib.PurePath(f).name == "README.md"
             and (n := tree.text(f).count("\n")) > README_LINES]
    assert not wrong, tree.report(wrong)


def test_every_header_says_first_what_it_is():
    wrong = [f for f in tree.with_suffix(".hpp", ".h")
             if not re.match(r"(/\*[ *]*SPDX[^\n]*\*/\n|// SPDX[^\n]*\n)?(// \S+ \S|/\*+\s*(\* )?\w+ \w)", tree.text(f))]
    assert not wrong, tree.report(wrong)


def test_every_cpp_header_is_guarded_by_pragma_once():
    wrong = [f for f in tree.with_suffix(".hpp") if "#pragma once" not in tree.text(f)]
    assert not wrong, tree.report(wrong)


def listed_sources():
    """Sources that meson.build files name, by path."""
    for build in (f for f in tree.files() if f.endswith("meson.build")):
        folder = pathlib.PurePath(build).parent
        for name in re.findall(r"'((?:\.\./)*[\w/-][\w./-]*\.(?:cpp|c|proto))'", re.sub(r"#[^\n]*", "", tree.text(build))):
            yield build, os.path.normpath(folder / name)


def test_the_build_lists_no_source_that_is_not_there():
    known = set(tree.files())
    wrong = [f"{build}: {path}" for build, path in listed_sources() if path not in known]
    assert not wrong, tree.report(wrong)


def test_the_build_lists_every_cpp_source():
    listed = {path for _, path in listed_sources()}
    wrong = [f for f in tree.with_suffix(".cpp") if f not in listed]
    assert not wrong, tree.report(wrong)
