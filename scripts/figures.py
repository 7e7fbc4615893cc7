"""How the documents' tables say figures, and where they find the records. Used by performance.py."""

import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
REFERENCE = ROOT / "results" / "reference"


def load(path):
    if not path.is_file():
        sys.exit(f"performance.py: {path} is missing: results/README.md says how records are made")
    return json.loads(path.read_text())


def load_if_there(path):
    """Some records are younger than the script, and their tables wait for them."""
    return load(path) if path.is_file() else None


def digits(value):
    """Three digits where there are that few before the point, a comma between thousands."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def size(count):
    if count >= 1e9:
        return f"{count / 1e9:.2f} GB"
    if count >= 1e6:
        return f"{count / 1e6:.2f} MB"
    return f"{count / 1e3:.0f} kB" if count >= 10_000 else f"{count:,.0f} B"


def duration(micros):
    if micros >= 1e6:
        return f"{digits(micros / 1e6)} s"
    return f"{digits(micros / 1e3)} ms" if micros >= 1e3 else f"{micros:.0f} us"


def fine(nanos):
    """As `duration`, from nanoseconds, with three digits down to one of them."""
    for unit, length in (("s", 1e9), ("ms", 1e6), ("us", 1e3)):
        if nanos >= length:
            return f"{digits(nanos / length)} {unit}"
    return f"{digits(nanos)} ns"


def quantiles(distribution, *names):
    """Of a distribution; nothing was measured where it is empty."""
    return [duration(distribution[name]) if distribution["count"] else "-" for name in names]


def table(header, rows):
    lines = ["| " + " | ".join(header) + " |", "|---" + "|---:" * (len(header) - 1) + "|"]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def origin(provenance):
    commit = (provenance["git_commit"] or "no commit")[:12]
    dirty = " with changes" if provenance.get("git_dirty") else ""
    log = f", log on {provenance['log_file_system']}" if provenance.get("log_file_system") else ""
    return (
        f"{provenance['cores']} x {provenance['cpu_model']}, {provenance['kernel']}, "
        f"commit {commit}{dirty}{log}"
    )


def origins(records):
    """Every machine and commit that the records name, once."""
    return "; ".join(dict.fromkeys(origin(record["provenance"]) for record in records))


def median(spread):
    return None if spread is None else spread["median"]
