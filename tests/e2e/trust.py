"""Who signs in a lab, and which certificates are in use: roots that follow one another, and files of revoked certificates."""
import base64
import json
import os
import pathlib

from lab import APPS, wait_until
from mint import Mint


def put_in_place(path, text):
    """The file has the whole text at once."""
    new = pathlib.Path(f"{path}.new")
    new.write_text(text)
    os.rename(new, path)


class Authority:
    """The files that control signs with, and what is in them now."""

    def __init__(self, folder):
        self.folder, self.made = pathlib.Path(folder), 0
        self.root = self.new_root()
        self.put(self.root, [self.root])

    def new_root(self):
        self.made += 1
        return Mint(self.folder / f"root-{self.made}")

    def put(self, signer, roots):
        for name, text in (("ca-cert.pem", signer.cert.read_text()), ("ca-key.pem", signer.key.read_text()),
                           ("root-cert.pem", "".join(root.cert.read_text() for root in roots))):
            put_in_place(self.folder / name, text)

    def flags(self):
        return [f"--control-flag=--{option}={self.folder}/{name}" for option, name in
                (("ca-cert", "ca-cert.pem"), ("ca-key", "ca-key.pem"), ("root-cert", "root-cert.pem"))]

    def steps_to(self, new):
        """(who signs, whom all trust) of the three steps by which a root is replaced: docs/configuration.md."""
        old = self.root
        for signer, roots in ((old, [old, new]), (new, [old, new]), (new, [new])):
            self.put(signer, roots)
            yield signer, roots
        self.root = new


def certificates(lab, *proxies):
    """What the /config_dump of "node/east" or "shop/waypoint-1" says of its newest certificates: {(proxy, identity): ...}."""
    out = {}
    for proxy in proxies:
        done = lab.exec(proxy, "curl", "-sS", "http://127.0.0.1:15000/config_dump", check=True)
        out.update({(proxy, one["identity"]): one for one in json.loads(done.stdout)["certificates"]})
    return out


def renewed(lab, *proxies, within):
    """Waits until each of their certificates is another one than now; a waypoint tells until when its own holds."""
    before = certificates(lab, *proxies)
    wait_until(lambda: all(now["state"] == "Available" and now != before.get(whose)
                           for whose, now in certificates(lab, *proxies).items()), "every certificate is a new one", within)


def leaf_of(lab, node, account):
    """The certificate of an account of this node's pods in PEM, without those above it."""
    of_account = next(one for (_, identity), one in certificates(lab, node).items() if identity.endswith(f"/sa/{account}"))
    return "-----BEGIN" + base64.b64decode(of_account["certChain"][0]["pem"]).decode().split("-----BEGIN", 2)[1]


def dial(lab, ip, trusted, leaf, *flags):
    """What a client outside the mesh with this certificate sees of a tunnel port; `flags` as of apps/hbone_client.py."""
    done = lab.exec("default/outside", "python3", APPS / "hbone_client.py", ip, "--roots", trusted.cert, "--cert", leaf[0],
                    "--key", leaf[1], *flags)
    return json.loads(done.stdout)
