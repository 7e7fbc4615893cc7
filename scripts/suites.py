#!/usr/bin/env python3
"""The table of cipher suites. Used by performance.py; a record that is not there yet has no table.

  scripts/suites.py suites.json [members]
                                  prints it from any record, for that group size
"""

import sys
from pathlib import Path

from figures import REFERENCE, digits, load, load_if_there, origins, table

RECORD = REFERENCE / "suites" / "suites.json"
STATES = REFERENCE / "suites-states" / "suites.json"
MEMBERS = 1_000

# What most will choose between, and the one that both stacks have.
CHOSEN = [
    ("x25519-aes128-ed25519", "openmls/rust_crypto"),
    ("x25519-aes128-ed25519", "mls-rs/awslc"),
    ("p256-aes128-p256", "openmls/rust_crypto"),
    ("p256-aes128-p256", "mls-rs/awslc"),
    ("xwing-aes128-ed25519", "openmls/rust_crypto"),
    ("mlkem768-aes256-mldsa65", "openmls/rust_crypto"),
    ("mlkem1024-aes256-mldsa87", "openmls/rust_crypto"),
]
TIMES = {
    "add_one": "add one",
    "update": "update commit",
    "process": "process it",
    "join": "join",
}
BYTES = {"commit_update": "update B", "welcome_one": "Welcome B", "key_package": "KeyPackage B"}


def span(found):
    """A median in milliseconds with its interval; nothing where it was not timed."""
    if not found:
        return "-"
    median, low, high = (found[name] / 1e3 for name in ("median_us", "low_us", "high_us"))
    return f"{digits(median)} ({digits(low)}..{digits(high)})"


def row(cell):
    if cell["error"] is not None:
        return ["failed"] + ["-"] * (len(TIMES) + len(BYTES) - 1)
    times = {each["operation"]: each for each in cell["times"]}
    sizes = {each["object"]: each["bytes"] for each in cell["sizes"]}
    bytes_of = [f"{sizes[name]:,}" if name in sizes else "-" for name in BYTES]
    return [span(times.get(name)) for name in TIMES] + bytes_of


def of(record, members=MEMBERS):
    """The table of one group size, or nothing if the record has none of it."""
    parts = []
    titles = {
        "fresh": f"Fresh: one member of {members:,} has just added all others, the worst that a commit finds:",
        "settled": "Settled: others have committed since, and a commit finds one key for each level:",
    }
    for state, title in titles.items():
        cells = {
            (cell["suite"], cell["stack"]): cell
            for cell in record["cells"]
            if cell["members"] == members and cell["state"] == state
        }
        rows = [
            [f"`{suite}`, {stack}", *row(cells[suite, stack])]
            for suite, stack in CHOSEN
            if (suite, stack) in cells
        ]
        if rows:
            header = ["suite and stack", *(f"{name} ms" for name in TIMES.values()), *BYTES.values()]
            parts.append(f"{title}\n\n{table(header, rows)}")
    if not parts:
        return ""
    return (
        f"What a cipher suite costs a client in a group of {members:,} (`suites run`): medians on one thread, "
        "each of six or more with an interval that holds the median with 95%. Two members are real and all others leaves, "
        "nothing is written to a disk; `results/README.md` says what is in each time.\n\n"
        + "\n".join(parts)
        + f"\n{origins([record])}.\n\n"
    )


def states(record):
    """What the same group's commits take by what its tree has been through."""
    order = ["fresh", "settled", "merged", "churned"]
    members = max(cell["members"] for cell in record["cells"])
    suites = record["settings"]["suites"]
    cells = [cell for cell in record["cells"] if cell["members"] == members]
    cells.sort(key=lambda cell: (suites.index([cell["suite"], cell["stack"]]), order.index(cell["state"])))
    rows = []
    for cell in cells:
        times = {each["operation"]: each for each in cell["times"]}
        sizes = {each["object"]: each["bytes"] for each in cell["sizes"]}
        rows.append([
            f"`{cell['suite']}`, {cell['stack']}",
            cell["state"],
            *(span(times.get(name)) for name in ("update", "process", "external_join")),
            *(f"{sizes[name]:,}" if name in sizes else "failed" for name in ("commit_update", "tree")),
        ])
    header = ["suite and stack", "tree", "update commit ms", "process it ms", "external join ms", "update B", "tree B"]
    return (
        f"What the tree has been through, in groups of {members:,} (`suites run --states settled,merged,churned`): "
        "merged, every parent node has a key; churned, a quarter of the members were replaced since; settled, "
        "what stands for merged above, where only the nodes have keys that commits look for. The first member "
        "commits in a settled tree, and in the others who came in last, whose path is shorter here:\n\n"
        f"{table(header, rows)}\n{origins([record])}.\n\n"
    )


def tables():
    record, by_state = load_if_there(RECORD), load_if_there(STATES)
    return (of(record) if record else "") + (states(by_state) if by_state else "")


if __name__ == "__main__":
    if not 2 <= len(sys.argv) <= 3:
        sys.exit("suites.py: takes a suites.json, and members if not 1000")
    print(of(load(Path(sys.argv[1])), int(sys.argv[2]) if len(sys.argv) == 3 else MEMBERS), end="")
