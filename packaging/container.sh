#!/usr/bin/env bash
# Follows packaging/Containerfile step by step in a fresh Debian root, without a registry, and uses what comes of it.
#
#   packaging/container.sh PACKAGE.deb
#
# Needs root, mmdebstrap and python3. BASE keeps the base system (a tar) between runs.
set -euo pipefail
cd "$(dirname "$0")/.."
package=$(realpath "$1")
base=${BASE:-target/packages/bookworm.tar}
mkdir -p "$(dirname "$base")"
[ -s "$base" ] || mmdebstrap --quiet --variant=minbase --include=adduser,curl bookworm "$base"
dir=$(mktemp -d)
root=$dir/root
pid=
finish() {
    [ -z "$pid" ] || kill "$pid" 2>/dev/null || true
    ! mountpoint -q "$root/proc" || umount "$root/proc"
    rm -rf "$dir"
}
trap finish EXIT
fail() { echo "container: FAILED: $*" >&2; tail -20 "$dir/log" >&2 2>/dev/null || true; exit 1; }
mkdir "$root"
tar -C "$root" -xf "$base" --exclude='./dev/*'
mkdir -p "$root/dev" "$root/proc" && for node in null:3 zero:5 random:8 urandom:9; do
    [ -e "$root/dev/${node%:*}" ] || mknod -m 666 "$root/dev/${node%:*}" c 1 "${node#*:}"
done
mount -t proc proc "$root/proc"
cp /etc/resolv.conf "$root/etc/" 2>/dev/null || true
port=$((20000 + RANDOM % 12000))
# Of the file, each instruction on a line of its own: its name, a tab, the rest with a command's JSON form as shell words.
steps=$(python3 - packaging/Containerfile <<'END'
import json, re, shlex, sys
text = re.sub(r"\\\n\s*", " ", "\n".join(l for l in open(sys.argv[1]).read().split("\n") if not l.startswith("#")))
for line in filter(None, text.split("\n")):
    name, rest = line.split(None, 1)
    words = re.search(r"\[.*\]$", rest)
    if name == "HEALTHCHECK":
        rest = rest[rest.index("CMD ") + 4:]
    print(name, shlex.join(json.loads(words.group())) if words else rest, sep="\t")
END
)
variables=(PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/)
as=() command= health= volume=
within() { chroot "$root" /usr/bin/env -i "${variables[@]}" "$@"; }
while IFS=$'\t' read -r name rest; do
    echo "$name $rest"
    case $name in
        FROM) [[ $rest == debian:bookworm* ]] || fail "the base made here is Debian's bookworm, not $rest" ;;
        COPY) cp "$package" "$root${rest##* }" ;;
        RUN) within DEBIAN_FRONTEND=noninteractive sh -c "$rest" > "$dir/log" 2>&1 < /dev/null || fail "$rest" ;;
        ENV) read -ra more <<< "$rest"; variables+=("${more[@]}") ;;
        USER) as=(setpriv --reuid "$rest" --regid "$rest" --init-groups) ;;
        VOLUME) volume=$rest ;;
        EXPOSE) [ "$rest" = 8080 ] || fail "the port is 8080" ;;
        HEALTHCHECK) health=$rest ;;
        CMD) command=$rest ;;
        *) fail "$name is not known here" ;;
    esac
done <<< "$steps"
[ -n "$command" ] && [ -n "$health" ] && [ "${#as[@]}" -gt 0 ] || fail "a command, a health check and a user are wanted"
[ -d "$root$volume" ] || fail "$volume is not in the image"
# The machine's network has other users of 8080 than a container's own.
variables+=("CLEANPLATE_SERVER_LISTEN=0.0.0.0:$port")
health=${health//:8080/:$port}
chroot "$root" /usr/bin/env -i "${variables[@]}" "${as[@]}" sh -c "exec $command" > "$dir/log" 2>&1 &
pid=$!
for _ in $(seq 300); do
    ! within "${as[@]}" sh -c "$health" > /dev/null 2>&1 || break
    kill -0 $pid 2>/dev/null || fail "the daemon ended"
    sleep 0.2
done
within "${as[@]}" sh -c "$health" || fail "never healthy"
key=$(grep -oE 'sk-live-[A-Za-z0-9]{38}' "$dir/log" | head -1)
[ -n "$key" ] || fail "no key in the log of the first start"
curl -sf "http://127.0.0.1:$port/healthz" | grep -o '"device":{[^}]*}'
curl -sf -H "Authorization: Bearer $key" -H 'Accept: image/*' -F image=@benches/photos/boat.png -F mask=@benches/photos/boat_mask.png \
    -o "$dir/out.png" "http://127.0.0.1:$port/v1/services/object-removal" || fail "no removal"
[ "$(awk '/^Uid:/ { print $2 }' "/proc/$pid/status")" != 0 ] || fail "the daemon runs as root"
kill $pid && wait $pid || fail "the daemon ended badly"
pid=
printf 'removed by the container: %s bytes\nall steps done\n' "$(stat -c %s "$dir/out.png")"
