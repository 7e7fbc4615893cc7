#!/usr/bin/env python3
"""Writes the README's performance tables from the records in results/reference.

  scripts/performance.py          rewrites them
  scripts/performance.py --check  exit code 1 if they are not what the records say
  scripts/performance.py --from-criterion target/criterion validation
                                  prints the record of benches/validation.rs, or of benches/log.rs
                                  with `log`, from what `cargo bench` has just left there

Every figure is a median over rounds, or of one run, taken from a record as it is; nothing is typed.
"""

import datetime
import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import campaigns
import suites
from figures import (
    REFERENCE,
    ROOT,
    digits,
    duration,
    fine,
    load,
    load_if_there,
    median,
    origins,
    quantiles,
    size,
    table,
)

README = ROOT / "README.md"
BEGIN, END = "<!-- performance: begin -->\n", "<!-- performance: end -->\n"

RETURNS = ["offline-return", "reconnect-storm"]
COMPARISONS = ["fanout-1k", "fanout-10k", "bulk-classic", "bulk-xwing"]
RUNS = [
    "fanout-1k",
    "fanout-10k",
    "broadcast-100k",
    "bulk-classic",
    "bulk-xwing",
    "bulk-pq-neighbours",
]


# The benchmarks that make a record, by how their names begin.
BENCHMARKS = {
    "validation": ("validation/",),
    "log": ("fdatasync/", "durable_append/", "replay/", "recovery/"),
}


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


def side_by_side():
    """The classes of one run that differ in durability alone."""
    record = load_if_there(REFERENCE / "durability" / "run.json")
    if record is None:
        return ""
    header = ["groups", "accepted/s", "response p50", "p99", "commits p50", "p99"]
    header += ["last member p50", "p99"]
    window = record["throughput"]["window_s"]
    rows = [
        [
            f"`{group['durability']}`: {group['groups']} x {group['members']}",
            f"{group['response']['count'] / window:,.0f}",
            *quantiles(group["response"], "p50", "p99"),
            *quantiles(group["commit_response"], "p50", "p99"),
            *quantiles(group["fanout_last"], "p50", "p99"),
        ]
        for group in record["classes"]
    ]
    return (
        "Durability, both kinds in the same seconds of one run (`durability`, verdict "
        f"{record['verdict']['status']}):\n\n" + table(header, rows) + f"\n{origins([record])}.\n\n"
    )


def comparable(records):
    """Whether one build made them all, on one machine."""
    fields = ("git_commit", "git_dirty", "build_profile", "cpu_model", "cores", "kernel")
    made = {tuple(record["provenance"].get(field) for field in fields) for record in records}
    return len(made) == 1


def fan_out_through_the_log():
    """One large group without a log and with one, in two runs."""
    names = ["fanout-1k", "fanout-1k-wal"]
    records = [load_if_there(REFERENCE / name / "run.json") for name in names]
    if None in records:
        return ""
    header = ["scenario", "verdict", "deliveries/s", "server us each", "x", "response p50", "p99"]
    header += ["last member p50", "p99"]
    each = [record["server"]["cpu_us_per_delivery"] for record in records]
    times = [digits(one / each[0]) if comparable(records) else "-" for one in each]
    rows = [
        [
            f"`{name}`",
            record["verdict"]["status"],
            f"{record['throughput']['deliveries_per_s']:,.0f}",
            digits(one),
            over,
            *quantiles(record["latency_us"]["response"], "p50", "p99"),
            *quantiles(record["latency_us"]["fanout_last"], "p50", "p99"),
        ]
        for name, record, one, over in zip(names, records, each, times)
    ]
    return (
        "What a log costs the fan-out to 1,000 members at the same rate:\n\n"
        + table(header, rows)
        + f"\n{origins(records)}.\n\n"
    )


def benchmarks(name):
    """A record of benchmarks, and its estimates by id; nothing while it is not there."""
    record = load_if_there(REFERENCE / f"{name}.json")
    return record, {each["id"]: each for each in record["benchmarks"]} if record else {}


