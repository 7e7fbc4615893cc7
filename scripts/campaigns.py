"""Tables of campaigns and of groups that grow: capacity within its bounds, contention, joins.

Used by performance.py. A record that is not there yet has no table.
"""

from figures import REFERENCE, digits, duration, load_if_there, origins, quantiles, size, table

CAPACITIES = ["capacity-fanout-1k", "capacity-validated-commits"]
CONTENTION = "contention"
SERVING = "serve-cost"
PATTERNS = "serve-cost-patterns"
GROWTH = ["incident-like"]


def bound(found):
    """The rate offered at a bound, and how often it held; nothing where there is no such bound."""
    if not found:
        return "-"
    counts = [("held", found["met"]), ("missed", found["missed"]), ("say nothing", found["generator_limited"])]
    said = ", ".join(f"{count} {word}" for word, count in counts if count)
    return f"{digits(found['offered_per_s']['median'])}/s ({said})"


def longs(trials):
    """How many of them were as long as those that have the last word."""
    count = sum(1 for trial in trials if trial["length"] == "long")
    return f"{count} of them long" if count else "none of them long"


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
                bound(result["limited"]),
                f"{result['width']:.1%}" if result["width"] is not None else "-",
                digits(lower["deliveries_per_s"]["median"]) if lower else "-",
                f"{len(result['trials'])}, {longs(result['trials'])}",
                result["conclusion"].replace("_", " "),
            ]
        )
    if not rows:
        return ""
    header = ["scenario and objective", "lower bound", "upper bound", "engine-limited at", "width"]
    header += ["deliveries/s", "trials", "conclusion"]
    return (
        "The highest rate that keeps an objective (`find-max`), between the bounds that trials set:\n\n"
        + table(header, rows)
        + f"\n{origins(records)}.\n\n"
    )


def spread(found, show=digits):
    return show(found["median"]) if found else "-"


def fairness(found):
    """An index with the lowest and the highest of its rounds."""
    if not found:
        return "-"
    low, high = digits(found["min"]), digits(found["max"])
    return digits(found["median"]) + (f" ({low}..{high})" if low != high else "")


