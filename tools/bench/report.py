"""From runs to rows, from rows to the table. A row is a figure with its ratios and the issue's target. Pure."""
from statistics_of import added_ratios, differ_p, ratios, summary

REDIRECTION = "redirection_"
OTHER_TABLES = (REDIRECTION, "waypoint_", "edge")  # rows with other columns than table()'s
WAYPOINT_KINDS = ("http", "http2", "grpc")
MORE_IS_BETTER = ("/s", "Mbit/s")
SAME_P = 0.05  # two series differ when chance alone would do so less often

# Row -> (reached by "ratio" to direct, "value" or "envoy" (ratio to Envoy's), "at_least"|"at_most", target, aim).
TARGETS = {
    "throughput_1": ("ratio", "at_least", 0.20, 0.28),
    "throughput_8": ("ratio", "at_least", 0.18, 0.26),
    "throughput_1_cpu": ("value", "at_most", 1.0, 0.7),
    "throughput_8_cpu": ("value", "at_most", 1.0, 0.7),
    "requests_1": ("ratio", "at_least", 0.27, 0.38),
    "requests_32": ("ratio", "at_least", 0.45, 0.65),
    "requests_256": ("ratio", "at_least", 0.38, 0.55),
    "requests_32_cpu": ("value", "at_most", 12, 7),
    "fixed_rate_added_p50": ("envoy", "at_most", 0.5, 0.3),
    "fixed_rate_added_p99": ("envoy", "at_most", 0.5, 0.3),
    "connections_32": ("ratio", "at_least", 0.38, 0.50),
    "connections_32_cpu": ("value", "at_most", 65, 35),
    "same_node_throughput_1": ("ratio", "at_least", 0.5, 1.0),
    "same_node_requests_1": ("ratio", "at_least", 0.5, 1.0),
    "same_node_requests_32": ("ratio", "at_least", 0.5, 1.0),
    "memory_idle": ("value", "at_most", 10, 8),
    "memory_each": ("value", "at_most", 2.5, 1.5),
    "memory_after": ("value", "at_most", 2, None),
    "hog_p99_ratio": ("value", "at_most", 1.5, None),
    "enrolment_250": ("value", "at_most", 5, 2),
    "enrolment_250_at_once": ("value", "at_most", 5, 2),
    "enrolment_250_start": ("value", "at_most", 5, 2),
    "edge_http_per_core": ("haproxy", "at_least", 0.8, 1.1),
    "waypoint_memory_routes_1": ("value", "at_most", 12, 8),
    "waypoint_memory_routes_1000": ("value", "at_most", 25, 15),
    "waypoint_memory_each": ("value", "at_most", 6, 3),
    "waypoint_routes_ratio": ("value", "at_most", 1.10, 1.03),
    "waypoint_change": ("value", "at_most", 50, 10),
    "waypoint_change_failed": ("value", "at_most", 0, 0),
    **{f"waypoint_{kind}_per_core": ("envoy", "at_least", 3, 5) for kind in WAYPOINT_KINDS},
    **{f"waypoint_rate_{kind}_added_{part}": ("envoy", "at_most", 0.4, 0.25) for kind in WAYPOINT_KINDS for part in ("p50", "p99")},
}
# What Istio's ztunnel (Rust) reached on such a machine, from the issue; none may be missed.
ISTIO = {
    "throughput_1": ("ratio", "at_least", 0.14), "throughput_8": ("ratio", "at_least", 0.14),
    "requests_1": ("ratio", "at_least", 0.22), "requests_32": ("ratio", "at_least", 0.22),
    "requests_256": ("ratio", "at_least", 0.22), "connections_1": ("ratio", "at_least", 0.11),
    "connections_32": ("ratio", "at_least", 0.18), "throughput_1_cpu": ("value", "at_most", 1.6),
    "throughput_8_cpu": ("value", "at_most", 1.6), "requests_32_cpu": ("value", "at_most", 26),
    "connections_32_cpu": ("value", "at_most", 150), "memory_idle": ("value", "at_most", 17.7),
    "memory_each": ("value", "at_most", 6.3),
}


