#!/bin/bash
# Walks docs/operations.md: runs its blocks marked `walk` and `walk=KIND`, in their order, with every path below a folder of its own.
# usage: tests/guide.sh sqlite|postgres
# Told by the environment: ROOT, the folder, with the settings and templates in it; BINARY; LISTEN, the address of the settings; for
# postgres DATABASES (postgres://user@host:port) and what libpq needs to make one. Only what needs root or a running systemd is
# replaced: users, owners, and systemctl.
set -euo pipefail

kind=$1
: "${ROOT:?}" "${BINARY:?}" "${LISTEN:?}"
guide=$(dirname "$0")/../docs/operations.md
service=
trap '[ -z "$service" ] || kill -KILL "$service" 2>/dev/null || true' EXIT

# Longest wait for anything, in tenths of a second.
patience=600

await() {
    local left=$patience
    until "$@"; do
        left=$((left - 1))
        [ $left -gt 0 ] || { echo "in vain: $*" >&2; cat "$ROOT/log" >&2; return 1; }
        command sleep 0.1
    done
}

sharpeyes() {
    local words=("$1")
    shift
    [ "${words[0]}" != token ] || { words+=("$1"); shift; }
    [ "${words[0]}" != backup ] || [ -e "$ROOT/noted" ] || watch_a_while
    "$BINARY" "${words[@]}" --config "$ROOT/etc/sharpeyes/sharpeyes.toml" "$@"
}

runuser() {
    [ "$1" = -u ] && [ "$3" = -- ] || { echo "runuser $*" >&2; return 2; }
    shift 3
    "$@"
}

install() {
    local words=()
    while [ $# -gt 0 ]; do
        case $1 in
            -o | -g) shift 2 ;;
            *) words+=("$1"); shift ;;
        esac
    done
    command install "${words[@]}"
}

systemctl() {
    [ "$2" = sharpeyes ] || return 2
    case $1 in
        start)
            : >"$ROOT/log"
            "$BINARY" serve --config "$ROOT/etc/sharpeyes/sharpeyes.toml" >>"$ROOT/log" 2>&1 &
            service=$!
            await grep -q "sharpeyes listens on" "$ROOT/log"
            ;;
        stop)
            kill -TERM "$service"
            wait "$service"
            service=
            ;;
        restart)
            [ -z "$service" ] || systemctl stop "$2"
            systemctl start "$2"
            ;;
        *) return 2 ;;
    esac
}

# The service has been watched for ten minutes when it knows every point, and its newest sign of life is kept.
date() {
    case "$*" in
        *"10 minutes ago"*) cat "$ROOT/noted" ;;
        *) command date "$@" ;;
    esac
}

ask() { curl -sf -H "authorization: Bearer $(cat "$ROOT/root/sharpeyes/admin.token")" "http://$LISTEN$1"; }

knows_every_point() { ask '/api/v1/points?state=unknown' | grep -q '"items":\[\]'; }

# Instants of RFC 3339 in one zone are ordered as texts are.
kept_up_to() { [[ $(ask /api/v1/system | sed -n 's/.*"last_commit":"\([^".]*\).*/\1/p') > $1 ]]; }

watch_a_while() {
    await knows_every_point
    command date -u +%FT%TZ >"$ROOT/noted"
    await kept_up_to "$(sed 's/Z$//' "$ROOT/noted")"
}

blocks() {
    awk -v kind="$1" '
        /^```/ { inside = !inside && ($0 == "```sh walk" || $0 == "```sh walk=" kind); next }
        inside { print }' "$guide"
}

walk=$(blocks "$kind" | sed -E \
    -e "s#(^|[ =>\"(])/(etc|usr/share|var/lib|var/backups|root)/sharpeyes#\1$ROOT/\2/sharpeyes#g" \
    -e "s#127\.0\.0\.1:8080#$LISTEN#g" \
    -e "s#postgres://sharpeyes:password@127\.0\.0\.1#${DATABASES:-}#g")
[ -n "$walk" ]
set -x
eval "$walk"
systemctl stop sharpeyes
