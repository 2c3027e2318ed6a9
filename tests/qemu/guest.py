#!/usr/bin/python3
"""Runs a command on another kernel: in a guest of qemu whose root are this machine's files.

usage: guest.py [--kernel FOLDER] [--timeout SECONDS] [--memory MIB] [--descriptors N]
                [--accelerator kvm|tcg] COMMAND...

The guest sees this machine's files, read-only below a RAM disk that takes its writes and ends with it. The command
runs as root in this folder with this environment and no network; its output and exit status are those of guest.py
(124: the time was over; 125: the guest did not start, or ended before the command).
"""
import argparse
import os
import pathlib
import shlex
import subprocess
import sys
import tempfile
import time

REPO = pathlib.Path(__file__).resolve().parents[2]
VIRTIOFSD = "/usr/lib/qemu/virtiofsd"
TIME_OVER, NO_GUEST = 124, 125
START_S = {"kvm": 60, "tcg": 600}  # until the guest reports; with a busy machine in mind
POLL_S = 0.1
DESCRIPTORS = 65536
CONSOLE_LINES = 40  # of the kernel's console, shown when the guest failed

# kvm: the machine's own processors. tcg: no help from the processor; the guest's clock then counts instructions, a
# nanosecond each (and real time while it idles), so that no time-out of a test depends on how slow that is. qemu can
# do this with one processor only.
PROCESSORS = {
    "kvm": ["-accel", "kvm", "-cpu", "host", "-smp", "2"],
    "tcg": ["-accel", "tcg,thread=single,tb-size=512", "-icount", "shift=0,sleep=on", "-cpu", "Haswell-noTSX",
            "-smp", "1"],
}

# Process 1 of the guest, once its root is there.
START = """\
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
cd {folder}
exec >{job}/output 2>&1 </dev/null
ip link set lo up
hostname guest
modprobe tun  # its node in /dev comes with it
ulimit -n {descriptors}
>{job}/up
(
{environment}
exec {command}
)
echo $? >{job}/status
sync
echo o >/proc/sysrq-trigger
sleep 60
"""

# The host's files for the guest: a view of / in a mount namespace of its own, read-only for virtiofsd too.
VIEW = """\
set -e
mount --bind / /mnt
mount -o remount,bind,ro /mnt
for folder in "$2" "$3"; do
  [ "$(stat -c %d "$folder")" = "$(stat -c %d /)" ] && continue
  mount --bind "$folder" "/mnt$folder"
  mount -o remount,bind,ro "/mnt$folder"
done
exec {virtiofsd} --socket-path="$1" -o source=/mnt -o cache=always -o sandbox=chroot
"""


def say(text):
    print(f"guest: {text}", file=sys.stderr, flush=True)


