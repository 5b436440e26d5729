#!/bin/sh
# Does the bracket of AIS and RAISE hold the exact log Z? Machines with 20 hidden units on MNIST, one a seed, 1 to N. A line a
# seed: AIS and RAISE with their standard errors, the exact value between. The bracket is from AIS less 2 standard errors
# to RAISE with 2 more; beside it, what it would be without them. The last results stand in models/README.md.
#
# usage: DGM_DATA=DIR run.sh DGM [N]     DIR holds binarized_mnist/; N: 20
[ -x "$1" ] && [ -d "$DGM_DATA" ] || { echo "usage: DGM_DATA=DIR run.sh DGM [N]" >&2; exit 2; }
dgm=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
n=${2:-20}
cd "$(dirname "$0")" || exit 1
out=$(mktemp -d) || exit 1
trap 'rm -rf "$out"' EXIT
"$dgm" --version
seed=1
while [ "$seed" -le "$n" ]; do
	DGM_DATA=$DGM_DATA:$out "$dgm" run rbm20.dgm --threads 1 --quiet --seed "$seed" --out "$out" >/dev/null || exit 1
	sed -n 's/.*"log_z": \([-0-9.e+]*\),* *\("log_z_stderr": \([-0-9.e+]*\)\)*.*/\1 \3/p' "$out/results.jsonl" |
		tr '\n' ' ' | awk -v seed="$seed" '{ print seed, $2, $3, $1, $4, $5 }'
	seed=$((seed + 1))
done | awk '{
	held = $2 - 2*$3 <= $4 && $4 <= $5 + 2*$6
	bare = $2 <= $4 && $4 <= $5
	printf "seed %2d: AIS %.3f +- %.3f, exact %.3f, RAISE %.3f +- %.3f%s%s\n", $1, $2, $3, $4, $5, $6,
		held ? "" : ", OUTSIDE", bare ? "" : " (outside without the errors)"
	fflush()
	in_it += held; in_bare += bare; width += $5 + 2*$6 - $2 + 2*$3
} END {
	printf "%d of %d in the bracket, %.2f nats wide on average; %d without the errors\n", in_it, NR, width/NR, in_bare
	exit NR == 0 || in_it < 0.95*NR
}'
