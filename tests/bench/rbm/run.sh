#!/bin/sh
# One CD-1 and one SML update of a binary RBM, 784-500, batch 100: dgm, its peers and the machine's limit,
# measured in turns in the same run.  Prints a table; the JSON lines behind it go to $OUT.
#
# usage: run.sh [DGM]          DGM: the tool; without it, the peers alone
# environment: ROUNDS (5), UPDATES (60) a round, THREADS ("1 2"), OUT (./rbm.jsonl)
cd "$(dirname "$0")" || exit 1
DGM=$1
ROUNDS=${ROUNDS:-5} UPDATES=${UPDATES:-60} THREADS=${THREADS:-"1 2"} OUT=${OUT:-$PWD/rbm.jsonl}
PYTHON=/usr/bin/python3

need="python3-numpy python3-torch python3-sklearn libopenblas0-openmp libopenblas0-pthread dataset-fashion-mnist gcc"
missing=
for package in $need; do
	dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q "ok installed" || missing="$missing $package"
done
if [ -n "$missing" ]; then
	if [ "$(id -u)" -ne 0 ]; then
		echo "run.sh: the peers are missing; as root: apt-get install$missing" >&2
		exit 77
	fi
	apt-get install -y --no-install-recommends $missing >&2 || exit 77
fi

# Kernels for an older CPU, or a second pool of threads, would halve the speed of whoever reads these.
unset OPENBLAS_CORETYPE OPENBLAS_L2_SIZE OPENBLAS_NUM_THREADS OMP_NUM_THREADS GOTO_NUM_THREADS MKL_NUM_THREADS
grep -q avx512f /proc/cpuinfo && avx512="ATEN_CPU_CAPABILITY=avx512"

work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
gcc -O3 -march=native -mprefer-vector-width=512 peak.c -o "$work/peak" -lpthread || exit 1
: >"$OUT" || exit 1

# Pages that malloc returns and takes back cost torch a third of its time.
peer() { # NAME THREADS
	openmp=
	[ "$1" = torch ] && openmp=$(dirname /usr/lib/*/openblas-openmp/libopenblas.so.0)
	env LD_LIBRARY_PATH="$openmp" OPENBLAS_NUM_THREADS="$2" OMP_NUM_THREADS="$2" $avx512 \
		MALLOC_MMAP_THRESHOLD_=1073741824 MALLOC_TRIM_THRESHOLD_=8589934592 MALLOC_TOP_PAD_=268435456 \
		$PYTHON peers.py "$1" --threads "$2" --updates "$UPDATES" >>"$OUT"
}

# dgm run FILE --threads N --time prints "update_ms MEDIAN".
dgm() { # OBJECTIVE THREADS
	[ -n "$DGM" ] && [ -f "$1.dgm" ] || return 0
	"$DGM" run "$1.dgm" --threads "$2" --time --quiet --out "$work/dgm.out" 2>&1 | awk -v objective="$1" -v threads="$2" '$1 == "update_ms" {
		printf "{\"peer\": \"dgm\", \"objective\": \"%s\", \"threads\": %d, \"ms\": %s}\n", objective, threads, $2 }' >>"$OUT"
}

round=0
while [ "$round" -lt "$ROUNDS" ]; do
	for threads in $THREADS; do
		"$work/peak" "$threads" >>"$OUT"
		for objective in cd sml; do
			dgm $objective "$threads"
		done
		for name in numpy torch sklearn; do
			peer $name "$threads"
		done
	done
	round=$((round + 1))
done
$PYTHON table.py "$OUT"