class Guest:
    """A guest and its file servers; everything ends with it."""

    def __init__(self, options, job):
        self.options, self.job, self.processes = options, job, []
        self.kernel = pathlib.Path(options.kernel).resolve()

    def spawn(self, argv, log):
        """A child that does not outlive us, however we end."""
        with open(log, "wb") as file:
            process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", *map(str, argv)], stdin=subprocess.DEVNULL,
                                       stdout=file, stderr=file)
        self.processes.append(process)
        return process

    def serve_files(self):
        self.spawn(["unshare", "--mount", "--propagation", "private", "sh", "-c", VIEW.format(virtiofsd=VIRTIOFSD), "sh",
                    self.job / "host.socket", os.getcwd(), self.kernel], self.job / "host.log")
        self.spawn([VIRTIOFSD, f"--socket-path={self.job}/job.socket", "-o", f"source={self.job}", "-o", "cache=none",
                    "-o", "sandbox=chroot"], self.job / "job.log")
        end = time.monotonic() + START_S["kvm"]
        while not ((self.job / "host.socket").exists() and (self.job / "job.socket").exists()):
            if time.monotonic() > end or any(p.poll() is not None for p in self.processes):
                raise SystemExit(f"guest: virtiofsd did not start:\n{self.log('host.log')}{self.log('job.log')}")
            time.sleep(POLL_S)

    def boot(self, accelerator):
        """Whether the guest reported."""
        self.serve_files()
        words = (f"console=ttyS0 quiet panic=-1 mitigations=off job={self.job} modules={self.kernel}/modules "
                 f"folder={os.getcwd()}")
        argv = ["qemu-system-x86_64", *PROCESSORS[accelerator], "-m", self.options.memory, "-nodefaults", "-display",
                "none", "-no-reboot", "-machine", "q35,memory-backend=memory",
                "-object", f"memory-backend-memfd,id=memory,size={self.options.memory}M,share=on",
                "-serial", f"file:{self.job}/console", "-kernel", self.kernel / "vmlinuz",
                "-initrd", self.kernel / "initramfs", "-append", words]
        for tag in ("host", "job"):
            argv += ["-chardev", f"socket,id={tag},path={self.job}/{tag}.socket",
                     "-device", f"vhost-user-fs-pci,chardev={tag},tag={tag}"]
        self.qemu = self.spawn(argv, self.job / "qemu.log")
        end = time.monotonic() + START_S[accelerator]
        while not (self.job / "up").exists():
            if self.qemu.poll() is not None or time.monotonic() > end:
                return False
            time.sleep(POLL_S)
        return True

    def start(self):
        """Boots with what the machine has. /dev/kvm may be there and yet not run such a kernel."""
        refused = self.kernel / "no-kvm"
        wanted = self.options.accelerator
        if wanted in (None, "kvm") and os.access("/dev/kvm", os.W_OK) and (wanted or not refused.exists()):
            if self.boot("kvm"):
                return
            self.end()
            if not wanted:
                refused.touch()
                say(f"/dev/kvm did not run the guest; using tcg from now on (remove {refused} to try again)")
        if wanted != "kvm" and self.boot("tcg"):
            return
        raise SystemExit(self.failed("the guest did not start"))

    def run(self, command):
        environment = "\n".join(f"export {name}={shlex.quote(value)}" for name, value in os.environ.items()
                                if name.isidentifier())
        (self.job / "start").write_text(START.format(folder=shlex.quote(os.getcwd()), job=self.job, command=command,
                                                     environment=environment, descriptors=self.options.descriptors))
        self.start()
        end = time.monotonic() + self.options.timeout
        with open(self.job / "output", "rb") as output:
            running = True
            while running:
                running = self.qemu.poll() is None
                for piece in iter(lambda: output.read(65536), b""):
                    sys.stdout.buffer.write(piece)
                    sys.stdout.flush()
                if time.monotonic() > end:
                    say(f"ended after {self.options.timeout} s")
                    return TIME_OVER
                time.sleep(POLL_S)
        status = self.log("status").strip()
        return int(status) if status.isdigit() else self.failed("the guest ended before the command")

    def failed(self, why):
        say(why)
        for name in ("qemu.log", "host.log", "job.log", "console"):
            for line in self.log(name).splitlines()[-CONSOLE_LINES:]:
                say(f"{name}: {line}")
        return NO_GUEST

    def log(self, name):
        path = self.job / name
        return path.read_text(errors="replace") if path.exists() else ""

    def end(self):
        for process in self.processes:
            process.kill()
            process.wait()
        self.processes = []
        for name in ("host.socket", "job.socket", "up"):
            (self.job / name).unlink(missing_ok=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kernel", metavar="FOLDER", default=REPO / "build" / "kernel-6.1")
    parser.add_argument("--timeout", type=float, default=4 * 3600)
    parser.add_argument("--memory", metavar="MIB", type=int, default=4096)
    parser.add_argument("--descriptors", metavar="N", type=int, default=DESCRIPTORS, help="RLIMIT_NOFILE (%(default)s)")
    parser.add_argument("--accelerator", choices=sorted(PROCESSORS))
    parser.add_argument("command", nargs=argparse.REMAINDER, metavar="COMMAND...")
    options = parser.parse_args()
    command = options.command[1:] if options.command[:1] == ["--"] else options.command
    if not command:
        parser.error("which command?")
    with tempfile.TemporaryDirectory(prefix="culvert-guest-") as scratch:
        guest = Guest(options, pathlib.Path(scratch))
        try:
            return guest.run(shlex.join(command))
        finally:
            guest.end()


if __name__ == "__main__":
    sys.exit(main())
