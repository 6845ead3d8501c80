#!/bin/sh
# Installs schemathesis into a virtual environment under target/ when it is missing, and runs it against the served API.
set -eu
cd "$(dirname "$0")/.."
venv=${CARGO_TARGET_DIR:-target}/schemathesis
version=4.32.5

if ! "$venv/bin/schemathesis" --version 2>/dev/null | grep -q "$version"; then
    python3 -m venv "$venv" || { echo "python3-venv is needed: apt-get install python3-venv" >&2; exit 1; }
    "$venv/bin/pip" install --quiet --disable-pip-version-check "schemathesis==$version"
fi
SCHEMATHESIS="$(cd "$venv" && pwd)/bin/schemathesis" \
    exec "${CARGO:-cargo}" test --locked --all-features --test it -- api::fuzz --nocapture
