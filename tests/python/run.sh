#!/usr/bin/env bash
# Unit tests of the programs in benches/ and training/, as far as they need no PyTorch (those are in training/tests). Needs python3
# with venv; the packages of requirements.txt go into target/python-venv.
set -euo pipefail
cd "$(dirname "$0")/../.."
here=tests/python
venv=${CARGO_TARGET_DIR:-target}/python-venv
if ! cmp -s "$here/requirements.txt" "$venv/requirements.txt"; then
    python3 -m venv --clear "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check -r "$here/requirements.txt"
    cp "$here/requirements.txt" "$venv/"
fi
PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=.:benches/hostile:benches/quality:training/curate \
    "$venv/bin/python" -W error::SyntaxWarning -m unittest discover -s "$here" "$@"
