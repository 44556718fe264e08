#!/usr/bin/env bash
# Uses the page with Chromium and Firefox: what is not there is installed. Needs the daemon built (target/release/cleanplate, or CLEANPLATE).
# With --remove URL KEY it does one removal by the page of a daemon that runs.
set -euo pipefail
cd "$(dirname "$0")"

install() {
    echo "installing $*" >&2
    local as_root=()
    [ "$(id -u)" -eq 0 ] || as_root=(sudo)
    "${as_root[@]}" apt-get update -qq
    DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -qq --no-install-recommends "$@"
}

for tool in chromium firefox-esr npm; do
    command -v "$tool" >/dev/null || install "$tool"
done

export CLEANPLATE="${CLEANPLATE:-$PWD/../../target/release/cleanplate}"
REPOSITORY="$(cd ../.. && pwd)"
export REPOSITORY

# The packages lie beside the build's outputs, never in the tree.
modules="${CARGO_TARGET_DIR:-$PWD/../../target}/page-tests"
mkdir -p "$modules"
cp ./*.mjs package.json package-lock.json "$modules/"
cd "$modules"
[ package-lock.json -ot node_modules/.package-lock.json ] || npm ci --no-audit --no-fund --silent
if [ "${1:-}" = --remove ]; then
    exec node remove.mjs "$2" "$3"
fi
node --test --test-concurrency=1 "$@" page.test.mjs
