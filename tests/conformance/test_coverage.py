"""Every leaf field of `http` and of DestinationRule has a case that needs it and a neighbour that does not."""
import json

import pytest

import judge
import mutants
import proven_fields
import tables
from waypoint_lab import culvert

# Changes nothing where it is taken: between workloads of the mesh TLS is mutual whatever is said. Every other value is refused.
NEUTRAL = {
    "DestinationRule.trafficPolicy.tls.mode", "DestinationRule.trafficPolicy.portLevelSettings.tls.mode",
    "DestinationRule.subsets.trafficPolicy.tls.mode", "DestinationRule.subsets.trafficPolicy.portLevelSettings.tls.mode",
}


def test_every_field_has_a_case_that_needs_it_and_one_that_does_not():
    missing = sorted(set(proven_fields.wanted()) - proven_fields.proven() - NEUTRAL)
    assert not missing, "no case proves:\n" + "\n".join(missing)


@pytest.mark.parametrize("field", sorted(NEUTRAL))
def test_what_changes_nothing_is_taken_with_one_value_and_refused_with_others(field):
    def values(refused):
        return {keys_value(one["spec"], keys) for group in tables.groups() if bool(group.refused) == refused
                for one in group.objects() if one["kind"] in proven_fields.ROOTS
                for name, keys in proven_fields.places(one["spec"], one["kind"], (one["kind"],)) if name == field}
    assert values(refused=False) == {"ISTIO_MUTUAL"}
    assert values(refused=True) - {"ISTIO_MUTUAL"}


def keys_value(spec, keys):
    for key in keys:
        spec = spec[key]
    return spec


def test_the_fields_are_those_of_the_api():
    wanted = proven_fields.wanted()
    assert len(wanted) == len(set(wanted)) > 150
    for field in ("VirtualService.http.match.uri.prefix", "VirtualService.http.fault.abort.percentage.value",
                  "VirtualService.http.match.headers.{}", "DestinationRule.trafficPolicy.connectionPool.tcp.maxConnections",
                  "DestinationRule.subsets.trafficPolicy.portLevelSettings.outlierDetection.interval"):
        assert field in wanted
    assert not [field for field in wanted if ".delegate." in field or ".consistentHash." in field]


def test_each_field_that_is_not_honoured_is_refused_by_some_group():
    """Of the messages below VirtualService and DestinationRule; by its name in the objects and its reason in what is told."""
    refused = [(group.text(), " ".join(group.refused)) for group in tables.groups() if group.refused]
    known = proven_fields.messages()
    missing = [row for row in judge.schema()["unsupported"] if row["message"] in known
               and not any(row["field"] in text and row["value"].rstrip("*") in text and row["why"] in told
                           for text, told in refused)]
    assert not missing, "no group has:\n" + "\n".join(map(str, missing))


# The list may only shrink: what comes to be honoured leaves it, and this bound goes down with it. It goes up for nothing but a field that
# was passed over in silence before. Rows of another consequence, of fields without effect, do not count here.
MOST_REFUSED = 42
REFUSED = "object refused"


def test_the_list_of_fields_by_which_objects_are_refused_may_only_shrink():
    rows = json.loads(culvert("routes", "--unsupported", "-o", "json").stdout)
    refused = [f"{row['message']}.{row['field']}: {row['value']}" for row in rows if row.get("consequence", REFUSED) == REFUSED]
    assert 0 < len(set(refused)) == len(refused) <= MOST_REFUSED, refused
    assert len(culvert("routes", "--unsupported").stdout.splitlines()) == 1 + len(rows), "a line each, below its head"


def test_each_mutant_is_of_text_that_is_there():
    assert all(isinstance(one.text(), str) for one in mutants.mutants())
