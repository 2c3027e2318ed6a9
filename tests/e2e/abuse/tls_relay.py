#!/usr/bin/python3
"""Plain connections in, TLS 1.3 with a certificate out: for HTTP/2 clients that know no certificates.

usage: tls_relay.py IP PORT --roots FILE --cert FILE --key FILE

Listens on a free port of 127.0.0.1, prints it, and relays until its standard input ends.
"""
import argparse
import select
import socket
import ssl
import sys
import threading

BYTES = 1 << 16
LINGER_S = 2


def relay(plain, secure):
    """Both ways until either end closes. One thread has both sockets: an SSL object is not for two."""
    secure.setblocking(False)
    plain.setblocking(False)
    to_plain = to_secure = b""
    while True:
        writers = ([plain] if to_plain else []) + ([secure] if to_secure else [])
        select.select([plain, secure], writers, [], 1 if not secure.pending() else 0)
        try:
            part = secure.recv(BYTES)
            if not part:
                break
            to_plain += part
        except ssl.SSLWantReadError:
            pass
        try:
            part = plain.recv(BYTES)
            if not part:
                break
            to_secure += part
        except BlockingIOError:
            pass
        if to_plain:
            to_plain = to_plain[plain.send(to_plain):]
        if to_secure:
            try:
                to_secure = to_secure[secure.send(to_secure):]
            except ssl.SSLWantWriteError:
                pass
    # The last words, e.g. GOAWAY, then an end that no unread byte turns into a reset.
    plain.settimeout(LINGER_S)
    plain.sendall(to_plain)
    plain.shutdown(socket.SHUT_WR)
    while plain.recv(BYTES):
        pass


def serve(plain, target, context):
    try:
        with plain, socket.create_connection(target, timeout=10) as out, context.wrap_socket(out) as secure:
            relay(plain, secure)
    except OSError:  # resets too; both ends are closed
        pass


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("ip")
    parser.add_argument("port", type=int)
    for name in ("roots", "cert", "key"):
        parser.add_argument("--" + name, required=True)
    options = parser.parse_args()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.load_verify_locations(options.roots)
    context.set_alpn_protocols(["h2"])
    context.load_cert_chain(options.cert, options.key)
    listener = socket.create_server(("127.0.0.1", 0))

    def accept():
        while True:
            plain, _ = listener.accept()
            threading.Thread(target=serve, args=(plain, (options.ip, options.port), context), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    print(listener.getsockname()[1], flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
