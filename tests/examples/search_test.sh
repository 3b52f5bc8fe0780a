#!/bin/sh
# The search example from the outside: its answers, its messages and its exit codes.
# Usage: search_test.sh PROGRAM
set -eu
search=$1
room=$(mktemp -d)
trap 'chmod -R u+rwx "$room"; rm -rf "$room"' EXIT
failures=0

fail() {
  echo "FAILED: $1" >&2
  sed 's/^/  | /' "$room/out" "$room/err" >&2
  failures=$((failures + 1))
}

# run NAME CODE ARGUMENT...: runs the program and checks its exit code.
run() {
  name=$1
  wanted=$2
  shift 2
  code=0
  "$search" "$@" >"$room/out" 2>"$room/err" </dev/null || code=$?
  [ "$code" -eq "$wanted" ] || fail "$name: exit code $code, not $wanted"
}

prints() { grep -qF -- "$1" "$room/out" || fail "$name: stdout lacks '$1'"; }
says() { grep -qF -- "$1" "$room/err" || fail "$name: stderr lacks '$1'"; }

mkdir -p "$room/text/below" "$room/empty" "$room/mixed"
printf 'The cat sat on the mat.\n\n\nRain falls mainly\nin the plain.\n' >"$room/text/one"
printf -- '-----\n\nShips sail over the harbour bar.\n' >"$room/text/below/two"
printf 'Not read twice: a link to rain.\n' >"$room/text/.hidden"
ln -s one "$room/text/link"
printf 'A lonely lighthouse.\n' >"$room/mixed/good"
printf 'one\0two\n' >"$room/mixed/image"
: >"$room/mixed/nothing"

# Answers, with file and line.
run 'a word' 0 --ask 'lighthouse' "$room/mixed/good"
prints "$room/mixed/good:1"
run 'the fourth line' 0 -k 1 -a 'rainfall in plains' "$room/text"
prints "$room/text/one:4"
prints 'Rain falls mainly in the plain.'
run 'a folder below' 0 -k 1 --ask 'HARBOUR ship!' "$room/text"
prints "$room/text/below/two:3"
run 'two paths' 0 -k 1 --ask 'lighthouse' "$room/text" "$room/mixed/good"
prints "$room/mixed/good:1"
run 'more hits than paragraphs' 0 -k 20 --ask 'the' "$room/text"
run 'nothing in common' 0 --ask 'qqq zzz' "$room/text"
prints 'No paragraph'
run 'a short question' 0 --ask 'a' "$room/text"

# What cannot be used: named, the rest searched, exit code 1.
run 'a binary file beside text' 1 --ask 'lighthouse' "$room/mixed"
says "$room/mixed/image: binary"
prints "$room/mixed/good:1"
run 'a binary file alone' 1 --ask 'x' "$room/mixed/image"
says 'no text to search'
run 'a file that fails to be read' 1 --ask 'cat' /proc/self/mem "$room/text"
says '/proc/self/mem'
prints "$room/text/one:1"
run 'an empty folder' 1 --ask 'x' "$room/empty"
says 'no text to search'
run 'an empty folder, demonstration' 1 "$room/empty"
run 'an empty file' 1 --ask 'x' "$room/mixed/nothing"
run 'a missing folder' 1 --ask 'x' "$room/nowhere"
says "$room/nowhere: No such file or directory"
run 'a device' 1 --ask 'x' /dev/null
says 'neither a file nor a folder'
if [ "$(id -u)" -ne 0 ]; then # root may read everything
  printf 'secret\n' >"$room/mixed/locked"
  chmod 000 "$room/mixed/locked"
  run 'an unreadable file' 1 --ask 'lighthouse' "$room/mixed"
  says "$room/mixed/locked: Permission denied"
  prints "$room/mixed/good:1"
fi

# Usage.
run 'help' 0 --help
prints 'Usage: search'
for wrong in --nonsense --threads=0 --threads=12x --at-once=-1 --top=21 --ask=; do
  run "$wrong" 2 "$wrong" "$room/text"
done

# The demonstration, small: every answer equal, no stream left.
run 'one thread at a time' 0 --threads 20 --at-once 1 "$room/text"
prints '20 of 20'
run 'a crowd' 0 --threads 300 --at-once 16 "$room/text"
prints '300 of 300'
grep -q '^live streams  *\([0-9]*\)  *[0-9]*  *\1$' "$room/out" || fail 'a crowd: streams left over'
if [ -s "$room/err" ]; then fail 'a crowd: something on stderr'; fi # no progress bar off a terminal

[ "$failures" -eq 0 ]
