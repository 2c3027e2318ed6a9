"""What both sides count is what a client of the same connections counted, failures included."""
import pytest
from scrape import ANSWER, CLIENT, FAR, NEAR, SIDES, SPIFFE, access_lines, await_equal, counted, grown, tally

CONNECTIONS, SIZE = 60, 5_000


def labels_of(server, reporter):
    return {"reporter": reporter, "source_principal": SPIFFE + "client",
            "destination_principal": SPIFFE + server.split("/")[1]}


@pytest.mark.parametrize("server", [NEAR, FAR])
def test_connections_and_bytes_agree_with_the_client(lab, server):
    before = {side: counted(lab, side[0], **labels_of(server, side[1])) for side in SIDES[server]}
    mine = tally(lab, lab.ips(server)[0], 7001, CONNECTIONS, SIZE)
    assert (mine["answered"], mine["received"]) == (CONNECTIONS, CONNECTIONS * len(ANSWER))
    wanted = {"opened": mine["answered"], "closed": mine["answered"], "failed": 0,
              "received": mine["sent"], "sent": mine["received"]}
    for side in SIDES[server]:
        await_equal(lambda: grown(lab, side[0], before[side], **labels_of(server, side[1])), wanted, side)


@pytest.mark.parametrize("server", [NEAR, FAR])
@pytest.mark.parametrize("port,flag", [(7002, "DENY"), (7003, "CONNECT")], ids=["denied", "nobody there"])
def test_what_the_client_saw_refused_is_counted_as_failed_with_its_reason(lab, server, port, flag):
    wanted = {"source_workload": "client", "destination_workload": server.split("/")[1], "response_flags": flag}
    before = {side: counted(lab, side[0], reporter=side[1], **wanted) for side in SIDES[server]}
    mine = tally(lab, lab.ips(server)[0], port, 20, 100)
    assert (mine["answered"], mine["refused"]) == (0, 20)
    for side in SIDES[server]:
        await_equal(lambda: grown(lab, side[0], before[side], reporter=side[1], **wanted),
                    {"opened": 0, "closed": 0, "failed": 20, "received": 0, "sent": 0}, side)


def test_each_connection_has_one_line_on_each_side_with_one_trace(lab):
    seen = {side: len(access_lines(lab, side[0])) for side in SIDES[FAR]}
    tally(lab, lab.ips(FAR)[0], 7001, 10, 321)
    tally(lab, lab.ips(FAR)[0], 7002, 5, 1)

    def lines(side):
        direction = "outbound" if side[1] == "source" else "inbound"
        return [line for line in access_lines(lab, side[0])[seen[side]:] if line["direction"] == direction]
    for side in SIDES[FAR]:
        await_equal(lambda: sorted(("error" in one, one["bytes_sent"]) for one in lines(side)),
                    [(False, 321)] * 10 + [(True, 0)] * 5, side)
    source, destination = (lines(side) for side in SIDES[FAR])
    assert {one["policy"] for one in destination if "error" in one} == {"town/no-7002"}
    traces = [{one["traceparent"] for one in side} for side in (source, destination)]
    assert len(traces[0]) == 15 and traces[0] == traces[1]


def test_bytes_of_an_open_connection_are_counted_while_it_runs(lab):
    labels = labels_of(FAR, "destination")
    before = counted(lab, "node/west", **labels)
    call = lab.popen(CLIENT, "nc", lab.ips(FAR)[0], "7004", stdin=-1)
    try:
        call.stdin.write("0123456789\n")
        call.stdin.flush()
        await_equal(lambda: grown(lab, "node/west", before, **labels),
                    {"opened": 1, "closed": 0, "failed": 0, "received": 11, "sent": 0}, "while it is open")
    finally:
        call.kill()
        call.wait()
    await_equal(lambda: grown(lab, "node/west", before, **labels)["closed"], 1, "after its end")
