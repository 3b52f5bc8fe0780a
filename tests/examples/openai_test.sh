#!/bin/sh
# The server of examples/serve, asked by OpenAI's own client, in a virtual environment made at need.
# Usage: openai_test.sh PROGRAM; exits 77 where the client or the model cannot be had.
set -u
root=$(cd "$(dirname "$0")/../.." && pwd)
venv=$root/build/openai-venv

skip() {
  echo "skipped: OpenAI's client: $1"
  exit 77
}

usable() { "$venv/bin/python" -c 'import openai' 2>/dev/null; }

[ -s "$root/build/models/all-MiniLM-L6-v2/model.safetensors" ] || skip 'no model (tools/setup model)'
if ! usable; then
  python3 -m venv "$venv" >/dev/null 2>&1 || skip 'no python3 with venv'
  "$venv/bin/pip" install -q openai >/dev/null 2>&1 || skip 'pip installs none'
  usable || skip 'it does not load'
fi
exec "$venv/bin/python" "$root/tests/examples/openai_client.py" "$1"
