"""The programs' own hardening, as readelf(1) sees it."""
import re
import subprocess

import pytest
from lab import BUILD

ENDBR64 = b"\xf3\x0f\x1e\xfa"
PROGRAMS = ["culvert-agent", "culvert-control", "culvert-ztunnel", "culvert-waypoint", "culvert"]


def readelf(flag, program):
    return subprocess.run(["readelf", "-W", flag, BUILD / "bin" / program], text=True, capture_output=True,
                          check=True).stdout


@pytest.mark.parametrize("program", PROGRAMS)
def test_programs_are_position_independent_with_read_only_relocations_bound_at_start(program):
    assert re.search(r"Type: +DYN", readelf("-h", program))
    segments = readelf("-l", program)
    assert "GNU_RELRO" in segments
    assert re.search(r"GNU_STACK .* RW +0", segments), "the stack is not executable"
    assert re.search(r"FLAGS_1.*NOW.*PIE", readelf("-d", program))


@pytest.mark.parametrize("program", PROGRAMS)
def test_programs_have_the_compiler_s_checks(program):
    imports = readelf("--dyn-syms", program)
    assert "__stack_chk_fail" in imports, "stack protector"
    assert re.search(r" __(mem|str|read|recv|snprintf|vsnprintf|fprintf|poll|fread)\w*_chk", imports), "fortified calls"
    assert "__glibcxx_assert_fail" in imports or b"__glibcxx_assert_fail" in (BUILD / "bin" / program).read_bytes()


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_function_that_can_be_called_by_address_begins_with_a_landing_pad(program):
    content = (BUILD / "bin" / program).read_bytes()
    assert content.count(ENDBR64) > 1000, "-fcf-protection"


@pytest.mark.parametrize("program", PROGRAMS)
def test_libraries_come_from_the_systems_folders_and_no_memory_is_both_written_and_executed(program):
    dynamic = readelf("-d", program)
    assert "NEEDED" in dynamic and not re.search(r"RPATH|RUNPATH|TEXTREL", dynamic), dynamic
    loads = re.findall(r"^ +LOAD(?: +0x\w+){5} +([RWE ]{3}) ", readelf("-l", program), re.M)
    assert "R E" in loads and not [flags for flags in loads if "W" in flags and "E" in flags], loads
