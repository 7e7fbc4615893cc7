#!/usr/bin/env bash
# Fuzzes what reads bytes from outside, beginning with the committed corpus:
#   scripts/fuzz.sh TARGET [ARGUMENTS OF LIBFUZZER]     such as: scripts/fuzz.sh stream -max_total_time=60
# The targets are in src/tests/fuzz/targets. Needs a nightly compiler and cargo-fuzz
# (`cargo install --locked cargo-fuzz`). A finding is printed with the command that replays it.
set -euo pipefail
cd "$(dirname "$0")/.."
target=${1:?name a target: $(cd src/tests/fuzz/targets && echo *.rs | sed 's/\.rs//g')}
shift
cp -u Cargo.lock src/tests/fuzz/Cargo.lock # the versions that are tested; a newer file would build all anew
exec nice cargo +nightly fuzz run --fuzz-dir src/tests/fuzz --target-dir target/fuzz "$target" -- "$@"