def the_log():
    """The log beside what the disk takes for the same bytes, and how fast it is read back."""
    record, by_id = benchmarks("log")
    rows = []
    for entries in sorted(int(id.split("/")[1]) for id in by_id if id.startswith("fdatasync/")):
        disk, log = by_id[f"fdatasync/{entries}"], by_id.get(f"durable_append/{entries}")
        if log:
            rows.append(
                [
                    f"{entries:,}",
                    fine(disk["median_ns"]),
                    fine(log["median_ns"]),
                    digits(log["median_ns"] / disk["median_ns"]),
                    f"{entries * 1e9 / log['median_ns']:,.0f}",
                ]
            )
    if not rows:
        return ""
    read = [
        f"{what} at {by_id[id]['bytes'] * 1e3 / by_id[id]['median_ns']:,.0f} MB/s"
        for what, id in (
            ("replayed", "replay/open"),
            ("verified", "replay/verify"),
            ("recovered, groups and all,", "recovery/groups"),
        )
        if id in by_id
    ]
    header = ["entries at once", "write and fdatasync", "append until durable", "x", "appends/s"]
    return (
        "The log against the disk below it, as many bytes each, one sync each (medians):\n\n"
        + table(header, rows)
        + (f"\nFrom the page cache a log is {', and '.join(read)}.\n" if read else "")
        + f"\n{origins([record])}.\n\n"
    )


def checks():
    """One check at each level, by the size of the group."""
    record, by_id = benchmarks("validation")
    kinds = ["application", "proposal", "commit_merged", "commit_fresh"]
    parts = [id.split("/") for id in by_id]
    sizes = sorted({int(part[3]) for part in parts if len(part) == 4})
    rows = []
    for kind in kinds:
        for level in ("opaque", "header", "public"):
            found = [by_id.get(f"validation/{level}/{kind}/{members}") for members in sizes]
            if any(found):
                cells = [fine(each["median_ns"]) if each else "-" for each in found]
                rows.append([f"{kind.replace('_', ', tree ')}: `{level}`", *cells])
    if not rows:
        return ""
    header = ["one check", *(f"{members:,} members" for members in sizes)]
    return (
        "What the levels of validation take of a shard's time for one message, by the size of the "
        "group (medians):\n\n" + table(header, rows) + f"\n{origins([record])}.\n\n"
    )


def levels():
    """The classes of one run that differ in the level alone, beside `opaque` of the same size."""
    record = load_if_there(REFERENCE / "validation-levels" / "run.json")
    if record is None:
        return ""
    opaque = {
        group["members"]: group["commit_response"]["p50"]
        for group in record["classes"]
        if group["validation"] == "opaque"
    }
    header = ["level and group", "commits", "answered p50", "x", "p99", "last member p50", "p99"]
    rows = []
    for group in record["classes"]:
        commits, least = group["commit_response"], opaque.get(group["members"])
        rows.append(
            [
                f"`{group['validation']}`: {group['members']:,}",
                f"{commits['count']:,}",
                *quantiles(commits, "p50"),
                digits(commits["p50"] / least) if least and commits["count"] else "-",
                *quantiles(commits, "p99"),
                *quantiles(group["fanout_last"], "p50", "p99"),
            ]
        )
    refused = sum(record["refusals"].values())
    return (
        "What whoever commits waits for at each level, all in the same seconds of one run "
        f"(`validation-levels`, verdict {record['verdict']['status']}, {refused:,} refusals):\n\n"
        + table(header, rows)
        + f"\n{origins([record])}.\n\n"
    )


