#!/usr/bin/env bash
# Clones this repository's main into a temporary folder and runs the README's two commands there,
# timed, as a newcomer would. Keeps nothing of it but what the commands print.
set -euo pipefail

repository=$(git -C "$(dirname "$0")" rev-parse --show-toplevel)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

git clone --quiet --branch main "$repository" "$folder/stentor"
cd "$folder/stentor"
export XDG_CACHE_HOME="$folder/cache" XDG_STATE_HOME="$folder/state"

time cargo build --release
time cargo run --release -- run scenarios/quickstart.toml
time cargo test
