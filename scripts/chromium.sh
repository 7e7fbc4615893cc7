#!/usr/bin/env bash
# The browser that the tests look at report.html with: installs it, or says which one is used.
#
#   scripts/chromium.sh install   from the system's packages
#   scripts/chromium.sh which     prints the path of the one that the tests would use
#
# The tests take STENTOR_CHROMIUM if it is set, else the first of these on the PATH.
# Exit code 69: not installed.
set -euo pipefail
shopt -s inherit_errexit

readonly names=(chromium chromium-browser google-chrome google-chrome-stable)

fail() { # exit code, line
  printf 'chromium.sh: %s\n' "$2" >&2
  exit "$1"
}

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

find_one() {
  if [ -n "${STENTOR_CHROMIUM:-}" ]; then
    command -v "$STENTOR_CHROMIUM"
    return
  fi
  local name
  for name in "${names[@]}"; do
    if command -v "$name"; then return; fi
  done
  return 1
}

case "${1:-}" in
  install)
    if find_one; then exit; fi
    command -v apt-get >/dev/null || fail 69 "this system has no apt-get; put one of ${names[*]} on the PATH"
    as_root apt-get update
    # Ubuntu's chromium is a snap, which no container runs.
    as_root apt-get install -y --no-install-recommends chromium || fail 69 "there is no package chromium"
    find_one || fail 69 "it was installed and is not on the PATH"
    ;;
  which) find_one || fail 69 "none is installed: scripts/chromium.sh install" ;;
  *) fail 64 "install, or which" ;;
esac