def estimates(folder, name):
    """A record from what Criterion left in `folder` of the benchmarks called `name`."""
    found, newest = [], 0
    for path in sorted(folder.glob("**/new/estimates.json")):
        of = load(path.parent / "benchmark.json")
        if not of["full_id"].startswith(BENCHMARKS[name]):
            continue
        median = load(path)["median"]
        interval = median["confidence_interval"]
        found.append(
            {
                "id": of["full_id"],
                "median_ns": median["point_estimate"],
                "lower_ns": interval["lower_bound"],
                "upper_ns": interval["upper_bound"],
                "bytes": (of["throughput"] or {}).get("Bytes"),
            }
        )
        newest = max(newest, path.stat().st_mtime)
    if not found:
        sys.exit(f"performance.py: {folder} has no estimate of `cargo bench --bench {name}`")
    at = datetime.datetime.fromtimestamp(newest, datetime.timezone.utc)
    return {
        "schema_version": 1,
        "provenance": {
            **built(),
            "cpu_model": cpu_model(),
            "cores": len(os.sched_getaffinity(0)),
            "kernel": f"{platform.system()} {platform.release()}",
            "measured_utc": at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        },
        "benchmarks": found,
    }


def built():
    """The commit, and whether anything but results has changed since."""

    def git(*words):
        done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    try:
        changes = git("status", "--porcelain", "--", ".", ":!results")
        return {"git_commit": git("rev-parse", "HEAD"), "git_dirty": bool(changes)}
    except (OSError, subprocess.CalledProcessError):
        return {"git_commit": None, "git_dirty": None}


def cpu_model():
    named = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line]
    return named[0].split(":", 1)[1].strip() if named else None


def returning():
    """Members that were away: what coming back takes, and what the others feel of it."""
    header = [
        "scenario",
        "verdict",
        "came back",
        "resumed",
        "reconnects/s",
        "reconnect p50",
        "p99",
        "caught up p50",
        "p99",
        "others' response p99 before",
        "while they return",
    ]
    rows, records = [], []
    for name in RETURNS:
        record = load_if_there(REFERENCE / name / "run.json")
        if not record:
            continue
        records.append(record)
        back = record["returns"]
        # Of the class with most operations while they return: the one that was there all along.
        periods = [
            {each["period"]: each["response"] for each in group["periods"]}
            for group in record["classes"]
            if group.get("periods")
        ]
        others = max(periods, key=lambda each: each["returning"]["count"])
        rows.append(
            [
                f"`{name}`",
                record["verdict"]["status"],
                f"{back['back']:,} of {back['away']:,}",
                f"{back['resumed']:,}",
                f"{back['reconnects_per_s']:,.0f}",
                duration(back["reconnect"]["p50"]),
                duration(back["reconnect"]["p99"]),
                duration(back["catch_up"]["p50"]),
                duration(back["catch_up"]["p99"]),
                duration(others["before"]["p99"]),
                duration(others["returning"]["p99"]),
            ]
        )
    if not rows:
        return ""
    return (
        "Members that were away, from the start of their handshake (32 at a time, at most):\n\n"
        + table(header, rows)
        + f"\n{origins(records)}.\n\n"
    )


def tables():
    """All of them; those whose records are not there yet are left out."""
    durability = side_by_side() + fan_out_through_the_log() + the_log()
    service = comparisons() + "\n" + runs() + "\n" + returning() + durability
    return service + levels() + checks() + campaigns.tables() + suites.tables() + campaigns.serving() + campaigns.patterns()


def main():
    if sys.argv[1:2] == ["--from-criterion"]:
        if len(sys.argv) != 4 or sys.argv[3] not in BENCHMARKS:
            sys.exit("performance.py: --from-criterion takes a folder and validation or log")
        print(json.dumps(estimates(Path(sys.argv[2]), sys.argv[3]), indent=2))
        return
    text = README.read_text()
    if BEGIN not in text or END not in text:
        sys.exit("performance.py: README.md has no place for the tables")
    head, rest = text.split(BEGIN, 1)
    _, tail = rest.split(END, 1)
    written = head + BEGIN + "\n" + tables() + END + tail
    if "--check" in sys.argv[1:]:
        if written != text:
            sys.exit("performance.py: README.md is not what results/reference says; run it")
    else:
        README.write_text(written)


if __name__ == "__main__":
    main()
