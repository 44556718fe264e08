#!/usr/bin/env bash
# Installs the package in a fresh Debian, uses it as strangers and operators do, and prints what happened.
#
#   packaging/test.sh
#
# Needs root, mmdebstrap, the release binaries, and for the page chromium and npm. BASE keeps the base system (a tar) between runs.
set -euo pipefail
cd "$(dirname "$0")/.."
base=${BASE:-target/packages/bookworm.tar}
mkdir -p "$(dirname "$base")"
[ -s "$base" ] || mmdebstrap --quiet --variant=minbase --include=adduser,curl bookworm "$base"
dir=$(mktemp -d)
root=$dir/root
mkdir "$root"
pid=
finish() {
    [ -z "$pid" ] || kill "$pid" 2>/dev/null || true
    rm -rf "$dir"
}
trap finish EXIT
tar -C "$root" -xf "$base" --exclude='./dev/*'
mkdir -p "$root/dev" && for node in null:3 zero:5 random:8 urandom:9; do
    [ -e "$root/dev/${node%:*}" ] || mknod -m 666 "$root/dev/${node%:*}" c 1 "${node#*:}"
done
say() { printf '\n== %s\n' "$*"; }
fail() { echo "packaging: FAILED: $*" >&2; tail -20 "$dir/log" >&2 || true; exit 1; }
inside() { chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 HOME=/ "$@"; }
user() { inside setpriv --reuid cleanplate --regid cleanplate --init-groups "$@"; }
port=$((20000 + RANDOM % 12000)); at=http://127.0.0.1:$port
start() {
    chroot "$root" /usr/bin/env -i PATH=/usr/bin:/bin HOME=/ STATE_DIRECTORY=/var/lib/cleanplate CLEANPLATE_ENGINE_BACKEND=cpu \
        setpriv --reuid cleanplate --regid cleanplate --init-groups \
        cleanplate serve --config /etc/cleanplate/cleanplate.toml --listen 127.0.0.1:$port > "$dir/log" 2>&1 &
    pid=$!
    for _ in $(seq 300); do
        curl -sf $at/readyz >/dev/null && return
        kill -0 $pid 2>/dev/null || fail "the daemon ended"
        sleep 0.1
    done
    fail "not ready"
}
stop() { kill "$pid"; wait "$pid" || fail "the daemon ended badly"; pid=; }
remove() {
    curl -sf -H "Authorization: Bearer $key" -H 'Accept: image/*' -F image=@benches/photos/boat.png -F mask=@benches/photos/boat_mask.png \
        -o "$dir/$1" -D "$dir/head" $at/v1/services/object-removal || fail "no removal"
    grep -i '^x-credits' "$dir/head"
}
balance() { curl -sf -H "Authorization: Bearer $key" $at/v1/account | grep -o '"balance":[0-9]*'; }

say "package, and an older one to upgrade from"
packaging/debian.sh "$dir" | tail -1
VERSION=0.0.1 packaging/debian.sh "$dir" | tail -1
cp "$dir"/*.deb "$root/srv/"
new=$(cd "$root/srv" && ls cleanplate_*.deb | grep -v _0.0.1_)

say "install"
inside dpkg -i "/srv/$(cd "$root/srv" && ls ./*_0.0.1_*)"
inside stat -c '%A %U %n' /var/lib/cleanplate /etc/cleanplate/cleanplate.toml
inside test -s /usr/share/man/man1/cleanplate-run.1.gz -a -s /usr/share/bash-completion/completions/cleanplate || fail "no manual"

say "start, as the user cleanplate"
start
key=$(grep -oE 'sk-live-[A-Za-z0-9]{38}' "$dir/log" | head -1)
[ -n "$key" ] || fail "no key"
user cleanplate health --listen 127.0.0.1:$port
curl -sf $at/ | grep -o '<title>.*</title>'
curl -sf $at/docs | grep -o '<title>.*</title>'

say "remove an object by curl"
remove first.png
first=$(grep -i '^x-job-id' "$dir/head" | tr -d '\r' | cut -d' ' -f2)
balance

say "remove an object by the page"
tests/page/run.sh --remove $at "$key" || fail "no removal by the page"
balance

say "remove an object by folder"
mkdir "$root/var/lib/cleanplate/pairs"
cp benches/photos/boat.png benches/photos/boat_mask.png "$root/var/lib/cleanplate/pairs/"
inside chown -R cleanplate: /var/lib/cleanplate/pairs
user cleanplate folder --once /var/lib/cleanplate/pairs --backend cpu --data /var/lib/cleanplate
inside ls /var/lib/cleanplate/pairs/output

say "upgrade: a changed conffile and all data stay"
echo '# of this machine' >> "$root/etc/cleanplate/cleanplate.toml"
stop
inside dpkg -i --force-confold "/srv/$new"
grep -q '^# of this machine' "$root/etc/cleanplate/cleanplate.toml" || fail "the conffile was replaced"
start
balance

say "upgrade: the data of an earlier version"
tar -C "$root/srv" -xzf tests/upgrade/data-7.tar.gz
inside install -m 644 /srv/all.tar /var/lib/cleanplate-earlier.tar
user cleanplate restore /var/lib/cleanplate-earlier.tar --data /var/lib/cleanplate/earlier
expected=$(grep -o '"balance": *[0-9]*' "$root/srv/expected.json" | grep -o '[0-9]*')
user cleanplate accounts list --data /var/lib/cleanplate/earlier --json | tee "$dir/accounts"
grep -q "\"available\":$expected," "$dir/accounts" || fail "not the $expected credits of then"

say "back up while it runs"
user cleanplate backup /var/lib/cleanplate/all.tar --results --data /var/lib/cleanplate
cp "$root/var/lib/cleanplate/all.tar" "$root/srv/all.tar"
url=$(curl -sf -H "Authorization: Bearer $key" "$at/v1/jobs/$first" | grep -o '"output_url":"[^"]*' | cut -d'"' -f4)
before=$(balance)

say "destroy"
stop
find "$root/var/lib/cleanplate" -mindepth 1 -delete

say "restore"
inside install -m 644 /srv/all.tar /var/lib/cleanplate-all.tar
user cleanplate restore /var/lib/cleanplate-all.tar --data /var/lib/cleanplate
start
[ "$(balance)" = "$before" ] || fail "credits differ after the restore"
balance
curl -sf -o "$dir/again.png" "$url" || fail "the address of the first result is not good again"
cmp "$dir/first.png" "$dir/again.png" || fail "another result behind its address"
echo "the address of the first result is good again"
remove second.png
cmp "$dir/first.png" "$dir/second.png" || fail "another result"
stop

say "purge"
inside dpkg --purge cleanplate
[ ! -e "$root/var/lib/cleanplate" ] && [ ! -e "$root/etc/cleanplate" ] || fail "purging left files"
! inside getent passwd cleanplate || fail "purging left the user"
printf '\nall steps done\n'
