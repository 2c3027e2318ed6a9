"""Messages that two parsers could read differently, and malformed ones, as they are published and as RFCs 9110,
9112 and 9113 forbid them. Each must be refused, and nothing of it, nor of what stands behind it, may be seen by
whoever comes next.
"""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "apps"))
from hbone_client import DATA, END_HEADERS, END_STREAM, HEADERS, SETTINGS, frame  # noqa: E402

BEHIND = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
HOST = b"Host: a\r\n"

# (what it is, bytes, status)
HEADS = [
    ("both lengths", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    ("two lengths that differ", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nContent-Length: 35\r\n\r\n", 400),
    ("two lengths alike", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n", 400),
    ("a list of lengths", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0, 0\r\n\r\n", 400),
    ("a signed length", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\nhello", 400),
    ("a hexadecimal length", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x5\r\n\r\nhello", 400),
    ("a length over 64 bits", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551616\r\n\r\n", 400),
    ("chunked twice", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", 400),
    ("chunked, then identity", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n", 400),
    ("an unknown coding", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", (400, 501)),
    ("a tab before chunked's name", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n", 400),
    ("space before the colon", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n", 400),
    ("a folded field", b"GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n Transfer-Encoding: chunked\r\n\r\n", 400),
    ("a bare LF behind a field", b"GET / HTTP/1.1\r\nHost: a\r\nX: b\nContent-Length: 5\r\n\r\n", 400),
    ("a bare CR in a value", b"GET / HTTP/1.1\r\nHost: a\r\nX: b\rContent-Length: 5\r\n\r\n", 400),
    ("a NUL in a value", b"GET / HTTP/1.1\r\nHost: a\r\nX: b\0c\r\n\r\n", 400),
    ("a field without a name", b"GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n", 400),
    ("a name with a space", b"GET / HTTP/1.1\r\nHost: a\r\nA B: c\r\n\r\n", 400),
    ("no Host", b"GET / HTTP/1.1\r\n\r\n", 400),
    ("two Hosts", b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
    ("target and Host differ", b"GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("userinfo in Host", b"GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", 400),
    ("a space in the target", b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("a fragment", b"GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("two spaces", b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("CONNECT", b"CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n", 501),
    ("HTTP/1.2", b"GET / HTTP/1.2\r\nHost: a\r\n\r\n", 505),
    ("chunked in HTTP/1.0", b"POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    ("Connection names Host", b"GET / HTTP/1.1\r\nHost: a\r\nConnection: host\r\n\r\n", 400),
    ("Connection names Content-Length", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nConnection: content-length\r\n\r\nx", 400),
    ("an unknown expectation", b"GET / HTTP/1.1\r\nHost: a\r\nExpect: 200-maybe\r\n\r\n", 417),
    ("a websocket by POST", b"POST / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n", 400),
    ("too many fields", b"GET / HTTP/1.1\r\n" + HOST + b"X: y\r\n" * 101 + b"\r\n", 431),
    ("a head that is too long", b"GET / HTTP/1.1\r\n" + HOST + b"X: " + b"y" * 70_000 + b"\r\n\r\n", 431),
    ("a target that is too long", b"GET /" + b"y" * 40_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n", 414),
    ("a method that is too long", b"A" * 40 + b" / HTTP/1.1\r\n" + HOST + b"\r\n", 501),
    ("not HTTP", b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", 400),
    # CL.TE, TE.CL and TE.TE as they are published (Heled and others 2005; Kettle 2019; Gil 2020).
    ("CL.TE", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG", 400),
    ("TE.CL", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n5c\r\nGPOST /\r\n0\r\n\r\n", 400),
    ("TE.TE: a second one of nonsense", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-encoding: cow\r\n\r\n0\r\n\r\n", (400, 501)),
    ("TE.TE: nonsense first", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: cow\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", (400, 501)),
    ("TE.TE: in quotes", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n", (400, 501)),
    ("TE.TE: with a parameter", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked;a=b\r\n\r\n0\r\n\r\n", (400, 501)),
    ("TE.TE: chunked, identity", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", (400, 501)),
    ("TE.TE: identity alone", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\nContent-Length: 1\r\n\r\nx", (400, 501)),
    ("TE.TE: compressed", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
    ("TE.TE: a word in front", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: x chunked\r\n\r\n0\r\n\r\n", (400, 501)),
    ("TE.TE: a NUL behind", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\0\r\n\r\n0\r\n\r\n", 400),
    ("TE.TE: a NUL in its name", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding\0: chunked\r\n\r\n0\r\n\r\n", 400),
    ("TE.TE: a line that begins with space", b"POST / HTTP/1.1\r\n Transfer-Encoding: chunked\r\nHost: a\r\n\r\n0\r\n\r\n", 400),
    ("TE.TE: folded by a tab", b"POST / HTTP/1.1\r\nHost: a\r\nX: y\r\n\tTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    ("TE.TE: its value on the next line", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n", 400),
    ("TE.TE: a tab before the colon", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n", 400),
    ("TE.TE: behind a bare LF", b"POST / HTTP/1.1\r\nHost: a\r\nX: X\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    ("TE.TE: behind a bare CR", b"POST / HTTP/1.1\r\nHost: a\r\nX: X\rTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    ("a length behind space", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length : 5\r\n\r\nhello", 400),
    ("a length behind a vertical tab", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: \x0b5\r\n\r\nhello", 400),
    ("a length of nothing", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n", 400),
    ("a negative length", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", 400),
    ("a length with an exponent", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1e1\r\n\r\nhellohello", 400),
    ("a length of two words", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5 5\r\n\r\nhello", 400),
    ("a length with a parameter", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5;a\r\n\r\nhello", 400),
    ("a length in other digits", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: \u0665\r\n\r\nhello".encode(), 400),
    # Lines.
    ("LF ends all lines", b"GET / HTTP/1.1\nHost: a\n\n", 400),
    ("LF ends the request line", b"GET / HTTP/1.1\nHost: a\r\n\r\n", 400),
    ("an empty line of LF", b"GET / HTTP/1.1\r\nHost: a\r\n\n", 400),
    ("CR CR LF", b"GET / HTTP/1.1\r\nHost: a\r\r\n\r\n", 400),
    ("a bare CR in the request line", b"GET / HTTP/1.1\rHost: a\r\n\r\n", 400),
    ("two empty lines in front", b"\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("space in front", b" GET / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("tabs in the request line", b"GET\t/\tHTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("space behind the version", b"GET / HTTP/1.1 \r\nHost: a\r\n\r\n", (400, 505)),
    ("a version in lower case", b"GET / http/1.1\r\nHost: a\r\n\r\n", (400, 505)),
    ("a version with a leading zero", b"GET / HTTP/01.1\r\nHost: a\r\n\r\n", (400, 505)),
    ("HTTP/2.0 as text", b"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505),
    ("a NUL in the target", b"GET /a\0b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("a method with a colon", b"GET: / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("a field without a colon", b"GET / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n", 400),
    ("a name with a bracket", b"GET / HTTP/1.1\r\nHost: a\r\nX[: b\r\n\r\n", 400),
    ("a name beyond ASCII", b"GET / HTTP/1.1\r\nHost: a\r\nX\xe9: b\r\n\r\n", 400),
    ("DEL in a value", b"GET / HTTP/1.1\r\nHost: a\r\nX: b\x7f\r\n\r\n", 400),
    # Whose request it is.
    ("two Hosts alike", b"GET / HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n", 400),
    ("a list of hosts", b"GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", 400),
    ("a host with a path", b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400),
    ("a host with two ports", b"GET / HTTP/1.1\r\nHost: a:80:81\r\n\r\n", 400),
    ("a second Host behind a bare LF", b"GET / HTTP/1.1\r\nHost: a\nHost: b\r\n\r\n", 400),
    ("a folded Host", b"GET / HTTP/1.1\r\nHost:\r\n a\r\n\r\n", 400),
    ("space before Host's colon", b"GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400),
    ("target and Host differ by port", b"GET http://a:81/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("an absolute target with userinfo", b"GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("an absolute target without a host", b"GET http:///x HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("an absolute target of another scheme", b"GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("an authority as target", b"GET a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n", 400),
    ("an asterisk with GET", b"GET * HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("a relative target", b"GET a/b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("Connection names X-Forwarded-For", b"GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 1.2.3.4\r\nConnection: x-forwarded-for\r\n\r\n", 400),
]
CHUNKED = b"POST /held HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
# Bodies that go wrong: their heads have been passed on, and what follows is not.
BODIES = [
    ("a chunk size with a sign", b"+4\r\nabcd\r\n0\r\n\r\n"),
    ("a chunk size with 0x", b"0x4\r\nabcd\r\n0\r\n\r\n"),
    ("a chunk size that is empty", b"\r\nabcd\r\n0\r\n\r\n"),
    ("a chunk size over 64 bits", b"10000000000000004\r\nabcd\r\n0\r\n\r\n"),
    ("a chunk longer than its size", b"4\r\nabcde\r\n0\r\n\r\n"),
    ("a chunk size ended by LF", b"4\nabcd\r\n0\r\n\r\n"),
    ("a chunk ended by LF", b"4\r\nabcd\n0\r\n\r\n"),
    ("a bare CR in an extension", b"4;a=\rb\r\nabcd\r\n0\r\n\r\n"),
    ("a trailer that belongs into the head", b"0\r\nContent-Length: 5\r\n\r\n"),
    ("a trailer that is folded", b"0\r\nX: a\r\n b\r\n\r\n"),
    ("an extension ended by LF", b"4;a=b\nabcd\r\n0\r\n\r\n"),
    ("an extension with a NUL", b"4;\0\r\nabcd\r\n0\r\n\r\n"),
    ("extensions that do not end", b"4;" + b"a" * 9000 + b"\r\nabcd\r\n0\r\n\r\n"),
    ("a chunk size behind space", b" 4\r\nabcd\r\n0\r\n\r\n"),
    ("a chunk size with a minus", b"-4\r\nabcd\r\n0\r\n\r\n"),
    ("a chunk size with an underscore", b"0_4\r\nabcd\r\n0\r\n\r\n"),
    ("a chunk size of too many digits", b"0" * 17 + b"4\r\nabcd\r\n0\r\n\r\n"),
    ("a chunk size that wraps 32 bits", b"100000004x\r\nabcd\r\n0\r\n\r\n"),
    ("a chunk size with CR alone", b"4\rabcd\r\n0\r\n\r\n"),
    ("a chunk without its end", b"4\r\nabcd0\r\n\r\n"),
    ("a chunk ended by CR CR LF", b"4\r\nabcd\r\r\n0\r\n\r\n"),
    ("a last chunk ended by LF", b"0\n\r\n"),
    ("trailers ended by LF", b"0\r\n\n"),
    ("a trailer that is Transfer-Encoding", b"0\r\nTransfer-Encoding: chunked\r\n\r\n"),
    ("a trailer that is Host", b"0\r\nHost: b\r\n\r\n"),
    ("a trailer with space before its colon", b"0\r\nX : b\r\n\r\n"),
    ("a trailer that is too long", b"0\r\nX: " + b"y" * 20_000 + b"\r\n\r\n"),
]


def sized(text, bits=7):
    """An integer of HPACK (RFC 7541 section 5.1) for the length of a plain string."""
    size, limit = len(text), (1 << bits) - 1
    if size < limit:
        return bytes([size])
    out, size = bytes([limit]), size - limit
    while size >= 128:
        out, size = out + bytes([size % 128 + 128]), size // 128
    return out + bytes([size])


def block(*fields):
    return b"".join(b"\0" + sized(name) + name + sized(value) + value for name, value in fields)


PSEUDO = {b":method": b"GET", b":scheme": b"http", b":path": b"/", b":authority": b"a"}


def request(*fields, **pseudo):
    """The block of a request; pseudo-header fields by their names, None leaves one out."""
    own = {**PSEUDO, **{b":" + name.encode(): value for name, value in pseudo.items()}}
    return block(*((name, value) for name, value in own.items() if value is not None), *fields)


def http2(*frames):
    return b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(SETTINGS, 0, 0) + b"".join(frames)


def in_frames(fields, size=16_000):
    """A long block: HEADERS and CONTINUATION (type 9)."""
    parts = [fields[at:at + size] for at in range(0, len(fields), size)]
    yield frame(HEADERS, END_STREAM, 1, parts[0])
    for part in parts[1:]:
        yield frame(9, END_HEADERS if part is parts[-1] else 0, 1, part)


def head(fields):
    return http2(frame(HEADERS, END_HEADERS | END_STREAM, 1, fields))


def post(fields, *more):
    return http2(frame(HEADERS, END_HEADERS, 1, fields), *more)


# HTTP/2 whose heads are refused: (what it is, bytes, status). 400 is followed by RST_STREAM, PROTOCOL_ERROR.
HTTP2_HEADS = [
    ("H2.TE", post(request((b"transfer-encoding", b"chunked"), method=b"POST"), frame(DATA, END_STREAM, 1, b"0\r\n\r\n" + BEHIND)), 400),
    ("H2.TE by a line break in a value", post(request((b"x", b"b\r\ntransfer-encoding: chunked"), method=b"POST"), frame(DATA, END_STREAM, 1, b"0\r\n\r\n" + BEHIND)), 400),
    ("H2.TE by a line break in a name", post(request((b"x: b\r\ntransfer-encoding", b"chunked"), method=b"POST"), frame(DATA, END_STREAM, 1, b"0\r\n\r\n")), 400),
    ("H2.X: a request in a value", head(request((b"x", b"b\r\n\r\n" + BEHIND.strip()))), 400),
    ("H2.X: a request in the path", head(request(path=b"/ HTTP/1.1\r\nHost: a\r\n\r\nGET /smuggled")), 400),
    ("H2.X: a request in the method", head(request(method=b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\nGET")), 400),
    ("H2.X: a request in the authority", head(request(authority=b"a\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a")), 400),
    ("H2.X: a request in the scheme", head(request(scheme=b"http://a/smuggled HTTP/1.1\r\nX: ")), 400),
    ("H2: a bare LF in a value", head(request((b"x", b"b\nc: d"))), 400),
    ("H2: a bare CR in a value", head(request((b"x", b"b\rc: d"))), 400),
    ("H2: a NUL in a value", head(request((b"x", b"b\0c"))), 400),
    ("H2: a value that begins with space", head(request((b"x", b" b"))), 400),
    ("H2: a value that ends with a tab", head(request((b"x", b"b\t"))), 400),
    ("H2: a name with a colon", head(request((b"x:", b"b"))), 400),
    ("H2: a name with a space", head(request((b"transfer-encoding ", b"chunked"))), 400),
    ("H2: a name in upper case", head(request((b"X-A", b"b"))), 400),
    ("H2: a name of nothing", head(request((b"", b"b"))), 400),
    ("H2: Connection", head(request((b"connection", b"keep-alive"))), 400),
    ("H2: Keep-Alive", head(request((b"keep-alive", b"1"))), 400),
    ("H2: Proxy-Connection", head(request((b"proxy-connection", b"close"))), 400),
    ("H2: Upgrade", head(request((b"upgrade", b"h2c"))), 400),
    ("H2: TE other than trailers", head(request((b"te", b"chunked"))), 400),
    ("H2: two lengths", head(request((b"content-length", b"0"), (b"content-length", b"5"))), 400),
    ("H2: a length with a sign", head(request((b"content-length", b"+0"))), 400),
    ("H2: a length without a body", head(request((b"content-length", b"5"))), 400),
    ("H2: Host beside :authority", head(request((b"host", b"b"))), 400),
    ("H2: two Hosts", head(request((b"host", b"a"), (b"host", b"a"))), 400),
    ("H2: neither Host nor :authority", head(request(authority=None)), 400),
    ("H2: userinfo in :authority", head(request(authority=b"u@a")), 400),
    ("H2: no :path", head(request(path=None)), 400),
    ("H2: an empty :path", head(request(path=b"")), 400),
    ("H2: a :path without a slash", head(request(path=b"smuggled")), 400),
    ("H2: an absolute :path", head(request(path=b"http://b/smuggled")), 400),
    ("H2: no :method", head(request(method=None)), 400),
    ("H2: no :scheme", head(request(scheme=None)), 400),
    ("H2: two :path", head(request() + block((b":path", b"/smuggled"))), 400),
    ("H2: :path behind a field", head(block((b":method", b"GET"), (b":scheme", b"http"), (b"x", b"y"), (b":path", b"/"), (b":authority", b"a"))), 400),
    ("H2: a pseudo-header field of a response", head(request() + block((b":status", b"200"))), 400),
    ("H2: :protocol without CONNECT", head(request(protocol=b"websocket")), 400),
    ("H2: CONNECT", head(block((b":method", b"CONNECT"), (b":authority", b"a:80"))), 501),
    ("H2: an unknown expectation", head(request((b"expect", b"200-maybe"))), 417),
    ("H2: too many fields", head(request(*((b"x", b"y") for _ in range(110)))), 431),
    ("H2: a head that is too long", http2(*in_frames(request((b"x", b"y" * 31_000), (b"z", b"y" * 31_000)))), 431),
]
# HTTP/2 whose bodies go wrong: their heads are sound and have been passed on.
HELD = dict(method=b"POST", path=b"/held")
HTTP2_BODIES = [
    ("H2.CL: a body behind a length of nothing", post(request((b"content-length", b"0"), **HELD), frame(DATA, END_STREAM, 1, BEHIND))),
    ("H2.CL: a body longer than its length", post(request((b"content-length", b"4"), **HELD), frame(DATA, END_STREAM, 1, b"abcd" + BEHIND))),
    ("H2.CL: longer by another frame", post(request((b"content-length", b"4"), **HELD), frame(DATA, 0, 1, b"abcd"), frame(DATA, END_STREAM, 1, BEHIND))),
    ("H2.CL: a body shorter than its length", post(request((b"content-length", b"100"), **HELD), frame(DATA, END_STREAM, 1, b"abcd"))),
    ("H2: trailers with Transfer-Encoding", post(request(**HELD), frame(DATA, 0, 1, b"x"), frame(HEADERS, END_HEADERS | END_STREAM, 1, block((b"transfer-encoding", b"chunked"))))),
    ("H2: trailers with a length", post(request(**HELD), frame(DATA, 0, 1, b"x"), frame(HEADERS, END_HEADERS | END_STREAM, 1, block((b"content-length", b"5"))))),
    ("H2: trailers with a pseudo-header field", post(request(**HELD), frame(DATA, 0, 1, b"x"), frame(HEADERS, END_HEADERS | END_STREAM, 1, block((b":path", b"/smuggled"))))),
    ("H2: trailers with a line break", post(request(**HELD), frame(DATA, 0, 1, b"x"), frame(HEADERS, END_HEADERS | END_STREAM, 1, block((b"x", b"a\r\n\r\n" + BEHIND))))),
]
