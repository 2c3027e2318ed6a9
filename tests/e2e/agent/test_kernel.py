"""The agent on the kernel that runs: every program loads, and what is done in an older way is said at the start."""
import os

import kernel


def test_this_is_the_kernel_that_was_asked_for_and_capture_works_on_it():
    assert os.uname().release.startswith(os.environ.get("CULVERT_KERNEL", ""))
    assert [row for row in kernel.features().values() if row["required"] and not row["there"]] == []


def test_every_hook_is_attached(node):
    node.start()
    assert {p.name for p in (node.pins / "links").iterdir()} == {
        "connect4", "connect6", "getpeername4", "getpeername6", "sockops", "setsockopt"}


def test_the_agent_says_in_one_line_what_this_kernel_lacks_and_what_it_does_instead(node):
    node.start()
    line, = (line for line in node.log().splitlines() if f"kernel {os.uname().release}" in line)
    missing = kernel.missing()
    for row in missing:
        assert f"without {row['feature']} ({row['since']}): {row['without']}" in line
    assert line.count("; without ") == len(missing)
