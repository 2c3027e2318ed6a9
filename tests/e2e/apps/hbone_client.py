#!/usr/bin/python3
"""A hand-made HBONE client: TLS 1.3 with a certificate, HTTP/2 (RFC 9113), one CONNECT, one line.

usage: hbone_client.py IP --roots FILE [--cert FILE --key FILE] [--authority IP:PORT] [--method M]
                       [--alpn NAME] [--tls12] [--say TEXT] [--forwarded VALUE] [--traceparent VALUE]
                       [--source VALUE] [--hold] [--port 15008]

Prints one JSON line: {"server": its URI SAN or null, "serial": ..., "status": 200 or null, "answer":
what came back for --say, "local": [ip, port], "error": ...}; with --hold it says it again for each line of
standard input, and prints one line an answer, or what ended it. Knows of HPACK (RFC 7541) what it needs:
it sends literals, and reads the first field of a response, which is :status.
"""
import argparse
import json
import re
import socket
import ssl
import struct
import subprocess
import sys

DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY = 0, 1, 3, 4, 6, 7
ACK, END_STREAM, END_HEADERS = 1, 1, 4
STATIC_STATUS = {8: 200, 9: 204, 10: 206, 11: 304, 12: 400, 13: 404, 14: 500}  # RFC 7541 appendix A
HUFFMAN_DIGITS = {f"{code:05b}": str(code) for code in range(3)} | {f"{code:06b}": str(code - 22) for code in range(25, 32)}


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def literal(name, value):
    """A field without indexing, name and value as plain strings (section 6.2.2)."""
    return b"\0" + b"".join(bytes([len(text)]) + text.encode() for text in (name, value))


def status_of(block):
    """The value of the response's first field; nothing else of HPACK is read."""
    while block[0] & 0xE0 == 0x20:  # a change of the table's size
        block = block[1:]
    if block[0] & 0x80:
        return STATIC_STATUS[block[0] & 0x7F]
    assert block[0] & 0x0F == 8 or block[0] & 0x3F == 8, block.hex()  # a literal named :status
    size, text = block[1] & 0x7F, block[2:]
    if not block[1] & 0x80:
        return int(text[:size])
    bits, out = "".join(f"{byte:08b}" for byte in text[:size]), ""
    while len(out) < 3:
        code = next(code for code in HUFFMAN_DIGITS if bits.startswith(code))
        out, bits = out + HUFFMAN_DIGITS[code], bits[len(code):]
    return int(out)


class Connection:
    def __init__(self, sock):
        self.sock, self.buffer = sock, b""
        sock.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(SETTINGS, 0, 0))

    def exactly(self, size):
        while len(self.buffer) < size:
            part = self.sock.recv(65536)
            if not part:
                raise ConnectionError("closed")
            self.buffer += part
        out, self.buffer = self.buffer[:size], self.buffer[size:]
        return out

    def next(self):
        """(kind, flags, payload) of the next frame about stream 1; sees to the others."""
        while True:
            head = self.exactly(9)
            payload = self.exactly(int.from_bytes(head[:3], "big"))
            kind, flags = head[3], head[4]
            if kind == SETTINGS and not flags & ACK:
                self.sock.sendall(frame(SETTINGS, ACK, 0))
            elif kind == PING and not flags & ACK:
                self.sock.sendall(frame(PING, ACK, 0, payload))
            elif kind == GOAWAY:
                raise ConnectionError(f"GOAWAY {int.from_bytes(payload[4:8], 'big')}")
            elif kind == RST_STREAM:
                raise ConnectionError(f"RST_STREAM {int.from_bytes(payload, 'big')}")
            elif kind in (HEADERS, DATA):
                return kind, flags, payload

    def connect(self, method, authority, **others):
        block = literal(":method", method)
        if method != "CONNECT":
            block += literal(":scheme", "http") + literal(":path", "/")
        if authority:
            block += literal(":authority", authority)
        for name, value in others.items():
            block += literal(name, value) if value else b""
        self.sock.sendall(frame(HEADERS, END_HEADERS, 1, block))
        kind, _, payload = self.next()
        assert kind == HEADERS
        return status_of(payload)

    def exchange(self, text):
        self.sock.sendall(frame(DATA, 0, 1, text.encode() + b"\n"))
        got = b""
        while not got.endswith(b"\n"):
            kind, flags, payload = self.next()
            got += payload if kind == DATA else b""
            if flags & END_STREAM:
                break
        return got.decode().strip()


def openssl(*argv, certificate):
    return subprocess.run(["openssl", "x509", "-inform", "DER", "-noout", *argv], input=certificate,
                          capture_output=True).stdout.decode()


def run(options, out):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.load_verify_locations(options.roots)
    context.set_alpn_protocols([options.alpn] if options.alpn else [])
    if options.tls12:
        context.maximum_version = ssl.TLSVersion.TLSv1_2
    if options.cert:
        context.load_cert_chain(options.cert, options.key)
    with socket.create_connection((options.ip, options.port), timeout=10) as plain:
        out["local"] = plain.getsockname()[:2]
        with context.wrap_socket(plain) as sock:
            certificate = sock.getpeercert(binary_form=True)
            found = re.search(r"URI:(\S+)", openssl("-ext", "subjectAltName", certificate=certificate))
            out["server"] = found.group(1) if found else None
            out["serial"] = openssl("-serial", certificate=certificate).strip().removeprefix("serial=")
            connection = Connection(sock)
            out["status"] = connection.connect(options.method, options.authority, forwarded=options.forwarded,
                                               traceparent=options.traceparent, **{"x-culvert-source": options.source})
            if options.say and out["status"] == 200:
                out["answer"] = connection.exchange(options.say)
            for _ in sys.stdin if options.hold else ():
                print(json.dumps(out), flush=True)
                out["answer"] = None
                out["answer"] = connection.exchange(options.say)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("ip")
    for name in ("roots", "cert", "key", "say", "authority", "forwarded", "traceparent", "source"):
        parser.add_argument("--" + name)
    parser.add_argument("--port", type=int, default=15008)
    parser.add_argument("--method", default="CONNECT")
    parser.add_argument("--alpn", default="h2")
    parser.add_argument("--tls12", action="store_true")
    parser.add_argument("--hold", action="store_true")
    options = parser.parse_args()
    out = {"server": None, "serial": None, "status": None, "answer": None, "local": None, "error": None}
    try:
        run(options, out)
    except (OSError, ConnectionError, AssertionError) as error:
        out["error"] = str(error) or type(error).__name__
    print(json.dumps(out))


if __name__ == "__main__":
    main()