def by_lot(point):
    """What the index comes to if each success is drawn by lot; older records have the counts for it."""
    if point.get("jain_by_lot"):
        return point["jain_by_lot"]
    each = []
    for trial in point["trials"]:
        raced = trial["contention"]
        if raced and raced["successes"]:
            successes = raced["successes"] / raced["groups"]
            each.append(1 / (1 + (point["racers"] - 1) / successes))
    each.sort()
    return {"median": (each[(len(each) - 1) // 2] + each[len(each) // 2]) / 2} if each else None


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
            duration(point["time_to_commit"]["p99"]) if point["time_to_commit"]["count"] >= 100 else "-",
            spread(point["successes_per_s"]) + (" *" if point["engine_limited"] else ""),
            fairness(point["jain"]),
            spread(by_lot(point)),
        ]
        for curve in result["curves"]
        for point in curve["points"]
    ]
    header = ["policy and racers", "attempts each", "wasted", "beside", "client CPU", "committed p50"]
    header += ["p99", "changes/s", "Jain (rounds)", "by lot"]
    return (
        f"Members that want to change one group at once (`contend`, {result['suite']}, {result['wants']} "
        f"{result['pace']}), for each change that came through; * where the engine's building was the "
        "limit, not the service:\n\n" + table(header, rows) + f"\n{origins([record])}.\n\n"
    )


def saturated(found):
    """The rates of commits between which a service is saturated, or where the engine was the limit."""
    if not found:
        return "-"
    low, high = found["sustained_per_s"], found["not_sustained_per_s"]
    limited = found["engine_limited_per_s"]
    least = digits(low) if low is not None else "none"
    if high is not None and (limited is None or high <= limited):
        return f"{least} to {digits(high)}"
    return f"{least}, engine-limited at {digits(limited)}" if limited is not None else f"{least}, no more tried"


def counted(row, traffic):
    """The runs of a row with some traffic, without those that were made again."""
    return [trial for trial in row["trials"] if trial["traffic"] == traffic and not trial.get("replaced")]


def served(row):
    """A suite at the service: its figures, and `*` after those of runs of which none is valid."""
    none_valid = {
        traffic: "" if any(t["run"] and t["run"]["status"] == "valid" for t in counted(row, traffic)) else " *"
        for traffic in ("messages", "commits_and_messages")
    }
    both = none_valid["commits_and_messages"]
    either = both or none_valid["messages"]
    cpu, last = row["cpu_us_per_commit"], row["commit_last"]
    # As many commits a second as the processor time of one leaves room for: the most, of the least.
    rates = {end: 1e6 / cpu[of] for end, of in (("median", "median"), ("min", "max"), ("max", "min"))} if cpu else {}
    room = f"{digits(rates['median'])} ({digits(rates['min'])}..{digits(rates['max'])})" if cpu else "-"
    # What a commit costs at the rate that is sustained is often less than what one costs alone.
    saturation = row["saturation"] or {}
    at_rate = saturation.get("cpu_us_per_commit")
    at_rate = f", {digits(1e6 / at_rate)} at the sustained rate's" if at_rate else ""
    return [
        f"`{row['name']}`" + (" (pattern)" if row["pattern"] else ""),
        f"{row['members']:,}",
        row["status"] + (" !" if row.get("spoiled") else ""),
        size(row["commit_bytes"]),
        size(row["fanout_bytes_per_commit"]),
        f"{(row.get('classical_last') or last)['count']:,}",
        digits(row["offered_commits_per_s"] * 60),
        (f"{duration(cpu['median'])} ({duration(cpu['min'])}..{duration(cpu['max'])})" if cpu else "-") + either,
        spread(row["cpu_us_per_commit_delivery"], duration) + either,
        duration(last["p50"]) + both,
        # A p99 of so few would be the longest by another name.
        (duration(last["max"]) if last["count"] < 100 else f"p99 {duration(last['p99'])}") + both,
        saturated(row["saturation"]),
        room + either + at_rate,
    ]


def patterns():
    """Patterns of two suites beside those that they are made of: their bytes, their commits and joins."""
    record = load_if_there(REFERENCE / PATTERNS / "campaign.json")
    if not record:
        return ""
    result = record["result"]
    loaded = {(row["name"], row["members"]): row for row in result["rows"]}
    joined = {(row["name"], row["members"]): row for row in result["joins"]}
    rows = []
    for bytes_of in result["modelled"]:
        key = (bytes_of["name"], bytes_of["members"])
        commits, joins = loaded.get(key), joined.get(key)
        verdicts = {row["status"] + (" !" if row.get("spoiled") else "") for row in (commits, joins) if row}
        rows.append(
            [
                f"`{bytes_of['name']}`" + (" (pattern)" if bytes_of["pattern"] else ""),
                ", ".join(sorted(verdicts)) or "-",
                f"{bytes_of['key_package_bytes']:,}",
                f"{bytes_of['welcome_bytes']:,}",
                f"{bytes_of['commit_mean_bytes']:,.0f}",
                spread(commits["cpu_us_per_commit"], duration) if commits else "-",
                duration(commits["commit_last"]["p50"]) if commits else "-",
                spread(joins["cpu_us_per_join"], duration) if joins else "-",
                duration(joins["join"]["p50"]) if joins else "-",
            ]
        )
    header = ["suite or pattern", "verdict", "KeyPackage B", "Welcome B", "update commit B, mean"]
    header += ["CPU a commit", "last member p50", "CPU a join", "in p50"]
    members = " and ".join(f"{size:,}" for size in sorted({row["members"] for row in result["modelled"]}))
    return (
        f"Patterns of two suites in groups of {members}, beside suites that they are made of (`suites serve-cost "
        "--patterns`). No stack here runs one: their bytes are modelled, their load is real. `welcome` has "
        "post-quantum init keys and nothing else, so only its joins are its own; `combiner:N` commits in a "
        "second group once in N times. A commit's CPU is that of all that it takes on average, a join's that of "
        "the commit that adds, its Welcome and the device's way in:\n\n"
        + table(header, rows) + f"\n{origins([record])}.\n\n"
    )


def serving():
    """What each suite costs the service, all else alike."""
    record = load_if_there(REFERENCE / SERVING / "campaign.json")
    if not record:
        return ""
    result = record["result"]
    rows = [served(row) for row in result["rows"]]
    spoiled = [
        f"- ! `{row['name']}` at {row['members']:,}: {row['spoiled'][0]}."
        for row in result["rows"]
        if row.get("spoiled")
    ]
    header = ["suite", "members", "verdict", "commit", "to all", "n", "a minute", "CPU a commit (rounds)", "a delivery of it"]
    header += ["last member p50", "longest", "commits/s sustained", "by one core's CPU alone (rounds)"]
    marks = " * after a figure: of all its runs, since none of them is valid." if any(
        cell.endswith(" *") for row in rows for cell in row
    ) else ""
    return (
        "An update commit of each suite at the service (`suites serve-cost`): bytes of the byte model, "
        f"{result['tree']} trees, {result['key_exchange']} in every connection, the same messages beside; n "
        f"commits in {result['rounds']} rounds, so far apart that none waits for another. Where there are two rates, the lower one was sustained and "
        "the higher one was not, each in one trial; where one is engine-limited, this side gave out, which is "
        "all members, and not the service. The last column is computed from the CPU of a commit, for one core, "
        "and of one at the sustained rate where that is known, which costs less than one alone: no saturation "
        "was measured there. Of a row with an invalid run, figures are of the valid "
        f"ones, of all where none is valid.{marks}\n\n"
        + table(header, rows) + "".join(f"\n{line}" for line in spoiled) + ("\n" if spoiled else "")
        + f"\n{origins([record])}.\n\n"
    )


def growth():
    """What whoever comes into a group waits for, and what the other groups feel of it."""
    rows, records = [], []
    for name in GROWTH:
        record = load_if_there(REFERENCE / name / "run.json")
        if not record:
            continue
        records.append(record)
        joins, classes = record["joins"], record["classes"]
        growing = max(classes, key=lambda group: group["commit_response"]["count"])
        others = [group for group in classes if group is not growing]
        rows.append(
            [
                f"`{name}`",
                record["verdict"]["status"],
                f"{joins['joined']:,} of {joins['let_in']:,}",
                *quantiles(joins["fetch"], "p50", "p99"),
                *quantiles(joins["join"], "p50", "p99"),
                *quantiles(growing["fanout_last"], "p50", "p99"),
                " ".join(quantiles(group["response"], "p99")[0] for group in others),
            ]
        )
    if not rows:
        return ""
    header = ["scenario", "verdict", "came in", "GroupInfo p50", "p99", "in p50", "p99"]
    header += ["its last member p50", "p99", "others' response p99"]
    return (
        "A group that devices come into by themselves, one external commit each, checked by the "
        "service:\n\n" + table(header, rows) + f"\n{origins(records)}.\n\n"
    )


def tables():
    return capacity() + contention() + growth()
