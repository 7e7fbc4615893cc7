#!/usr/bin/env python3
"""Writes the README's performance tables from the records in results/reference.

  scripts/performance.py          rewrites them
  scripts/performance.py --check  exit code 1 if they are not what the records say

Every figure is a median over rounds, or of one run, taken from a record as it is; nothing is typed.
"""

import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
REFERENCE = ROOT / "results" / "reference"
README = ROOT / "README.md"
BEGIN, END = "<!-- performance: begin -->\n", "<!-- performance: end -->\n"

COMPARISONS = ["fanout-1k", "fanout-10k", "bulk-classic", "bulk-xwing"]
RUNS = [
    "fanout-1k",
    "fanout-10k",
    "broadcast-100k",
    "bulk-classic",
    "bulk-xwing",
    "bulk-pq-neighbours",
]


def load(path):
    if not path.is_file():
        sys.exit(f"performance.py: {path} is missing: results/README.md says how records are made")
    return json.loads(path.read_text())


def digits(value):
    """Three digits where there are that few before the point, a comma between thousands."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def size(count):
    if count >= 1e6:
        return f"{count / 1e6:.2f} MB"
    return f"{count / 1e3:.0f} kB" if count >= 10_000 else f"{count:,.0f} B"


def duration(micros):
    if micros >= 1e6:
        return f"{digits(micros / 1e6)} s"
    return f"{digits(micros / 1e3)} ms" if micros >= 1e3 else f"{micros:.0f} us"


def table(header, rows):
    lines = ["| " + " | ".join(header) + " |", "|---" + "|---:" * (len(header) - 1) + "|"]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def origin(provenance):
    commit = (provenance["git_commit"] or "no commit")[:12]
    dirty = " with changes" if provenance.get("git_dirty") else ""
    return (
        f"{provenance['cores']} x {provenance['cpu_model']}, {provenance['kernel']}, "
        f"commit {commit}{dirty}"
    )


def origins(records):
    """Every machine and commit that the records name, once."""
    return "; ".join(dict.fromkeys(origin(record["provenance"]) for record in records))


def median(spread):
    return None if spread is None else spread["median"]


def ratio(result):
    """Others' processor time over ours, with its spread over the rounds."""
    over = result and result["over_stentor"]
    spread = over and over["server_cpu_us_per_delivery"]
    if not spread:
        return "-"
    return f"{digits(spread['median'])} ({digits(spread['min'])}..{digits(spread['max'])})"


def compared(name):
    record = load(REFERENCE / f"peers-{name}" / "peers.json")
    work = record["work"]
    rows = []
    for part in record["sets"]:
        by_name = {result["name"]: result for result in part["results"]}
        ours = by_name["stentor"]["over_rounds"]
        floor = by_name.get("floor")
        share = floor and median(floor["over_stentor"]["server_cpu_us_per_delivery"])
        rows.append(
            [
                f"{size(work['body_bytes_mean'])} to {work['members']:,}",
                str(part["in_flight"]),
                digits(median(ours["server_cpu_us_per_delivery"])),
                digits(share) if share else "-",
                ratio(by_name.get("nats")),
                ratio(by_name.get("redis")),
                ratio(by_name.get("quinn")),
                f"{median(ours['deliveries_per_s']):,.0f}",
                duration(median(ours["last_member_p50_us"])),
                digits(median(ours["member_p99_over_p50"])),
            ]
        )
    return record, rows


def comparisons():
    header = [
        "message and members",
        "in flight",
        "Stentor us",
        "of it the floor",
        "NATS x",
        "Redis x",
        "stock quinn x",
        "deliveries/s",
        "last member",
        "p99/p50 of members",
    ]
    records, rows = [], []
    for name in COMPARISONS:
        record, more = compared(name)
        records.append(record)
        rows += more
    told_origins = origins(records)
    absent = [
        f"{contestant['name']} {contestant['status']} ({contestant['why']})"
        for record in records
        for contestant in record["contestants"]
        if contestant["status"] != "completed"
    ]
    versions = {
        contestant["name"]: contestant["version"]
        for contestant in records[0]["contestants"]
        if contestant["version"]
    }
    # Redis goes on with its build's hash.
    told = "; ".join(
        versions[name].split(" sha=")[0] for name in ("nats", "redis", "quinn") if name in versions
    )
    return (
        "Processor time of the server for each delivery, on one core, and how many times as much the "
        "others took in the same rounds (least..greatest round). A closed loop with so many messages "
        "in flight; `peers` above says what is alike and what is not.\n\n"
        + table(header, rows)
        + f"\n{told_origins}; {told}.\n"
        + (f"\nNot in all rounds: {'; '.join(absent)}.\n" if absent else "")
    )


def runs():
    header = [
        "scenario",
        "verdict",
        "deliveries",
        "server us each",
        "of it the floor",
        "last member p50",
        "p99",
        "KiB of an idle member",
    ]
    rows, records = [], []
    for name in RUNS:
        record = load(REFERENCE / name / "run.json")
        records.append(record)
        server = record["server"]
        floor, idle = server.get("floor"), server.get("idle")
        last = record["latency_us"]["fanout_last"]
        rows.append(
            [
                f"`{name}`",
                f"{record['verdict']['status']}, {sum(record['violations'].values())} violations",
                f"{record['counts']['deliveries']:,}",
                digits(server["cpu_us_per_delivery"]),
                # The floor of a mean frame says nothing of a mixture.
                digits(floor["share"]) if floor and len(record["classes"]) == 1 else "-",
                duration(last["p50"]),
                duration(last["p99"]),
                digits(idle["bytes_per_member"] / 1024) if idle else "-",
            ]
        )
        # What the neighbours of a bulk commit feel is a figure of its own.
        for group in record["classes"] if len(record["classes"]) > 1 else []:
            rows.append(
                [
                    f"- {group['name']}: {group['groups']} x {group['members']}",
                    "",
                    "",
                    "",
                    "",
                    duration(group["fanout_last"]["p50"]),
                    duration(group["fanout_last"]["p99"]),
                    "",
                ]
            )
    return (
        "Open-loop runs of the scenarios, latency from the intended instant:\n\n"
        + table(header, rows)
        + f"\n{origins(records)}.\n"
    )


def main():
    text = README.read_text()
    if BEGIN not in text or END not in text:
        sys.exit("performance.py: README.md has no place for the tables")
    head, rest = text.split(BEGIN, 1)
    _, tail = rest.split(END, 1)
    written = head + BEGIN + "\n" + comparisons() + "\n" + runs() + "\n" + END + tail
    if "--check" in sys.argv[1:]:
        if written != text:
            sys.exit("performance.py: README.md is not what results/reference says; run it")
    else:
        README.write_text(written)


if __name__ == "__main__":
    main()
