#!/usr/bin/env bash
# What a clean release build costs in processor seconds, and how large the programs are: benches/build_cost.sh [REVISION].
set -euo pipefail
cd "$(dirname "$0")/.."
revision=$(git rev-parse --short "${1:-HEAD}")
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
git archive "$revision" | tar x -C "$tree"
cd "$tree"
cargo fetch --locked --quiet
TIMEFORMAT='%U %S'
cost=$({ time CARGO_TARGET_DIR=$tree/target cargo build --release --locked --quiet; } 2>&1 | tail -1)
awk -v revision="$revision" '{ printf "%s: %.0f processor seconds\n", revision, $1 + $2 }' <<<"$cost"
stat -c '%n %s bytes' target/release/cleanplate target/release/cleanplate-tui
