#!/bin/sh
# NADE's loss and gradient at 196 to 1568 inputs, and PyTorch's by autograd at 784: run.sh BUILD [THREADS [DENSITY]]
# PYTHON: an interpreter that has torch (python3).
set -e
cmake --build "$1" --target bench_nade >&2
unset OPENBLAS_CORETYPE OPENBLAS_L2_SIZE
"$1/tests/bench_nade" "${2:-1}" "${3:-0.13}"
MALLOC_MMAP_THRESHOLD_=1073741824 MALLOC_TRIM_THRESHOLD_=8589934592 MALLOC_TOP_PAD_=268435456 \
	"${PYTHON:-python3}" "$(dirname "$0")/peer.py" "${2:-1}" "${3:-0.13}"
