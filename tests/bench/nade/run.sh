#!/bin/sh
# NADE's loss and gradient at 196 to 1568 inputs: run.sh BUILD [THREADS [DENSITY]]
set -e
cmake --build "$1" --target bench_nade >&2
exec "$1/tests/bench_nade" "${2:-1}" "${3:-0.13}"
