"""Every bound of what a waypoint takes from others has a test, which is named here: constants of the headers below."""
import re

import tree

HEADERS = ["waypoint/settings.hpp", "include/culvert/http/limits.hpp", "waypoint/http/server.hpp",
           "waypoint/http/output.hpp", "waypoint/http/http2_windows.hpp", "waypoint/exchange/context.hpp",
           "include/culvert/mesh/waypoint.hpp"]
HTTP, CONNECTIONS, EXCHANGE = "tests/unit/http/bounds_test.cpp", "tests/unit/waypoint_http", "tests/unit/exchange"
WORKER = "tests/unit/waypoint/worker_test.cpp"
SHARED = "mirrored requests at once, and what waits to be sent to them, are bounded"
LONGEST = "a method, options of a connection, lengths and chunk sizes are as long as they may be"
REFUSED = "tests/unit/http/refused_test.cpp"

# bound: (file, the test's name)
TESTS = {
    "kMaxMethodBytes": (HTTP, LONGEST), "kMaxConnectionOptions": (HTTP, LONGEST),
    "kMaxChunkSizeDigits": (HTTP, LONGEST), "kMaxLengthDigits": (HTTP, LONGEST),
    "kMaxInformational": (REFUSED, "informational responses are bounded in number"),
    "kMaxBodyBytes": ("tests/unit/http/request_test.cpp", "the longest body that a length can say is taken"),
    "head_bytes": (REFUSED, "every bound of a request's head is kept, and a head within it passes"),
    "target_bytes": (REFUSED, "every bound of a request's head is kept, and a head within it passes"),
    "fields": (REFUSED, "every bound of a request's head is kept, and a head within it passes"),
    "trailer_bytes": (REFUSED, "every bound of a chunked body's framing is kept"),
    "chunk_extension_bytes": (REFUSED, "every bound of a chunked body's framing is kept"),
    "retry_buffer_bytes": (f"{EXCHANGE}/body_test.cpp", "a body beyond the bound passes whole, and is not tried again"),
    "kReadAheadBytes": (f"{CONNECTIONS}/http1_server_test.cpp", "a handler that does not read bounds what its client may send"),
    "kSendQueueBytes": (f"{CONNECTIONS}/http1_server_test.cpp", "who pipelines and never reads is answered no more than his queue holds"),
    "kLingerTimeout": (f"{CONNECTIONS}/bounds_test.cpp", "a client that does not close behind its last answer is left after a while"),
    "kStreamWindowBytes": (f"{CONNECTIONS}/bounds_test.cpp", "a client of HTTP/2 is told the windows and streams that it has"),
    "kConnectionWindowBytes": (f"{CONNECTIONS}/bounds_test.cpp", "a client of HTTP/2 is told the windows and streams that it has"),
    "kMaxKeptBytes": (f"{EXCHANGE}/bounds_test.cpp", "bodies of all requests together are kept up to a bound; those beyond it pass unkept"),
    "kMaxMirrors": (f"{EXCHANGE}/bounds_test.cpp", SHARED), "kMaxMirrorBytes": (f"{EXCHANGE}/bounds_test.cpp", SHARED),
    "kMaxWaypointsPassed": (f"{EXCHANGE}/other_waypoints_test.cpp", "rules that lead to and fro between waypoints end at a bound"),
    "kMirrorBytes": (f"{EXCHANGE}/body_test.cpp", "a mirror that is behind by more than its bound is given up"),
    "kFirstBytesWait": ("tests/e2e/waypoint/test_passing.py", "test_a_server_that_speaks_first_is_stalled_for_a_tenth_of_a_second_at_most"),
    "kLameDuck": ("tests/e2e/waypoint/test_passing.py", "test_a_waypoint_that_is_replaced_loses_no_request_of_an_open_connection"),
    "kSelfWait": (WORKER, "a worker that control tells nothing of itself waits for that so long, and no longer"),
    "kMaxConnectionsPerWorker": (WORKER, "connections of a worker are bounded: one more is reset, and taken where one has ended"),
    "kReservedPart": (WORKER, "a part of the process' descriptors is kept from connections, the rest is shared out"),
    "kMaxWorkers": ("tests/e2e/hostile/test_bounds.py", "test_more_than_the_bound_is_refused_at_start"),
    "kListenBacklog": ("tests/e2e/hostile/test_bounds.py", "test_connections_that_wait_to_be_accepted_are_bounded"),
    "kStreamBytesBudget": ("tests/e2e/hostile/test_floods.py", "test_what_a_client_does_not_take_is_not_held_for_it"),
}
# No bounds on what others may do, but when something of ours is cheaper.
OURS = {"kKeptBytes": "buffers of idle connections", "kCopiedPartBytes": "parts that are copied"}


def bounds():
    """Names of constants, and of the members of http::Limits."""
    for header in HEADERS:
        text = (tree.ROOT / header).read_text()
        yield from re.findall(r"^inline constexpr \S+ (k\w+)(?: = |\{)", text, re.M)
    limits = (tree.ROOT / "include/culvert/http/limits.hpp").read_text()
    yield from re.findall(r"^  std::size_t (\w+) = ", limits[limits.index("struct Limits"):], re.M)


def test_every_bound_has_a_test_and_every_test_exists():
    there = set(bounds())
    assert len(there) > 25, there
    assert there == TESTS.keys() | OURS.keys(), there ^ (TESTS.keys() | OURS.keys())
    wrong = [f"{name}: {file} has no test {test!r}" for name, (file, test) in TESTS.items()
             if test not in (tree.ROOT / file).read_text()]
    assert not wrong, tree.report(wrong)
