#!/usr/bin/env bash
# Checks what config/ has for several machines without one of them: the compose file is read by podman-compose, every object of the cluster
# is checked strictly against the published schemas, and what one of them names is there in the others.
#
#   tests/deploy/run.sh
#
# Needs python3 with venv; the packages of requirements.txt go into target/deploy-venv. That the daemon takes the options that stand in
# them, and works with them, is checked by `cargo test --release -p cleanplate --test main deployment::`.
set -euo pipefail
cd "$(dirname "$0")/../.."
here=tests/deploy
venv=${CARGO_TARGET_DIR:-target}/deploy-venv
if ! cmp -s "$here/requirements.txt" "$venv/requirements.txt"; then
    python3 -m venv --clear "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check -r "$here/requirements.txt"
    cp "$here/requirements.txt" "$venv/"
fi
PYTHONDONTWRITEBYTECODE=1 "$venv/bin/python" -m unittest discover -s "$here" "$@"
