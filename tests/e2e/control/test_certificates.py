"""Istio's certificate service: who gets which certificate, judged by openssl."""
import datetime
import subprocess

import grpc
import pytest

from lab import wait_until
from control import node, pod, waypoint

WEB = "spiffe://cluster.local/ns/shop/sa/web"
DB = "spiffe://cluster.local/ns/shop/sa/db"
OUT = "spiffe://cluster.local/ns/shop/sa/out"


def openssl(*arguments, text=None):
    return subprocess.run(["openssl", *map(str, arguments)], input=text, capture_output=True, text=True, check=True).stdout


def make_csr(folder, san=None):
    extension = ["-addext", f"subjectAltName=URI:{san}"] if san else []
    openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", folder / "key",
            "-out", folder / "csr", "-subj", "/", *extension)
    return (folder / "csr").read_text()


def ask(control, from_node, csr, identity, seconds=0, metadata=True):
    import citadel_pb2
    request = citadel_pb2.IstioCertificateRequest(csr=csr, validity_duration=seconds)
    if metadata:
        request.metadata["ImpersonatedIdentity"] = identity
    with control.channel(from_node) as channel:
        call = channel.unary_unary("/istio.v1.auth.IstioCertificateService/CreateCertificate",
                                   request_serializer=citadel_pb2.IstioCertificateRequest.SerializeToString,
                                   response_deserializer=citadel_pb2.IstioCertificateResponse.FromString)
        return list(call(request, timeout=60).cert_chain)


def refusal(*arguments, **options):
    with pytest.raises(grpc.RpcError) as caught:
        ask(*arguments, **options)
    return caught.value.code()


def lifetime(certificate):
    dates = dict(line.split("=") for line in openssl("x509", "-noout", "-dates", text=certificate).split("\n") if line)
    begin, end = (datetime.datetime.strptime(dates[d], "%b %d %H:%M:%S %Y %Z") for d in ("notBefore", "notAfter"))
    return (end - begin).total_seconds()


@pytest.fixture
def mesh(control):
    control.write("mesh.yaml", node("n1"), node("n2"), pod("web", "n1"), pod("db", "n2", account="db", ip="10.0.0.6"),
                  pod("out", "n1", account="out", ip="10.0.0.7", meshed=False))
    control.start()
    return control


def test_a_node_gets_certificates_for_its_own_pods(mesh, tmp_path):
    chain = ask(mesh, "n1", make_csr(tmp_path), WEB)
    (tmp_path / "leaf").write_text(chain[0])
    (tmp_path / "root").write_text(chain[-1])
    (tmp_path / "between").write_text("".join(chain[1:-1]))
    between = ["-untrusted", tmp_path / "between"] if chain[1:-1] else []
    for purpose in ("sslserver", "sslclient"):
        assert "OK" in openssl("verify", "-CAfile", tmp_path / "root", *between, "-purpose", purpose, tmp_path / "leaf")
    text = openssl("x509", "-noout", "-text", text=chain[0])
    assert text.count("URI:") == 1 and f"URI:{WEB}" in text
    assert openssl("x509", "-noout", "-pubkey", text=chain[0]) == openssl("pkey", "-in", tmp_path / "key", "-pubout")


@pytest.mark.parametrize("identity", [DB, OUT, "spiffe://cluster.local/ns/shop/sa/none", "", "web",
                                      "spiffe://other/ns/shop/sa/web", WEB + "/x", WEB.upper()])
def test_a_node_gets_no_certificate_for_what_is_not_its_meshed_pods(mesh, tmp_path, identity):
    assert refusal(mesh, "n1", make_csr(tmp_path), identity) == grpc.StatusCode.PERMISSION_DENIED


