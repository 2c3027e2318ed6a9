"""Dependencies point one way: programs -> lib in the order of lib/meson.build -> third parties."""
import os
import pathlib
import re

import tree

PARTS = ("agent", "ztunnel", "waypoint", "tools")
MODULES = re.findall(r"^subdir\('(\w+)'\)", tree.text("lib/meson.build"), re.M)
# They decide, and know no socket.
PURE = {"http": {"base", "http"}, "mesh": {"base", "mesh"}, "l7": {"base", "regex", "mesh", "l7"},
        "explain": {"base", "mesh", "l7", "explain"}}
VERDICTS = {"bpf/verdict.h"}  # the hooks' decisions, which compile natively too
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.M)
GENERATED = re.compile(r"(\.pb\.h|\.skel\.h)$")

# Header prefix -> where it may be included (docs/decisions/0001-libraries.md has the reasons).
THIRD_PARTY = {
    "liburing": ("lib/io",),
    "nghttp2/": ("lib/h2", "tests/unit/h2", "tools/bench/h2_link.hpp"),
    "openssl/": ("lib/tls", "lib/certs", "tests/unit/tls", "tests/unit/certs", "tests/fuzz",
                 "tests/sim/system_calls.cpp"),
    "bpf/libbpf": ("agent/datapath",),
    "bpf/bpf.h": ("agent/datapath",),
    "bpf/btf.h": ("agent/datapath",),
    "bpf/bpf_": ("bpf",),
    "yaml.h": ("lib/config",),
    "yaml-cpp/": ("tools/lab",),
    "httplib.h": ("lib/admin",),
    "re2/": ("lib/regex",),
    "zlib.h": ("lib/base", "tests/unit/base"),
    "nlohmann/": ("lib/admin", "lib/telemetry", "agent", "ztunnel/admin", "waypoint/admin", "tools", "tests"),
    "CLI/": ("agent", "ztunnel/main.cpp", "waypoint/main.cpp", "tools/culvert", "tools/bench/main.cpp",
             "tests/sim/main.cpp"),
    "google/protobuf/": ("lib/l7", "lib/config", "lib/policy", "lib/xds", "lib/zds", "agent/control", "tests"),
    "doctest/": ("tests/unit",),
}
SCHEMA_USERS = ("lib/l7", "lib/config", "lib/policy", "lib/xds", "lib/zds", "agent/control", "agent/enroll", "ztunnel/control",
                "tests")  # of our own *.pb.h


def module_of(path):
    """The lib module that a path belongs to, or None."""
    match = re.match(r"(?:lib|include/culvert)/(\w+)/", path)
    return match.group(1) if match else None


def part_of(path):
    top = path.split("/")[0]
    return top if top in PARTS else None


def resolve(path, name):
    """Where in the tree a quoted include leads, or None. Private include folders are not read from
    the build: a name that no other rule finds is looked for in its own part, then everywhere."""
    known = set(tree.files())
    beside = os.path.normpath(str(pathlib.PurePath(path).parent / name))
    for candidate in (beside, "include/" + name, name, *(f"{p}/{name}" for p in PARTS)):
        if candidate in known:
            return candidate
    ends = [f for f in known if f.endswith("/" + name)]
    near = [f for f in ends if f.split("/")[0] == path.split("/")[0]]
    return next(iter(near if len(near) == 1 else ends if len(ends) == 1 else ()), None)


