#!/bin/sh
# A deep belief network of 784-500-500 units fine-tuned to classify MNIST, next to the same classifier from random weights: test
# errors of N seeds. Published: 1.2 % of a network that is pretrained, 1.6 % of one that is not. The last results stand in
# models/README.md.
#
# usage: DGM_DATA=DIR finetune.sh DGM [N]     DIR holds mnist/; N: 3
[ -x "$1" ] && [ -d "$DGM_DATA" ] || { echo "usage: DGM_DATA=DIR finetune.sh DGM [N]" >&2; exit 2; }
dgm=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
n=${2:-3}
cd "$(dirname "$0")" || exit 1
out=$(mktemp -d) || exit 1
trap 'rm -rf "$out"' EXIT
"$dgm" --version
seed=1
while [ "$seed" -le "$n" ]; do
	"$dgm" run finetune.dgm --threads 1 --quiet --seed "$seed" --out "$out" >/dev/null || exit 1
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
