#!/usr/bin/env bash
# Checks both OpenAPI documents as a running daemon serves them: they are valid, and clients generated from them can use
# the services and the admin interface.
#
#   tests/openapi/run.sh
#
# Needs python3 with venv and the release binary (built here when it is missing). CLEANPLATE names another. The Python packages
# of requirements.txt go into target/openapi-venv.
set -euo pipefail
cd "$(dirname "$0")/../.."
daemon=${CLEANPLATE:-target/release/cleanplate}
# The daemon refuses variables of its prefix that are no options.
export -n CLEANPLATE
[ -x "$daemon" ] || cargo build --release -p cleanplate
here=tests/openapi
venv=${CARGO_TARGET_DIR:-target}/openapi-venv
if ! cmp -s "$here/requirements.txt" "$venv/requirements.txt"; then
    python3 -m venv --clear "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check -r "$here/requirements.txt"
    cp "$here/requirements.txt" "$venv/"
fi

dir=$(mktemp -d)
pid=
cleanup() {
    [ -z "$pid" ] || kill "$pid" 2>/dev/null || true
    rm -rf "$dir"
}
trap cleanup EXIT
fail() { echo "openapi: FAILED: $*" >&2; tail -20 "$dir/serve.log" >&2 || true; exit 1; }

port=$((20000 + RANDOM % 12000))
base=http://127.0.0.1:$port
token=0123456789abcdef0123456789abcdef
printf '[admin]\nlisten = "127.0.0.1:%s"\ntokens = ["test:%s"]\n' $((port + 1)) "$token" > "$dir/daemon.toml"
"$daemon" serve --backend cpu --config "$dir/daemon.toml" --data "$dir/data" --listen "127.0.0.1:$port" > "$dir/serve.log" 2>&1 &
pid=$!
for _ in $(seq 300); do
    kill -0 "$pid" 2>/dev/null || fail "the daemon ended"
    curl -sf "$base/readyz" >/dev/null 2>&1 && break
    sleep 0.1
done
key=$(grep -oE 'sk-live-[A-Za-z0-9]{38}' "$dir/serve.log" | head -1)
[ -n "$key" ] || fail "the first start printed no key"

curl -sf "$base/openapi.json" > "$dir/public.json" || fail "no public document"
curl -sf -H "Authorization: Bearer $token" "http://127.0.0.1:$((port + 1))/admin/v1/openapi.json" > "$dir/admin.json" || fail "no admin document"
for name in public admin; do
    "$venv/bin/python" -m openapi_spec_validator "$dir/$name.json" || fail "the $name document is not valid"
    "$venv/bin/openapi-python-client" generate --config "$here/generator.yml" --path "$dir/$name.json" \
        --meta none --output-path "$dir/${name}_client" > "$dir/$name.log" 2>&1 || { cat "$dir/$name.log" >&2; fail "no client can be generated for the $name interface"; }
    # The data of an event is one of many types, which the generator cannot join; a generated client follows no stream anyway.
    ! grep 'WARNING' "$dir/$name.log" | grep -v '/admin/v1/events' || fail "the generated $name client is not whole"
done
PYTHONPATH=$dir "$venv/bin/python" "$here/use_clients.py" "$base" "$key" "http://127.0.0.1:$((port + 1))" "$token" benches/photos
"$venv/bin/python" clients/python/generate.py "$dir/public.json" | diff clients/python/cleanplate/models.py - ||
    fail "clients/python/cleanplate/models.py is not what clients/python/generate.py makes of the document: run it again"
PYTHONPATH=clients/python "$venv/bin/python" -W error clients/python/test.py "$base" "$key" benches/photos
