#!/bin/sh
# examples/train as a program: what it prints and draws, the same again for the same seed, and how it
# answers what is wrong. Usage: train_program_test.sh TRAIN TEXT
set -eu
train=$1
text=$2
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT

fail() {
  echo "FAILED: $1" >&2
  exit 1
}

# wrong STATUS WORD ARGUMENT...: refused with that status and a line on stderr that has the word.
wrong() {
  wanted=$1 word=$2
  shift 2
  status=0
  "$train" "$@" >"$room/out" 2>"$room/error" || status=$?
  [ "$status" -eq "$wanted" ] || fail "$*: status $status"
  grep -q -- "$word" "$room/error" || fail "$*: $(cat "$room/error")"
}

"$train" --text="$text" --steps=12 --batch=2 --curve="$room/curve.svg" >"$room/out"
grep -q '^step  *11  loss [0-9.]*$' "$room/out" || fail "no last step"
grep -q 'steps per second' "$room/out" || fail "no speed"
[ "$(grep -c "<path class='mean'" "$room/curve.svg")" -eq 1 ] || fail "no curve"
tail -n 1 "$room/curve.svg" | grep -q '</svg>' || fail "the picture has no end"

for run in 1 2; do
  "$train" --text="$text" --steps=5 --batch=2 --seed=7 --losses --device=cpu >"$room/losses.$run"
done
cmp "$room/losses.1" "$room/losses.2" || fail "the same seed gives other losses"
[ "$(wc -l <"$room/losses.1")" -eq 5 ] || fail "not a line for each loss"

wrong 2 steps --steps=0
wrong 2 rate --rate=much
wrong 2 seed --seed=-1
wrong 2 optimizer --optimizer=best
wrong 2 "what is" more
wrong 1 nowhere --text="$room/nowhere"
wrong 1 characters --text=/dev/null
wrong 1 none/curve --text="$text" --steps=1 --batch=1 --curve="$room/none/curve.svg"
