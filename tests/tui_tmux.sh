#!/usr/bin/env bash
# Uses the terminal dashboard as an administrator would, in tmux, against a real daemon, and checks after each step what the
# interfaces answer: make an account and a key, top up, run a job and watch it appear, look at it, revoke the
# key, read the audit table, import a model, stop and start the daemon under the open dashboard, suspend and end the dashboard.
#
#   tests/tui_tmux.sh [FOLDER]      FOLDER: where the screens of each step are kept (default: nowhere)
#
# Needs tmux, curl, python3 and the release binaries (built here when they are missing). CLEANPLATE and CLEANPLATE_TUI name others.
set -euo pipefail
cd "$(dirname "$0")/.."
for tool in tmux curl python3; do command -v "$tool" >/dev/null || { echo "tui_tmux: $tool is not installed (apt-get install -y $tool)" >&2; exit 2; }; done
daemon=${CLEANPLATE:-target/release/cleanplate}
tui=${CLEANPLATE_TUI:-target/release/cleanplate-tui}
# The daemon refuses variables of its prefix that are no options.
export -n CLEANPLATE CLEANPLATE_TUI
[ -x "$daemon" ] && [ -x "$tui" ] || cargo build --release -p cleanplate -p cleanplate-tui
daemon=$(realpath "$daemon"); tui=$(realpath "$tui"); photos=$(realpath benches/photos)
screens=${1:-}; [ -z "$screens" ] || mkdir -p "$screens"

dir=$(mktemp -d)
port=$((20000 + RANDOM % 12000))
base=http://127.0.0.1:$port
pid=
tm() { tmux -L "cleanplate-$$" -f /dev/null "$@"; }
cleanup() {
    tm kill-server 2>/dev/null || true
    [ -z "$pid" ] || kill "$pid" 2>/dev/null || true
    rm -rf "$dir"
}
trap cleanup EXIT

fail() { echo "tui_tmux: FAILED: $*" >&2; tm capture-pane -p -t t >&2 || true; tail -5 "$dir/serve.log" >&2 || true; exit 1; }
step() { echo "ok  $*"; }
admin() { curl -sS --unix-socket "$dir/data/admin.sock" "http://admin/admin/v1$1"; }
# One value of the JSON that `admin PATH` answers: a Python expression over `x`.
value() { admin "$1" | python3 -c "import json, sys; x = json.load(sys.stdin); print($2)"; }
keys() { local one; for one in "$@"; do tm send-keys -t t "$one"; sleep 0.15; done; }
type_text() { tm send-keys -t t -l "$1"; sleep 0.15; }
# Waits until the screen shows a pattern, at most 20 s.
sees() {
    for _ in $(seq 200); do
        tm capture-pane -p -t t | grep -qE -- "$1" && return 0
        sleep 0.1
    done
    fail "the screen never showed: $1"
}
# Waits until a value of the admin interface is what is wanted, at most 20 s.
becomes() {
    for _ in $(seq 100); do
        [ "$(value "$1" "$2" 2>/dev/null)" = "$3" ] && return 0
        sleep 0.2
    done
    fail "$1: $2 is $(value "$1" "$2"), not $3"
}
keep() { [ -z "$screens" ] || tm capture-pane -e -p -t t > "$screens/$1.ansi"; }
start_daemon() {
    "$daemon" serve --data "$dir/data" --listen "127.0.0.1:$port" >> "$dir/serve.log" 2>&1 &
    pid=$!
    for _ in $(seq 300); do
        curl -sf "$base/readyz" >/dev/null 2>&1 && [ -S "$dir/data/admin.sock" ] && return 0
        sleep 0.1
    done
    fail "the daemon did not become ready"
}
removal() {
    curl -sS -o "$dir/reply" -w '%{http_code}' -H "Authorization: Bearer $1" -F "image=@$photos/$2.png" -F "mask=@$photos/${2}_mask.png" \
        "$base/v1/services/object-removal"
}

start_daemon
[ "$(stat -c %a "$dir/data/admin.sock")" = 600 ] || fail "the admin socket is open to others"
run_tui() { tm respawn-pane -k -t t "$tui --socket $dir/data/admin.sock --config /dev/null $*; echo ENDED WITH \$?; exec sleep 1000"; }
tm new-session -d -s t -x 120 -y 36 'exec sleep 1000'
# As delivered, tmux takes no clipboard from programs.
tm set -s set-clipboard on
run_tui
sees '● live'
sees 'state +ready'
step "the dashboard is live"

keys 4 c; type_text 'studio'; keys Tab; type_text '3'; keys Enter
becomes '/accounts' '[a["name"] for a in x["items"]][-1]' studio
account=$(value '/accounts' 'x["items"][-1]["id"]')
becomes "/accounts/$account" 'x["available"]' 3
sees 'studio'
step "an account was made with 3 credits"

