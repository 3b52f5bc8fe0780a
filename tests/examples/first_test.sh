#!/bin/sh
# What examples/first.c prints: the product, and the message of the call that must fail.
# Usage: first_test.sh PROGRAM
set -eu
first=$1

printed=$("$first" 2>/dev/null) || { echo "first ended with $?" >&2; exit 1; }
for expected in 'array([[10, 20, 30],' '       [40, 50, 60]], dtype=float32)' 'as expected: '; do
  case $printed in
    *"$expected"*) ;;
    *) printf 'missing: %s\nprinted:\n%s\n' "$expected" "$printed" >&2; exit 1 ;;
  esac
done
