"""Every public header compiles on its own."""
import concurrent.futures
import os
import pathlib
import shutil
import subprocess

import tree

FLAGS = {".hpp": ["clang++-19", "-std=c++23", "-Wall", "-Wextra", "-Wno-unused-parameter",
                  "-Wno-missing-field-initializers"],
         ".h": ["clang-19", "-std=c11", "-Wall", "-Wextra"]}


def compile_alone(header):
    """What the compiler said, or None. Goes through ccache, so that the second time costs little."""
    suffix = pathlib.PurePath(header).suffix
    folder = tree.BUILD / "headers"
    stem = header.replace("/", "_")
    source = folder / (stem + (".cpp" if suffix == ".hpp" else ".c"))
    wanted = f'#include "{header.removeprefix("include/")}"\n'
    if not source.exists() or source.read_text() != wanted:
        source.write_text(wanted)
    env = dict(os.environ, CCACHE_BASEDIR=str(tree.ROOT), CCACHE_NOHASHDIR="1")
    ccache = ["ccache"] if shutil.which("ccache") else []
    done = subprocess.run([*ccache, *FLAGS[suffix], "-D_GNU_SOURCE", "-Werror", "-I", str(tree.ROOT / "include"), "-c",
                           str(source), "-o", str(folder / (stem + ".o"))],
                          cwd=folder, env=env, text=True, capture_output=True)
    return f"{header}:\n{done.stderr}" if done.returncode else None


def test_every_public_header_compiles_on_its_own():
    (tree.BUILD / "headers").mkdir(parents=True, exist_ok=True)
    headers = [f for f in tree.with_suffix(".hpp", ".h") if f.startswith("include/")]
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        wrong = [said for said in pool.map(compile_alone, headers) if said]
    assert headers and not wrong, tree.report(wrong)