def row(name, title, unit, values, ratio=None):
    """`values`: {way: [a number a round]}; `ratio`: {way: summary}, else to direct round by round."""
    out = {"name": name, "title": title, "unit": unit,
           "ways": {way: summary(numbers) for way, numbers in values.items() if summary(numbers)}}
    if ratio is None:
        ratio = {way: ratios(numbers, values["direct"]) for way, numbers in values.items()
                 if way != "direct" and "direct" in values}
    out["ratio_to_direct"] = {way: one for way, one in ratio.items() if one}
    for other in ("envoy", "haproxy"):
        if "culvert" in values and other in values:
            out[f"culvert_to_{other}"] = ratios(values["culvert"], values[other])
    return judge(out)


def judged_value(one, kind):
    if kind in ("envoy", "haproxy"):
        found = one.get(f"culvert_to_{kind}")
    elif kind == "ratio":
        found = one["ratio_to_direct"].get("culvert")
    else:
        found = one["ways"].get("culvert")
    return found["median"] if found else None


def meets(value, sense, bound):
    return value >= bound if sense == "at_least" else value <= bound


def judge(one):
    if one["name"] in TARGETS:
        kind, sense, target, aim = TARGETS[one["name"]]
        value = judged_value(one, kind)
        one["target"] = {"of": kind, sense: target, "aim": aim, "value": value,
                         "reached": None if value is None else meets(value, sense, target)}
    if one["name"] in ISTIO:
        kind, sense, bound = ISTIO[one["name"]]
        value = judged_value(one, kind)
        one["istio"] = {"of": kind, sense: bound, "reached": None if value is None else meets(value, sense, bound)}
    return one


def load_rows(figure, runs):
    """The figure's own row, its percentiles, and the CPU time behind it."""
    if figure.name.startswith(REDIRECTION):
        return redirection_rows(figure, runs)
    def series(read):
        return {way: [read(run) for run in each] for way, each in runs.items()}
    out = [row(figure.name, figure.title, figure.unit, series(lambda run: run["value"]))]
    if figure.name == "fixed_rate":
        out = []
    if figure.word != "bulk":
        for part in ("p50", "p99"):
            values = series(lambda run: run["latency_us"][part])
            out.append(row(f"{figure.name}_{part}", f"  {figure.title}: {part}" if out else f"{figure.title}: {part}",
                           "us", values))
            if figure.name == "fixed_rate":
                out.append(added_row(part, values))
    if figure.path == "plain":
        p = differ_p(*(series(lambda run: run["value"])[way] for way in ("direct", "culvert"))) \
            if len(runs) == 2 else None
        out[0]["differ_p"] = p
        out[0]["target"] = {"of": "no difference that the runs can tell", "p_at_least": SAME_P, "value": p,
                            "reached": None if p is None else p >= SAME_P}
    elif any(run["cpu"].get("side") for each in runs.values() for run in each):
        proxied = {way: each for way, each in runs.items() if each and "side" in each[0]["cpu"]}
        unit = next(iter(proxied.values()))[0]["cpu"]["unit"]
        out.append(row(f"{figure.name}_cpu", "  CPU a side", unit,
                       {way: [run["cpu"]["side"] for run in each] for way, each in proxied.items()}))
        out.append(row(f"{figure.name}_machine", "  CPU of the whole machine", unit,
                       series(lambda run: run["cpu"]["machine"])))
    return out


def redirection_rows(figure, runs):
    """The pair of Envoys behind iptables rules, to the same pair dialed."""
    parts = [("", figure.unit, lambda run: run["value"]),
             ("_machine", runs["envoy"][0]["cpu"]["unit"], lambda run: run["cpu"]["machine"])] if "envoy" in runs else []
    out = []
    for suffix, unit, read in parts:
        values = {way: [read(run) for run in each] for way, each in runs.items()}
        title = "  CPU of the whole machine" if suffix else figure.title
        one = row(figure.name + suffix, title, unit, values, ratio={})
        one["iptables_to_envoy"] = ratios(values.get("iptables", []), values["envoy"])
        out.append(one)
    return out


