#!/bin/sh
# A deep Boltzmann machine 784-500-1000 made into a classifier of MNIST, next to the same network from random weights: test errors of
# N seeds of the fine-tuning. Published: 0.95 % of a network that is pretrained, 1.6 % of one that is not. The last results stand in
# models/README.md.
#
# usage: DGM_DATA=DIR dbm_classify.sh DGM [N [PARAMS [OPTION...]]]     DIR holds mnist/; N: 3; PARAMS: the machine, a safetensors file,
#                                                                      else dbm_short.dgm is trained; options go to dgm run
[ -x "$1" ] && [ -d "$DGM_DATA" ] || { echo "usage: DGM_DATA=DIR dbm_classify.sh DGM [N [PARAMS [OPTION...]]]" >&2; exit 2; }
dgm=$(realpath "$1")
n=${2:-3}
params=${3:+$(realpath "$3")}
[ $# -gt 3 ] && shift 3 || shift $#
cd "$(dirname "$0")" || exit 1
out=$(mktemp -d) || exit 1
trap 'rm -rf "$out"' EXIT
"$dgm" --version
if [ -z "$params" ]; then
	"$dgm" run dbm_short.dgm --threads 1 --quiet --out "$out/dbm" >/dev/null || exit 1
	params=$out/dbm/dbm.safetensors
fi
seed=1
while [ "$seed" -le "$n" ]; do
	"$dgm" run dbm_classify.dgm --params dbm="$params" --threads 1 --quiet --seed "$seed" --out "$out" "$@" >/dev/null || exit 1
	sed -n 's/.*"model": "\([a-z]*\)", "figure": "error", "value": \([-0-9.e+]*\),.*/\1 \2/p' "$out/results.jsonl"
	seed=$((seed + 1))
done | awk '{
	sum[$1] += $2; square[$1] += $2*$2; n[$1]++
	printf "seed %d, %s: %.2f %%\n", n[$1], $1, 100*$2
	fflush()
} END {
	for (m in n) {
		mean = sum[m]/n[m]
		deviation = n[m] < 2 ? 0 : sqrt((square[m] - n[m]*mean*mean)/(n[m] - 1))
		printf "%s: %.2f %%, standard deviation %.2f of %d seeds\n", m, 100*mean, 100*deviation, n[m]
	}
}'