def complaint_about(path, target):
    """Why `path` may not include `target`, both in the tree; None if it may."""
    if target.startswith("include/culvert/abi/"):
        return None
    if path.startswith(("bpf/", "include/culvert/abi/")):
        return None if under_bpf(target) else "BPF code sees abi/ and itself"
    mine, theirs = module_of(path), module_of(target)
    if mine == "explain" and target in VERDICTS:
        return None
    if mine:
        if theirs is None:
            return "lib knows none of the programs"
        if mine in PURE and theirs not in PURE[mine]:
            return f"{mine} uses only {', '.join(sorted(PURE[mine]))}"
        if mine not in MODULES or theirs not in MODULES:
            return "not a module of lib/meson.build"
        return None if MODULES.index(theirs) <= MODULES.index(mine) else f"{theirs} stands below {mine}"
    if part_of(path) and part_of(target) and part_of(path) != part_of(target):
        return f"{part_of(path)} and {part_of(target)} never include one another"
    if theirs and target.startswith("lib/"):
        return f"a private header of lib/{theirs}"
    return None


def under_test(path):
    return path.startswith("tests/")


def under_bpf(path):
    return path.startswith(("bpf/", "include/culvert/abi/"))


def includes():
    for path in tree.with_suffix(*tree.CODE):
        for match in INCLUDE.finditer(tree.text(path)):
            line = tree.text(path).count("\n", 0, match.start()) + 1
            yield path, line, match.group(1), match.group(2)


def third_party_complaint(path, name):
    if name.endswith(".pb.h") and not name.startswith("google/"):
        return None if tree.under(path, *SCHEMA_USERS) else "our schemas are not for this folder"
    for prefix, places in THIRD_PARTY.items():
        if name.startswith(prefix):
            return None if tree.under(path, *places) else f"only in {', '.join(places)}"
    return None


def test_modules_include_only_what_stands_above_them_and_programs_never_one_another():
    wrong = []
    for path, line, quote, name in includes():
        if GENERATED.search(name) or under_test(path) or (quote == "<" and not name.startswith("culvert/")):
            continue
        target = resolve(path, name)
        why = complaint_about(path, target) if target else "no such header in the tree"
        if why:
            wrong.append(f"{path}:{line}: {name}: {why}")
    assert not wrong, tree.report(wrong)


def test_each_third_party_header_is_included_only_in_its_places():
    wrong = [f"{path}:{line}: {name}: {why}" for path, line, _, name in includes()
             if (why := third_party_complaint(path, name))]
    assert not wrong, tree.report(wrong)


def test_public_headers_hide_the_libraries():
    heavy = tuple(p for p in THIRD_PARTY if p != "doctest/") + ("google/",)
    wrong = [f"{path}:{line}: {name}" for path, line, _, name in includes()
             if path.startswith("include/") and (name.startswith(heavy) or GENERATED.search(name))]
    assert not wrong, tree.report(wrong)


def test_every_module_folder_is_listed_in_the_layers():
    folders = {f.split("/")[1] for f in tree.files() if re.match(r"lib/\w+/", f)}
    assert folders == set(MODULES)


def test_the_layer_rule_refuses_what_it_should():
    assert complaint_about("lib/io/loop.cpp", "include/culvert/base/error.hpp") is None
    assert complaint_about("lib/io/loop.cpp", "include/culvert/tls/context.hpp")
    assert complaint_about("include/culvert/mesh/route.hpp", "include/culvert/io/socket.hpp")
    assert complaint_about("lib/base/ip.cpp", "ztunnel/settings.hpp")
    assert complaint_about("ztunnel/main.cpp", "agent/enroll/pod.hpp")
    assert complaint_about("ztunnel/main.cpp", "lib/h2/session.hpp")
    assert complaint_about("bpf/maps.h", "include/culvert/base/ip.hpp")
    assert complaint_about("lib/explain/capture.cpp", "bpf/verdict.h") is None
    assert complaint_about("lib/explain/capture.cpp", "bpf/maps.h")
    assert complaint_about("lib/explain/explain.cpp", "include/culvert/xds/resources.hpp")
    assert third_party_complaint("ztunnel/main.cpp", "openssl/ssl.h")
    assert third_party_complaint("lib/tls/context.cpp", "openssl/ssl.h") is None
    assert third_party_complaint("agent/enroll/pod.cpp", "bpf/libbpf.h")
