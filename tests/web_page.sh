#!/usr/bin/env bash
# The web page's modules: each parses, and the tests beside them (*.test.js) pass. Needs node 18 or newer and no package.
set -euo pipefail
cd "$(dirname "$0")/.."

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
# Browsers take every script of the page for a module. node has to be told, by a file that has no place among the page's own.
cp daemon/src/http/web_page/*.js "$dir"
echo '{ "type": "module" }' > "$dir/package.json"
cd "$dir"
for file in *.js; do
    node --check "$file"
done
tests=(*.test.js)
[ -e "${tests[0]}" ] || { echo "web page: no *.test.js found" >&2; exit 1; }
node --test "${tests[@]}"