# The new account is the last row; the key form stands on it after one step to the left, for the choices go round.
keys 3 c Left Tab; type_text 'web shop'; keys Enter
sees 'This is shown once'
key=$(tm capture-pane -p -t t | grep -oE 'sk-live-[A-Za-z0-9]{38}' | head -1)
[ -n "$key" ] || fail "no key on the screen"
keep secret
keys c; sees 'copied to the clipboard'
[ "$(tm show-buffer)" = "$key" ] || fail "the clipboard does not hold the key"
keys Enter
[ "$(value '/keys' '[k["account_id"] for k in x["items"] if k["name"] == "web shop"][0]')" = "$account" ] || fail "the key is of another account"
tm capture-pane -p -t t | grep -qF "$key" && fail "the key is still on the screen"
step "a key was made, shown once, copied"

[ "$(removal "$key" lighthouse)" = 200 ] || fail "the key does not work: $(cat "$dir/reply")"
[ "$(removal "$key" boat)" = 402 ] || fail "3 credits paid for two removals"
step "the key works until the credits are spent"

keys 4 G +; type_text '60'; keys Tab; type_text 'invoice 7'; keys Enter
becomes "/accounts/$account" 'x["available"]' 60
[ "$(value "/accounts/$account/ledger" 'x["items"][0]["note"]')" = 'invoice 7' ] || fail "the note is not in the ledger"
keys Enter; sees 'invoice 7'; keep ledger; keys Escape
step "60 credits were added, with a note in the ledger"

keys 2
job=$(curl -sS -H "Authorization: Bearer $key" -H 'Prefer: respond-async' -F "image=@$photos/boat.png;filename=海の boat.png" \
    -F "mask=@$photos/boat_mask.png" "$base/v1/services/object-removal" | python3 -c 'import json, sys; print(json.load(sys.stdin)["job_id"])')
sees "${job:0:8}"
sees "${job:0:8} completed"
sees '海の boat.png'
keep jobs
becomes "/jobs/$job" 'x["job"]["status"]' completed
becomes "/accounts/$account" 'x["available"]' 57
step "a job appeared, ended, and was charged"

keys g Enter; sees "job $job"; sees 'inpaint'; sees 'after'
# Half blocks fill the space of the pictures once they have come.
sees '▄▄▄▄▄'
keep job
keys Escape
step "its stages and pictures are shown"

keys 3; type_text '/web'; keys Enter; sees 'keys · 1 of'
keys R; sees 'Revoke 1 key'; keys Enter
[ "$(value '/keys' '[k["state"] for k in x["items"] if k["name"] == "web shop"][0]')" = active ] || fail "enter alone revoked the key"
keys R y; sees 'revoked'
becomes '/keys' '[k["state"] for k in x["items"] if k["name"] == "web shop"][0]' revoked
[ "$(removal "$key" boat)" = 401 ] || fail "a revoked key still works"
keep keys
step "the key was revoked, and is refused"

keys D y
becomes '/keys' 'len([k for k in x["items"] if k["name"] == "web shop"])' 0
[ "$(value '/audit' 'len([a for a in x["items"] if a["action"] in ("key.create", "key.revoke", "key.delete", "account.create") and a["actor"].startswith("uid")])')" -ge 3 ] ||
    fail "the audit table lacks actions: $(admin /audit)"
step "the key was deleted; the audit table names who did what"

keys 8; sees 'key.delete'; sees 'account.create'; keep audit
keys 9; sees 'default +default'; keep pipelines
name=$(value /workers 'x["workers"][0]["name"]')
keys w; sees 'workers · 1'; sees "$name +idle +[0-9.]+ m?s"; keys Enter; sees 'the one that answers here'; keep workers; keys Escape
keys 0; sees 'admin.socket'; keys t; sees 'only set'; sees 'server.listen'; keep configuration
echo 'no weights' > "$dir/broken.pt"
keys 6 i; type_text "$dir/broken.pt"; keys Tab C-u; type_text 'broken'; keys Enter
sees 'broken +.*import failed'
keep models
[ "$(value '/audit' 'x["items"][0]["action"] + " " + x["items"][0]["target"]')" = 'model.import model:broken' ] || fail "the import is not in the audit table"
step "audit, pipelines, workers and configuration are shown; an import that fails says so"

keys Escape 1
kill "$pid"; wait "$pid" 2>/dev/null || true
sees 'STALE'
keep stale
start_daemon
sees '● live'
keys 2; sees "${job:0:8} completed"
step "the dashboard outlived a restart of the daemon"

child=$(pgrep -f "cleanplate-tui --socket $dir/data/admin.sock" | tail -1)
kill -TSTP "$child"; sleep 0.5
[ "$(tm display -p -t t '#{alternate_on}')" = 0 ] || fail "stopped with the terminal taken"
kill -CONT "$child"; sleep 0.3
[ "$(tm display -p -t t '#{alternate_on}')" = 1 ] || fail "continued without the terminal"
sees "${job:0:8} completed"
kill -TERM "$child"
sees 'ENDED WITH 1'
[ "$(tm display -p -t t '#{alternate_on}')" = 0 ] || fail "ended with the terminal taken"
step "stopping, continuing and ending give the terminal back"

run_tui --readonly
sees 'read-only'
keys 4 c; sees 'started with --readonly'
keys q; sees 'ENDED WITH 0'
status=0; "$tui" --socket x --theme nosuch 2>/dev/null || status=$?
[ "$status" = 2 ] || fail "a theme that does not exist ends with $status, not 2"
step "read-only refuses changes; quitting ends with 0"
echo "all steps passed"
