#!/usr/bin/env bash
# Runs every test of the project. The shader tests need a Vulkan adapter; where there is none, Mesa's software one
# (lavapipe) is installed first, so that no GPU test is ever skipped, and PostgreSQL for the store and an S3 server for files. The terminal dashboard is used in
# tmux, installed likewise; the interfaces are used through clients generated from their documents; the page is used with Chromium and Firefox; its modules and
# the Python programs have unit tests of their own. Packages for these go below target/.
set -euo pipefail
cd "$(dirname "$0")/.."

has_vulkan_driver() {
    compgen -G "/usr/share/vulkan/icd.d/*.json" >/dev/null || compgen -G "/etc/vulkan/icd.d/*.json" >/dev/null || [ -n "${VK_DRIVER_FILES:-}" ]
}

has_vulkan_loader() {
    ldconfig -p 2>/dev/null | grep -q 'libvulkan\.so\.1'
}

install() {
    echo "installing $*" >&2
    local as_root=()
    [ "$(id -u)" -eq 0 ] || as_root=(sudo)
    "${as_root[@]}" apt-get update -qq
    DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -qq "$@"
}

if [ "$(uname -s)" = Linux ] && ! { has_vulkan_driver && has_vulkan_loader; }; then
    install libvulkan1 mesa-vulkan-drivers
fi

# The store is tested on a server of its own, of whatever version the system has.
if [ "$(uname -s)" = Linux ] && ! compgen -G "/usr/lib/postgresql/*/bin/postgres" >/dev/null; then
    install postgresql
fi

# Clocks that go wrong.
if [ "$(uname -s)" = Linux ] && ! compgen -G "/usr/lib/*/faketime/libfaketimeMT.so.1" >/dev/null; then
    install libfaketime
fi

# Files of jobs are tested on an S3 server, which takes no part in the product: its build is its own.
if ! [ -x target/s3/bin/s3s-fs ] && ! command -v s3s-fs >/dev/null; then
    CARGO_TARGET_DIR=target/s3/build cargo install s3s-fs --version =0.14.1 --locked --features binary --root target/s3
    rm -r target/s3/build
fi

cargo test --release --workspace --locked "$@"

# With arguments, a part of the tests above was asked for.
if [ $# -eq 0 ]; then
    for tool in tmux curl python3; do
        command -v "$tool" >/dev/null || install "$tool"
    done
    command -v node >/dev/null || install nodejs
    python3 -c 'import ensurepip' 2>/dev/null || install python3-venv
    cargo build --release --workspace --locked
    ./tests/tui_tmux.sh
    ./tests/openapi/run.sh
    ./tests/page/run.sh
    ./tests/web_page.sh
    ./tests/python/run.sh
fi
