#!/usr/bin/python3
"""Makes a Debian kernel ready to be booted: usage: kernel.py FOLDER PATTERN

The newest package whose whole name matches PATTERN (a regular expression) is downloaded from Debian's archive and
unpacked, not installed. FOLDER then has: vmlinuz, initramfs, modules/, release. What is there already is kept.
"""
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
BUSYBOX = pathlib.Path("/bin/busybox")  # of busybox-static
NEEDED = ("virtio_pci", "virtiofs", "overlay")  # before the root file system is there, which has the others


def say(text):
    print(f"kernel: {text}", file=sys.stderr, flush=True)


def output(*argv, **options):
    return subprocess.run(argv, check=True, text=True, stdout=subprocess.PIPE, **options).stdout


def newest(pattern):
    """The package with the highest numbers in its name."""
    names = [line.split()[0] for line in output("apt-cache", "search", "--names-only", f"^{pattern}$").splitlines()]
    if not names:
        raise SystemExit(f"kernel: no package is called {pattern}; apt-get update, or look at your sources.list")
    return max(names, key=lambda name: [int(number) for number in re.findall(r"\d+", name)])


def unpack(package, folder):
    """Its files below `folder`."""
    with tempfile.TemporaryDirectory(prefix="culvert-kernel-") as scratch:
        pathlib.Path(scratch).chmod(0o755)  # apt-get reads as a user of its own
        output("apt-get", "download", "-qq", package, cwd=scratch, stderr=subprocess.DEVNULL)
        file, = pathlib.Path(scratch).glob("*.deb")
        output("dpkg-deb", "-x", file, folder)


def with_dependencies(modules):
    """Paths of NEEDED and what they need, each after what it needs; from depmod's list."""
    needs = {}
    for line in (modules / "modules.dep").read_text().splitlines():
        path, _, others = line.partition(":")
        needs[path] = others.split()
    order = []
    for name in NEEDED:
        path, = (p for p in needs if pathlib.Path(p).name == f"{name}.ko")
        for each in [*reversed(needs[path]), path]:
            if each not in order:
                order.append(each)
    return order


def make_initramfs(modules, to):
    with tempfile.TemporaryDirectory(prefix="culvert-initramfs-") as scratch:
        root = pathlib.Path(scratch)
        (root / "bin").mkdir()
        (root / "modules").mkdir()
        shutil.copy(BUSYBOX, root / "bin" / "busybox")
        for applet in ("sh", "mount", "umount", "mkdir", "insmod", "ln", "chmod", "uname", "switch_root", "sleep"):
            (root / "bin" / applet).symlink_to("busybox")
        shutil.copy(HERE / "init", root / "init")
        (root / "init").chmod(0o755)
        order = with_dependencies(modules)
        for path in order:
            shutil.copy(modules / path, root / "modules")
        (root / "modules" / "order").write_text("".join(f"{pathlib.Path(p).name}\n" for p in order))
        names = "".join(f"{p.relative_to(root)}\n" for p in sorted(root.rglob("*")))
        with open(to, "wb") as file:
            subprocess.run([BUSYBOX, "cpio", "-o", "-H", "newc"], cwd=root, input=names.encode(), stdout=file,
                           stderr=subprocess.DEVNULL, check=True)


def prepare(folder, pattern):
    folder = pathlib.Path(folder)
    if not (folder / "release").exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        package = newest(pattern)
        say(f"downloading {package}")
        unpacked = folder / "package"
        unpack(package, unpacked)
        image, = (unpacked / "boot").glob("vmlinuz-*")
        release = image.name.removeprefix("vmlinuz-")
        output("/sbin/depmod", "-b", unpacked, release)
        image.rename(folder / "vmlinuz")
        (unpacked / "lib" / "modules" / release).rename(folder / "modules")
        shutil.rmtree(unpacked)
        (folder / "release").write_text(release)
    make_initramfs(folder / "modules", folder / "initramfs")  # always: its init may have changed
    say(f"{(folder / 'release').read_text()} is in {folder}")


if __name__ == "__main__":
    prepare(*sys.argv[1:])
