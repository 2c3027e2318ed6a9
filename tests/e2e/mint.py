"""Certificates, good and bad, made with openssl(1)."""
import datetime
import pathlib
import subprocess

CONFIG = """[ca]
default_ca = it
[it]
dir = {folder}
database = {folder}/index
serial = {folder}/serial
new_certs_dir = {folder}
unique_subject = no
default_md = sha256
default_crl_days = 1
policy = any
[any]
commonName = optional
"""


def openssl(*argv):
    done = subprocess.run(["openssl", *map(str, argv)], text=True, capture_output=True)
    assert done.returncode == 0, f"openssl {argv}: {done.stderr}"
    return done.stdout


def moment(hours):
    when = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=hours)
    return when.strftime("%Y%m%d%H%M%SZ")


class Mint:
    """An authority: the one of a lab, or a new one with the same name as no other."""

    def __init__(self, folder, cert=None, key=None):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir()
        self.cert, self.key, self.made = cert or self.folder / "ca.pem", key or self.folder / "ca.key", 0
        if not cert:
            openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj",
                    f"/O={self.folder.name}", "-days", "10", "-keyout", self.key, "-out", self.cert)
        (self.folder / "index").touch()
        (self.folder / "serial").write_text("1000\n")
        (self.folder / "config").write_text(CONFIG.format(folder=self.folder))

    @classmethod
    def of_lab(cls, folder, name):
        ca = pathlib.Path("/run/culvert/lab", name, "control/state/ca")
        return cls(folder, ca / "ca-cert.pem", ca / "ca-key.pem")

    def request(self, name):
        key, request = self.folder / f"{name}.key", self.folder / f"{name}.csr"
        openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                "-subj", "/CN=x", "-keyout", key, "-out", request)
        return key, request

    def leaf(self, san, begin=-1, end=1, usage="serverAuth,clientAuth", ca="FALSE"):
        """(certificate, key): files. `begin` and `end` are hours from now; `san` as in x509v3_config(5)."""
        self.made += 1
        name = f"leaf-{self.made}"
        key, request = self.request(name)
        extensions, cert = self.folder / f"{name}.ext", self.folder / f"{name}.pem"
        extensions.write_text(f"basicConstraints=critical,CA:{ca}\nkeyUsage=critical,digitalSignature\n"
                              f"extendedKeyUsage={usage}\n" + (f"subjectAltName={san}\n" if san else ""))
        openssl("ca", "-batch", "-notext", "-config", self.folder / "config", "-cert", self.cert, "-keyfile", self.key,
                "-in", request, "-out", cert, "-extfile", extensions, "-startdate", moment(begin), "-enddate", moment(end))
        return cert, key

    def authority(self, name):
        """One below this: an intermediate."""
        key, request = self.request(name)
        extensions, cert = self.folder / f"{name}.ext", self.folder / f"{name}.pem"
        extensions.write_text("basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n"
                              "subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n")
        self.ca("-batch", "-notext", "-in", request, "-out", cert, "-extfile", extensions,
                "-startdate", moment(-1), "-enddate", moment(48))
        return Mint(self.folder / name, cert, key)

    def crl(self, *revoked):
        """The text of a list of these certificates (files), and of those of earlier calls."""
        for cert in revoked:
            self.ca("-revoke", cert)
        out = self.folder / "crl.pem"
        self.ca("-gencrl", "-out", out)
        return out.read_text()

    def ca(self, *argv):
        openssl("ca", "-config", self.folder / "config", "-cert", self.cert, "-keyfile", self.key, *argv)

    def self_signed(self, san):
        self.made += 1
        cert, key = self.folder / f"own-{self.made}.pem", self.folder / f"own-{self.made}.key"
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=x",
                "-addext", f"subjectAltName={san}", "-days", "1", "-keyout", key, "-out", cert)
        return cert, key
