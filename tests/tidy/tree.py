"""What the rules look at: the files of the tree as git knows them, with their text."""
import functools
import os
import pathlib
import re
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("CULVERT_BUILD", ROOT / "build"))
CODE = (".cpp", ".hpp", ".h", ".c")
TEXT = CODE + (".py", ".sh", ".md", ".proto", ".yaml", ".yml", ".build", ".txt", ".json", ".toml", ".ini", "")


@functools.cache
def files():
    """Paths relative to the root, tracked or new, as strings."""
    listed = subprocess.run(["git", "-c", f"safe.directory={ROOT}", "ls-files", "-z", "--cached", "--others",
                             "--exclude-standard"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return sorted({name for name in listed.split("\0") if name and (ROOT / name).is_file()})


@functools.cache
def text(path):
    return (ROOT / path).read_text(errors="replace")


def with_suffix(*suffixes):
    return [f for f in files() if pathlib.PurePath(f).suffix in suffixes]


def under(path, *folders):
    return any(path == f or path.startswith(f + "/") for f in folders)


LEXEME = re.compile(r"""//[^\n]* | /\*.*?\*/ | R"(\w*)\(.*?\)\1" | "(?:\\.|[^"\\\n])*" | '(?:\\.|[^'\\\n])*'""",
                    re.X | re.S)


def code_only(source):
    """C++ without comments and literals; lines keep their numbers. Digit separators are no quotes."""
    source = re.sub(r"(?<=[0-9a-fA-F])'(?=[0-9a-fA-F])", "", source)
    return LEXEME.sub(lambda m: re.sub(r"[^\n\0]+", " ", m.group()), source)


def report(offenders):
    """The message of a failed rule: one line an offender."""
    return "\n" + "\n".join(offenders)
