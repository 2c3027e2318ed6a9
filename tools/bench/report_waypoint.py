"""Rows and the table of the waypoint's figures. CPU time is that of the waypoint's process. Pure."""
from report import judge, markdown, row, spread, target_cell
from statistics_of import added_ratios

PREFIX = "waypoint_"
PERCENTILES = ("p50", "p99", "p999")


def series(runs, read):
    return {way: [read(run) for run in each] for way, each in runs.items() if each}


def cpu_rows(figure, runs):
    """Of the ways with a waypoint: microseconds a request, and requests a second of a core."""
    used = {way: values for way, values in series(runs, lambda run: run["cpu"].get("side")).items() if values[0] is not None}
    if not used:
        return []
    a_core = {way: [1e6 / max(value, 1e-9) for value in values] for way, values in used.items()}
    return [row(f"{figure.name}_cpu", "  CPU of the process", "us/request", used),
            row(f"{figure.name}_per_core", "  requests/s a core", "/s", a_core)]


def percentile_rows(figure, runs):
    return [row(f"{figure.name}_{part}", f"  {part}", "us", series(runs, lambda run, part=part: run["latency_us"][part]))
            for part in PERCENTILES]


def load_rows(figure, runs):
    return [row(figure.name, figure.title, figure.unit, series(runs, lambda run: run["value"])), *cpu_rows(figure, runs),
            *percentile_rows(figure, runs)]


def rate_rows(figure, runs):
    """Latency, and what a waypoint adds to that of ztunnels alone."""
    out = percentile_rows(figure, runs)
    out[0]["title"] = f"{figure.title}: p50"
    for part in PERCENTILES:
        values = series(runs, lambda run, part=part: run["latency_us"][part])
        base = values.get("ztunnels", [])
        added = {way: [a - b for a, b in zip(values[way], base)] for way in ("culvert", "envoy") if way in values}
        one = row(f"{figure.name}_added_{part}", f"  added to ztunnels: {part}", "us", added, ratio={})
        if len(added) == 2:
            one["culvert_to_envoy"] = added_ratios(values["culvert"], values["envoy"], base)
        out.append(judge(one))
    return out + cpu_rows(figure, runs)


def edge_rate_rows(figure, runs):
    """Latency of each at the same rate, and what that costs them."""
    out = percentile_rows(figure, runs)
    out[0]["title"] = f"{figure.title}: p50"
    return out + cpu_rows(figure, runs)[:1]


HEAD = ["figure", "unit", "direct", "ztunnels", "Culvert", "Envoy", "Culvert/Envoy", "target", "reached"]


def waypoint_table(rows):
    cells = [HEAD]
    for one in (one for one in rows if one["name"].startswith(PREFIX)):
        cells.append([one["title"], one["unit"],
                      *(spread(one["ways"].get(way)) for way in ("direct", "ztunnels", "culvert", "envoy")),
                      spread(one.get("culvert_to_envoy")), *target_cell(one)])
    return markdown(cells) if len(cells) > 1 else ""


EDGES = ("direct", "culvert", "haproxy", "nginx", "envoy")
EDGE_HEAD = ["figure", "unit", "direct", "Culvert", "HAProxy", "nginx", "Envoy", "Culvert/HAProxy", "Culvert/Envoy", "target",
             "reached"]


def edge_table(rows):
    cells = [EDGE_HEAD]
    for one in (one for one in rows if one["name"].startswith("edge")):
        cells.append([one["title"], one["unit"], *(spread(one["ways"].get(way)) for way in EDGES),
                      *(spread(one.get(f"culvert_to_{other}")) for other in ("haproxy", "envoy")), *target_cell(one)])
    return markdown(cells) if len(cells) > 1 else ""
