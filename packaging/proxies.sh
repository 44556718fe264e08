#!/usr/bin/env bash
# Does what docs/OPERATING.md says of units, proxies and alerts: systemd's own check of the units, the daemon used through the
# document's nginx and Caddy configurations, Prometheus' own check of its rules.
#
#   packaging/proxies.sh
#
# Needs the release binary, nginx, caddy, promtool (Debian: prometheus), openssl, curl, python3.
set -euo pipefail
cd "$(dirname "$0")/.."
bin=$(realpath "${BIN:-target/release}")
dir=$(mktemp -d)
pids=()
finish() {
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
    wait
    rm -rf "$dir"
}
trap finish EXIT
say() { printf '\n== %s\n' "$*"; }
fail() { echo "proxies: FAILED: $*" >&2; tail -n 20 "$dir"/*.log >&2 || true; exit 1; }
# The blocks of one language in the document, one after the other.
blocks() { awk -v fence="\`\`\`$1" '$0 == fence { inside = 1; next } $0 == "```" { inside = 0 } inside' docs/OPERATING.md; }
port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
until_ok() { for _ in $(seq 150); do "$@" >/dev/null 2>&1 && return; sleep 0.2; done; fail "$*"; }

say "units"
mkdir -p "$dir/units"
sed "s|/usr/local/bin/cleanplate|$bin/cleanplate|; s|exec cleanplate|exec $bin/cleanplate|" config/systemd/cleanplate.service > "$dir/units/cleanplate.service"
cp config/systemd/cleanplate-backup.* "$dir/units/"
said=$(systemd-analyze verify "$dir"/units/* 2>&1 || true)
[ -z "$(grep -F "$dir/units" <<< "$said" || true)" ] || fail "$said"
systemd-analyze security --offline=true --threshold=25 "$dir/units/cleanplate.service" | tail -n 1

say "alerts"
blocks yaml > "$dir/both.yml"
awk '/^groups:/ { rules = 1 } { print > (rules ? "'"$dir"'/rules.yml" : "'"$dir"'/scrape.yml") }' "$dir/both.yml"
promtool check config "$dir/scrape.yml"
promtool check rules "$dir/rules.yml"

daemon=$(port) public=$(port)
cat > "$dir/cleanplate.toml" <<END
[server]
listen = "127.0.0.1:$daemon"
behind_proxy = true
END
"$bin/cleanplate" serve --config "$dir/cleanplate.toml" --data "$dir/data" --backend cpu > "$dir/daemon.log" 2>&1 &
pids+=($!)
until_ok curl -sf "http://127.0.0.1:$daemon/readyz"
key=$(grep -oE 'sk-live-[A-Za-z0-9]{38}' "$dir/daemon.log" | head -1)
# Alerts ask for names that the daemon has.
curl -sf "http://127.0.0.1:$daemon/metrics" > "$dir/metrics.txt"
for name in $(grep -oE '(cleanplate|process)_[a-z_]+' "$dir/rules.yml" | sort -u); do
    grep -q "^$name" "$dir/metrics.txt" || fail "an alert asks for $name, which /metrics has not"
done

# A client's view through a proxy at $1.
use() {
    local at=$1 name=(--resolve "plates.example.com:$public:127.0.0.1" -sk -H "Authorization: Bearer $key")
    until_ok curl "${name[@]}" -f "$at/readyz"
    [ "$(curl "${name[@]}" -o /dev/null -w '%{http_code}' "$at/metrics")" = 403 ] || fail "the world reads /metrics"
    # A refusal comes before the upload.
    head -c 40000000 /dev/zero > "$dir/large"
    curl --resolve "plates.example.com:$public:127.0.0.1" -sk -H 'Authorization: Bearer sk-live-no' -H 'Expect:' --limit-rate 2M -F image=@"$dir/large" -F mask=@benches/photos/boat_mask.png \
        -o "$dir/reply" -w 'refused: %{http_code} after %{size_upload} bytes, %{time_total} s\n' "$at/v1/services/object-removal" | tee "$dir/refused" || true
    grep -q 'refused: 401 ' "$dir/refused" || fail "a wrong key is not refused: $(cat "$dir/refused" "$dir/reply")"
    curl "${name[@]}" -f -F image=@benches/photos/boat.png -F mask=@benches/photos/boat_mask.png -o "$dir/reply" "$at/v1/services/object-removal" \
        || fail "no removal"
    local url
    url=$(grep -oE '"output_url": ?"[^"]*' "$dir/reply" | cut -d'"' -f4)
    [[ $url == "$at"/v1/files/* ]] || fail "the result lies at $url, not below $at"
    curl "${name[@]}" -f -o "$dir/out.png" "$url" && echo "removed through $at: $(stat -c %s "$dir/out.png") bytes"
    # Events come one by one: the stage that runs is told before the job has ended.
    local job
    job=$(curl "${name[@]}" -f -F image=@benches/photos/boat.png -F mask=@benches/photos/boat_mask.png "$at/v1/services/object-removal?async=true" \
        | grep -oE '"job_id": ?"[^"]*' | head -1 | cut -d'"' -f4)
    curl "${name[@]}" -N -m 60 "$at/v1/jobs/$job/events" 2>/dev/null | while IFS= read -r line; do printf '%s %s\n' "$(date +%s.%N)" "$line"; done > "$dir/events"
    python3 - "$dir/events" <<'END' || fail "events came in one piece: $(cat "$dir/events")"
import sys
times = [float(line.split(" ")[0]) for line in open(sys.argv[1]) if " data:" in line]
print(f"{len(times)} events over {times[-1] - times[0]:.2f} s")
sys.exit(len(times) < 3 or times[-1] - times[0] < 0.05)
END
}

say "nginx"
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=plates.example.com -keyout "$dir/privkey.pem" -out "$dir/fullchain.pem" 2>/dev/null
mkdir "$dir/nginx"
{
    printf 'worker_processes 1; daemon off; pid %s/nginx/pid; error_log %s/nginx.log;\nevents {}\nhttp {\naccess_log off;\n' "$dir" "$dir"
    for kind in client_body proxy fastcgi uwsgi scgi; do echo "${kind}_temp_path $dir/nginx/$kind;"; done
    blocks nginx | sed -e "s|listen 443|listen 127.0.0.1:$public|" -e "s|/etc/letsencrypt/live/plates.example.com|$dir|" -e "s|127.0.0.1:8080|127.0.0.1:$daemon|"
    echo '}'
} > "$dir/nginx.conf"
nginx -t -q -e "$dir/nginx.log" -c "$dir/nginx.conf"
nginx -e "$dir/nginx.log" -c "$dir/nginx.conf" &
pids+=($!)
use "https://plates.example.com:$public"
kill "${pids[-1]}" && wait "${pids[-1]}" || true

say "Caddy"
public=$(port)
{
    printf '{\nadmin off\nauto_https disable_redirects\nskip_install_trust\nlocal_certs\nstorage file_system %s/caddy\n}\n' "$dir"
    blocks caddy | sed -e "s|^plates.example.com|https://plates.example.com:$public|" -e "s|127.0.0.1:8080|127.0.0.1:$daemon|"
} > "$dir/Caddyfile"
XDG_DATA_HOME=$dir XDG_CONFIG_HOME=$dir HOME=$dir caddy run --adapter caddyfile --config "$dir/Caddyfile" > "$dir/caddy.log" 2>&1 &
pids+=($!)
use "https://plates.example.com:$public"
printf '\nall steps done\n'
