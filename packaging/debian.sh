#!/usr/bin/env bash
# Makes the Debian package of what was built: cleanplate_VERSION_ARCH.deb, by dpkg-deb alone.
#
#   packaging/debian.sh [OUT_DIR]
#
# BIN names the folder of the binaries (target/release), VERSION another version (for tests of upgrades).
set -euo pipefail
cd "$(dirname "$0")/.."
out=$(realpath -m "${1:-target/packages}")
bin=${BIN:-target/release}
version=${VERSION:-$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -1)}
arch=$(dpkg --print-architecture)
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
chmod 755 "$root"
put() { install -D -m "$1" "$2" "$root/$3"; }

put 755 "$bin/cleanplate" usr/bin/cleanplate
[ ! -x "$bin/cleanplate-tui" ] || put 755 "$bin/cleanplate-tui" usr/bin/cleanplate-tui
strip "$root"/usr/bin/*
# The package has a user of its own, whose files outlive the service.
sed -e 's|/usr/local/bin/|/usr/bin/|' -e 's|/etc/cleanplate.toml|/etc/cleanplate/cleanplate.toml|' -e '/^DynamicUser=/d' \
    config/systemd/cleanplate.service > "$root/unit"
put 644 "$root/unit" lib/systemd/system/cleanplate.service
rm "$root/unit"
for unit in cleanplate-backup.service cleanplate-backup.timer; do put 644 "config/systemd/$unit" "lib/systemd/system/$unit"; done
put 644 packaging/cleanplate.toml etc/cleanplate/cleanplate.toml
doc=usr/share/doc/cleanplate
put 644 config/cleanplate.toml $doc/cleanplate.toml
put 644 config/grafana/cleanplate.json $doc/grafana.json
put 644 docs/OPERATING.md $doc/OPERATING.md
put 644 LICENSE $doc/copyright
put 644 docs/CHANGELOG.md $doc/changelog
"$bin/cleanplate" man "$root/usr/share/man/man1"
for shell in bash:bash-completion/completions/cleanplate zsh:zsh/vendor-completions/_cleanplate fish:fish/vendor_completions.d/cleanplate.fish; do
    "$bin/cleanplate" completions "${shell%%:*}" > "$root/completion"
    put 644 "$root/completion" "usr/share/${shell#*:}"
done
rm "$root/completion"
gzip -9n "$root"/usr/share/man/man1/* "$root/$doc/changelog"

# The C library that the binaries were linked with, or a newer one.
libc=$(objdump -T "$root"/usr/bin/* | grep -o 'GLIBC_[0-9.]*' | sort -Vu | tail -1 | cut -d_ -f2)
mkdir -p "$root/DEBIAN"
cat > "$root/DEBIAN/control" <<END
Package: cleanplate
Version: $version
Architecture: $arch
Maintainer: Cleanplate <cleanplate@localhost>
Section: graphics
Priority: optional
Installed-Size: $(du -sk "$root" | cut -f1)
Depends: libc6 (>= $libc), libgcc-s1, adduser
Recommends: libvulkan1, ca-certificates
Suggests: mesa-vulkan-drivers
Description: removes unwanted objects from photos
 A self-hosted service with an HTTP interface, watched folders, a command line
 and a dashboard for the terminal. It runs on any GPU with a Vulkan driver, and
 on the CPU where there is none.
END
echo /etc/cleanplate/cleanplate.toml > "$root/DEBIAN/conffiles"
cat > "$root/DEBIAN/postinst" <<'END'
#!/bin/sh
set -e
if [ "$1" = configure ]; then
    adduser --system --group --quiet --home /var/lib/cleanplate --no-create-home cleanplate
    # The groups of GPU devices, where they are.
    for group in video render; do ! getent group $group >/dev/null || adduser --quiet cleanplate $group; done
    install -d -m 700 -o cleanplate -g cleanplate /var/lib/cleanplate
    if [ -d /run/systemd/system ]; then
        systemctl daemon-reload
        if [ -z "$2" ]; then systemctl enable --now cleanplate.service || true; else systemctl try-restart cleanplate.service || true; fi
    fi
    [ -n "$2" ] || echo "cleanplate: the first start writes a key to the journal: journalctl -u cleanplate -g sk-live-"
fi
END
cat > "$root/DEBIAN/prerm" <<'END'
#!/bin/sh
set -e
if [ "$1" = remove ] && [ -d /run/systemd/system ]; then systemctl disable --now cleanplate.service cleanplate-backup.timer || true; fi
END
cat > "$root/DEBIAN/postrm" <<'END'
#!/bin/sh
set -e
if [ "$1" = purge ]; then
    rm -rf /var/lib/cleanplate /etc/cleanplate
    ! getent passwd cleanplate >/dev/null || deluser --system --quiet cleanplate
fi
[ ! -d /run/systemd/system ] || systemctl daemon-reload
END
chmod 755 "$root"/DEBIAN/p*
mkdir -p "$out"
dpkg-deb --root-owner-group -Zxz --build "$root" "$out/cleanplate_${version}_$arch.deb"
