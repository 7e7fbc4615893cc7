"""Tables of campaigns: what a search for capacity found, and what contention costs.

Used by performance.py. A record that is not there yet has no table.
"""

from figures import REFERENCE, digits, duration, load_if_there, origins, size, table

CAPACITIES = ["capacity-fanout-1k"]
CONTENTION = "contention"


def bound(found):
    """The rate offered at a bound, and how often it held; nothing where there is no such bound."""
    if not found:
        return "-"
    runs = found["met"] + found["missed"]
    return f"{digits(found['offered_per_s']['median'])}/s ({found['met']} of {runs} held)"


def capacity():
    """The highest rates that keep an objective, each between its bounds."""
    rows, records = [], []
    for name in CAPACITIES:
        record = load_if_there(REFERENCE / name / "campaign.json")
        if not record:
            continue
        records.append(record)
        result = record["result"]
        lower = result["lower"]
        rows.append(
            [
                f"`{record['provenance']['scenario']}`: {', '.join(result['slo'])}",
                bound(lower),
                bound(result["upper"]),
                f"{result['width']:.1%}" if result["width"] is not None else "-",
                digits(lower["deliveries_per_s"]["median"]) if lower else "-",
                f"{len(result['trials'])}",
                result["conclusion"],
            ]
        )
    if not rows:
        return ""
    header = ["scenario and objective", "lower bound", "upper bound", "width", "deliveries/s", "trials"]
    return (
        "The highest rate that keeps an objective (`find-max`), between the bounds that trials set:\n\n"
        + table([*header, "conclusion"], rows)
        + f"\n{origins(records)}.\n\n"
    )


def spread(found, show=digits):
    return show(found["median"]) if found else "-"


def contention():
    """What it costs a group that several members want to change at once."""
    record = load_if_there(REFERENCE / CONTENTION / "campaign.json")
    if not record:
        return ""
    result = record["result"]
    rows = [
        [
            f"`{curve['policy']}`: {point['racers']} of {curve['members']}",
            spread(point["attempts_per_success"]),
            spread(point["wasted_bytes_per_success"], size),
            spread(point["overhead_bytes_per_success"], size),
            spread(point["cpu_us_per_success"], duration),
            duration(point["time_to_commit"]["p50"]),
            duration(point["time_to_commit"]["p99"]),
            spread(point["successes_per_s"]) + (" *" if point["engine_limited"] else ""),
            spread(point["jain"]),
        ]
        for curve in result["curves"]
        for point in curve["points"]
    ]
    header = ["policy and racers", "attempts each", "wasted", "beside", "client CPU", "committed p50"]
    header += ["p99", "changes/s", "Jain"]
    return (
        f"Members that want to change one group at once (`contend`, {result['suite']}, {result['wants']} "
        f"{result['pace']}), for each change that came through; * where the engine's building was the "
        "limit, not the service:\n\n" + table(header, rows) + f"\n{origins([record])}.\n\n"
    )


def tables():
    return capacity() + contention()
