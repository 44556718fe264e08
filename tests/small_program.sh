#!/usr/bin/env bash
# The program without embedded weights: it names the files that it lacks, and removes an object once they lie in the models
# folder. Builds it in a folder of its own, or takes the one that is named: tests/small_program.sh [PROGRAM].
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
target=${CARGO_TARGET_DIR:-$root/target}/small
program=${1:-}
if [ -z "$program" ]; then
    cargo build --release -p cleanplate --no-default-features --locked --target-dir "$target"
    program=$target/release/cleanplate
fi
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
export CLEANPLATE_MODELS_DIR=$dir
photo=$root/benches/photos/boat.png
remove() {
    "$program" run "$photo" "${photo%.png}_mask.png" -o "$dir/out.png" --backend cpu --json
}

if remove >"$dir/reply" 2>"$dir/message"; then
    echo "small program: a removal without weights did not fail" >&2
    exit 1
fi
grep -q "from models/weights/migan-512 into the models folder" "$dir/message" || { cat "$dir/message" >&2; exit 1; }

mkdir -p "$dir/models"
cp models/weights/*/*.safetensors "$dir/models"
remove >"$dir/reply"
grep -q '"migan-512"' "$dir/reply" || { cat "$dir/reply" >&2; exit 1; }
[ -s "$dir/out.png" ]
weights=$(cat models/weights/*/*.safetensors | wc -c)
echo "small program: $(stat -c %s "$program") bytes; it named the weights that it lacked ($weights bytes), and removed with them"
