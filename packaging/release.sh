#!/usr/bin/env bash
# A release: checks the tree, builds, tests the package, and writes tarball, package and their hashes to target/packages.
#
#   packaging/release.sh [--skip-tests]
set -euo pipefail
cd "$(dirname "$0")/.."
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -1)
[ -z "$(git status --porcelain)" ] || { echo "commit first" >&2; exit 1; }
grep -q "^## $version" docs/CHANGELOG.md || { echo "docs/CHANGELOG.md has no section $version" >&2; exit 1; }
[ "${1:-}" = --skip-tests ] || { ./tests/all.sh && ./tests/small_program.sh; }
RELEASE_VERSION="$version ($(git rev-parse --short=12 HEAD))" cargo build --release --locked -p cleanplate -p cleanplate-tui
previous=$(git describe --tags --abbrev=0 --match 'v*' 2> /dev/null || true)
if [ "${1:-}" != --skip-tests ] && [ -n "$previous" ]; then
    # Processes of both versions over one database, as while they are exchanged.
    old=$PWD/target/previous
    git worktree add --force --detach "$old" "$previous"
    (cd "$old" && cargo build --release --locked -p cleanplate --target-dir "$old/target")
    OLD_BINARY=$old/target/release/cleanplate cargo test --release --locked -p cleanplate --test main upgrade:: -- --ignored
    git worktree remove --force "$old"
fi
out=target/packages
name=cleanplate-$version-$(uname -m)-linux
mkdir -p "$out/$name"
install -m 755 target/release/cleanplate target/release/cleanplate-tui "$out/$name/"
strip "$out/$name/cleanplate" "$out/$name/cleanplate-tui"
cp -r README.md LICENSE docs/OPERATING.md docs/CHANGELOG.md config/cleanplate.toml config/systemd "$out/$name/"
tar -C "$out" --owner=0 --group=0 --sort=name --mtime="@$(git log -1 --format=%ct)" -cJf "$out/$name.tar.xz" "$name"
packaging/debian.sh "$out"
if [ "${1:-}" != --skip-tests ]; then
    packaging/test.sh
    packaging/container.sh "$out/cleanplate_${version}_$(dpkg --print-architecture).deb"
    packaging/proxies.sh
fi
(cd "$out" && sha256sum "$name.tar.xz" "cleanplate_${version}_"*.deb > SHA256SUMS && cat SHA256SUMS)
echo "now: git tag -s v$version && git push --tags"
