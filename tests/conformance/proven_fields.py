"""Which fields the tables prove. A field is proven where one case of a group would fail without it alone (or with another
value), while another case of that group would not: the one shows that it does something, the other that it does no more.
"""
import copy
import functools

import yaml

import judge
import tables

ROOTS = ("VirtualService", "DestinationRule")
PRESENT = "{}"  # a comparison that says nothing: presence
# Of fields that take one of a few words: another.
OTHER_WORDS = {"NOT_FOUND": "UNAVAILABLE", "REFUSED_STREAM": "CANCEL"}


@functools.cache
def messages():
    return judge.schema()["messages"]


@functools.cache
def unsupported():
    """(message, field) that are refused whatever is said there."""
    return {(row["message"], row["field"]) for row in judge.schema()["unsupported"] if not row["value"]}


def leaves(message, path=(), seen=()):
    """Paths of all leaf fields below a message that are not on the list of what is not honoured."""
    for name, field in messages()[message].items():
        if (message, name) in unsupported():
            continue
        below = field["message"]
        if not below:
            yield ".".join((*path, name))
        elif below not in seen:
            yield from leaves(below, (*path, name), (*seen, message))
            if field["map"]:  # of StringMatch: an empty one asks for presence
                yield ".".join((*path, name, PRESENT))


def wanted():
    """All fields that need a case: of `http`, and of DestinationRule."""
    of_http = [f"VirtualService.{leaf}" for leaf in leaves("VirtualService") if leaf.startswith("http.")]
    return of_http + [f"DestinationRule.{leaf}" for leaf in leaves("DestinationRule")]


def places(value, message, path, keys=()):
    """(field path, keys down to the leaf) of each leaf field that an object has."""
    for name, inner in value.items():
        field = messages()[message].get(name)
        if field is None:
            continue
        here, below = (*path, name), field["message"]
        if not below:
            yield ".".join(here), (*keys, name)
        elif field["map"]:
            for key, one in inner.items():
                if not one:
                    yield ".".join((*here, PRESENT)), (*keys, name, key)
                yield from places(one, below, here, (*keys, name, key))
        elif field["list"]:
            for i, one in enumerate(inner):
                yield from places(one, below, here, (*keys, name, i))
        else:
            yield from places(inner, below, here, (*keys, name))


def other(value):
    """Another value of the same kind."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, (int, float)):
        return value + 1
    if isinstance(value, dict):
        return {key: other(one) for key, one in value.items()}
    if isinstance(value, list):
        return [other(one) for one in value]
    if tables.milliseconds(value) != value:
        return "1234ms"
    if value in OTHER_WORDS:
        return OTHER_WORDS[value]
    return f"{value}9"


def without(objects, index, keys):
    """The objects without a leaf, and with all that is beside and above it."""
    out = copy.deepcopy(objects)
    at = out[index]["spec"]
    for key in keys[:-1]:
        at = at[key]
    del at[keys[-1]]
    return out


def with_another(objects, index, keys):
    out = copy.deepcopy(objects)
    at = out[index]["spec"]
    for key in keys[:-1]:
        at = at[key]
    at[keys[-1]] = other(at[keys[-1]])
    return out


def variants(group):
    """(field, objects without it or with another value) of each place of each field in a group."""
    objects = group.objects()
    for index, one in enumerate(objects):
        if one["kind"] not in ROOTS:
            continue
        for field, keys in places(one["spec"], one["kind"], (one["kind"],)):
            yield field, without(objects, index, keys)
            if not field.endswith(PRESENT):
                yield field, with_another(objects, index, keys)


def proven():
    """Fields that the tables prove."""
    groups = [g for g in tables.groups() if g.cases and not g.refused and not g.proxies and g.objects()]
    tried = [(group, field, objects) for group in groups for field, objects in variants(group)]
    answers = judge.decide([judge.asked(group, yaml.safe_dump_all(objects)) for group, _, objects in tried])
    out = set()
    for (group, field, _), result in zip(tried, answers, strict=True):
        if result["diagnostics"] or field in out:
            continue
        fails = [bool(judge.differences(case, answer))
                 for case, answer in zip(group.cases, result["answers"], strict=True)]
        if any(fails) and not all(fails):
            out.add(field)
    return out