def test_a_waypoint_gets_its_own_certificate_by_its_own_socket_and_no_other(mesh, tmp_path):
    wp, csr = "spiffe://cluster.local/ns/shop/sa/wp", make_csr(tmp_path)
    mesh.write("waypoint.yaml", *waypoint())
    assert mesh.sync()[0] == 200
    assert f"URI:{wp}" in openssl("x509", "-noout", "-text", text=ask(mesh, "shop/wp-1", csr, wp)[0])
    for identity in (WEB, DB, OUT, "", wp + "x"):
        assert refusal(mesh, "shop/wp-1", csr, identity) == grpc.StatusCode.PERMISSION_DENIED, identity
    assert refusal(mesh, "n1", csr, wp) == grpc.StatusCode.PERMISSION_DENIED
    path = mesh.socket("shop/wp-1")
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert [proxy["name"] for proxy in mesh.status()["proxies"]] == ["shop/wp-1"]
    mesh.stop()
    mesh.start()  # the folder may be shown to a pod: the socket comes back in it
    assert ask(mesh, "shop/wp-1", csr, wp)
    mesh.write("waypoint.yaml", waypoint()[1])  # of a Gateway that is gone
    assert mesh.sync()[0] == 200
    wait_until(lambda: not path.exists(), "its socket goes")


def test_a_request_without_an_identity_is_refused(mesh, tmp_path):
    assert refusal(mesh, "n1", make_csr(tmp_path, WEB), WEB, metadata=False) == grpc.StatusCode.PERMISSION_DENIED


def test_the_name_in_the_request_itself_counts_for_nothing(mesh, tmp_path):
    chain = ask(mesh, "n1", make_csr(tmp_path, DB), WEB)
    text = openssl("x509", "-noout", "-text", text=chain[0])
    assert f"URI:{WEB}" in text and DB not in text


def test_lifetimes_are_bounded_by_a_day(mesh, tmp_path):
    csr = make_csr(tmp_path)
    day, skew = 24 * 3600, 180
    assert day <= lifetime(ask(mesh, "n1", csr, WEB)[0]) <= day + skew
    assert lifetime(ask(mesh, "n1", csr, WEB, seconds=10 * day)[0]) <= day + skew
    assert 3600 <= lifetime(ask(mesh, "n1", csr, WEB, seconds=3600)[0]) <= 3600 + skew
    assert refusal(mesh, "n1", csr, WEB, seconds=-1) == grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize("csr", ["", "garbage", "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n"])
def test_what_is_no_request_is_refused(mesh, csr):
    assert refusal(mesh, "n1", csr, WEB) == grpc.StatusCode.INVALID_ARGUMENT


def test_a_pod_that_moves_takes_its_certificate_with_it(mesh, tmp_path):
    csr = make_csr(tmp_path)
    mesh.write("mesh.yaml", node("n1"), node("n2"), pod("web", "n2"))
    assert mesh.sync()[0] == 200
    assert refusal(mesh, "n1", csr, WEB) == grpc.StatusCode.PERMISSION_DENIED
    assert ask(mesh, "n2", csr, WEB)


def test_the_root_stays_over_restarts_and_its_key_is_for_root_only(mesh, tmp_path):
    csr = make_csr(tmp_path)
    first = ask(mesh, "n1", csr, WEB)[-1]
    mesh.stop()
    mesh.start()
    assert ask(mesh, "n1", csr, WEB)[-1] == first
    assert (mesh.state / "ca" / "ca-key.pem").stat().st_mode & 0o777 == 0o600


def test_a_given_authority_signs(control, tmp_path):
    ca = tmp_path / "cacerts"
    ca.mkdir()
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", ca / "key",
            "-out", ca / "cert", "-subj", "/O=given", "-days", "10", "-addext", "keyUsage=critical,keyCertSign,cRLSign")
    control.command += ["--ca-cert", ca / "cert", "--ca-key", ca / "key", "--root-cert", ca / "cert"]
    control.write("mesh.yaml", node("n1"), pod("web", "n1"))
    control.start()
    chain = ask(control, "n1", make_csr(tmp_path), WEB)
    assert chain[-1].strip() == (ca / "cert").read_text().strip()
    assert not (control.state / "ca").exists()


def test_an_authority_that_does_not_fit_is_refused_at_the_start(control, tmp_path):
    for name in ("a", "b"):
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
                tmp_path / f"{name}.key", "-out", tmp_path / f"{name}.cert", "-subj", f"/O={name}", "-days", "10")
    control.command += ["--ca-cert", tmp_path / "a.cert", "--ca-key", tmp_path / "b.key", "--root-cert",
                        tmp_path / "a.cert"]
    process = control.start(wait=False)
    assert process.wait(timeout=60) == 1 and "b.key" in control.log()
