"""The trace context of a CONNECT: kept when a peer sent one, made when it sent none or nonsense."""
import json
import re

import pytest
from lab import APPS, wait_until
from mint import Mint
from scrape import FAR, SPIFFE, access_lines

SENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"  # of W3C Trace Context, section 3.2.1
FORM = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


@pytest.fixture(scope="module")
def mint(lab, tmp_path_factory):
    return Mint.of_lab(tmp_path_factory.mktemp("mint") / "lab", lab.name)


def arrived(lab, mint, account, *flags):
    """The traceparent in the log line of a CONNECT to far with these flags."""
    cert, key = mint.leaf(f"URI:{SPIFFE}{account}")
    ip = lab.ips(FAR)[0]
    done = lab.exec("wild/outsider", "python3", APPS / "hbone_client.py", ip, "--roots", mint.cert, "--cert", cert,
                    "--key", key, "--authority", f"{ip}:7004", *flags, check=True)
    assert json.loads(done.stdout)["status"] == 200
    line, = wait_until(lambda: [one for one in access_lines(lab, "node/west") if one["message"] != "connection opened" and
                                one.get("src.identity") == SPIFFE + account], "its log line")
    return line["traceparent"]


def test_one_that_a_peer_sent_is_kept(lab, mint):
    assert arrived(lab, mint, "traced", "--traceparent", SENT)[:53] == SENT[:53]


def test_without_one_and_with_nonsense_a_new_one_is_made(lab, mint):
    made = [arrived(lab, mint, "untraced")]
    for number, nonsense in enumerate(("00-0-0-00", SENT.replace("4bf9", "XBF9"), "00-" + "0" * 32 + SENT[35:])):
        made.append(arrived(lab, mint, f"nonsense-{number}", "--traceparent", nonsense))
    assert all(FORM.fullmatch(one) for one in made) and len(set(made)) == 4, made