def added_row(part, values):
    """What each way adds to direct's latency; the target is Culvert's addition to Envoy's."""
    base = values.get("direct", [])
    added = {way: [a - b for a, b in zip(numbers, base)] for way, numbers in values.items() if way != "direct"}
    out = row(f"fixed_rate_added_{part}", f"  added to direct: {part}", "us", added, ratio={})
    if "culvert" in values and "envoy" in values:
        out["culvert_to_envoy"] = added_ratios(values["culvert"], values["envoy"], base)
    return judge(out)


def number(value):
    if value is None:
        return ""
    size = abs(value)
    return f"{value:.{0 if size >= 100 else 1 if size >= 10 else 2 if size >= 1 else 3}f}"


def spread(one):
    """A median with the least and the greatest of its rounds."""
    if one is None:
        return ""
    if len(one["values"]) == 1:
        return number(one["median"])
    return f"{number(one['median'])} ({number(one['min'])}-{number(one['max'])})"


def target_cell(one):
    target = one.get("target")
    if not target:
        return "", ""
    if "p_at_least" in target:
        words = f"p >= {target['p_at_least']}"
        if target["value"] is not None:
            words += f", is {target['value']:.2f}"
    else:
        sense = "at_least" if "at_least" in target else "at_most"
        of = {"ratio": " of direct", "envoy": " of Envoy's", "haproxy": " of HAProxy's", "value": ""}[target["of"]]
        words = f"{'>=' if sense == 'at_least' else '<='} {number(target[sense])}{of}"
    return words, {True: "yes", False: "NO", None: "-"}[target["reached"]]


HEAD = ["figure", "unit", "direct", "Culvert", "Envoy", "Culvert/direct", "Envoy/direct", "Culvert/Envoy", "target",
        "reached"]


def table(rows):
    """All figures but those with tables of their own."""
    cells = [HEAD]
    for one in rows:
        if one["name"].startswith(OTHER_TABLES):
            continue
        ways, to_direct = one["ways"], one["ratio_to_direct"]
        cells.append([one["title"], one["unit"], *(spread(ways.get(way)) for way in ("direct", "culvert", "envoy")),
                      *(spread(to_direct.get(way)) for way in ("culvert", "envoy")),
                      spread(one.get("culvert_to_envoy")), *target_cell(one)])
    return markdown(cells) if len(cells) > 1 else ""


def redirection_table(rows):
    """What redirection by iptables costs; empty when it was not measured."""
    cells = [["Envoy's pair of tunnels", "unit", "dialed", "behind iptables", "ratio"]]
    cells += [[one["title"], one["unit"], spread(one["ways"].get("envoy")), spread(one["ways"].get("iptables")),
               spread(one.get("iptables_to_envoy"))] for one in rows if one["name"].startswith(REDIRECTION)]
    return markdown(cells) if len(cells) > 1 else ""


def markdown(cells):
    """A table with its columns aligned; the first line is its head."""
    widths = [max(len(line[i]) for line in cells) for i in range(len(cells[0]))]
    lines = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths)) + " |" for line in cells]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def missed_istio(rows):
    return [one["name"] for one in rows if one.get("istio", {}).get("reached") is False]


def missed_targets(rows):
    return [one["name"] for one in rows if one.get("target", {}).get("reached") is False]


def worse_than_envoy(rows):
    """Rows in which ours is behind Envoy in the same place: fewer of what is counted a second, more of anything else."""
    def worse(one):
        ratio = one["culvert_to_envoy"]["median"]
        return ratio < 1 if one["unit"] in MORE_IS_BETTER else ratio > 1
    return [one["name"] for one in rows if one.get("culvert_to_envoy") and worse(one)]
