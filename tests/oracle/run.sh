#!/bin/sh
# Every model here and of models/ at small sizes against brute force: dgm verify.  Call: run.sh DGM.
dgm=$1
[ -x "$dgm" ] || { echo "usage: run.sh DGM"; exit 2; }
cd "$(dirname "$0")" || exit 2
tmp=$(mktemp) || exit 2
trap 'rm -f "$tmp"' EXIT
# What neither brute force nor differences can check (rows compared with one another, energies that read states, large nets) has to say so.
unchecked=" conv_vae dcgan gmmn rnn_rbm "
n=0 failed=0
for file in *.dgm domains/*.dgm ../../models/*.dgm; do
	n=$((n + 1))
	name=$(basename "$file" .dgm)
	if [ "${unchecked#* "$name" }" != "$unchecked" ]; then
		if "$dgm" verify "$file" >"$tmp" 2>&1 || ! grep -q " 0 quantities checked, 0 wrong" "$tmp"; then
			failed=$((failed + 1))
			echo "$file: expected: 0 quantities checked"
			cat "$tmp"
		fi
	elif ! "$dgm" verify "$file" >"$tmp" 2>&1 || grep -qE "^  (sums over all|a draw)" "$tmp"; then
		failed=$((failed + 1))
		echo "$file:"
		cat "$tmp"
	fi
done
for file in wrong/*.dgm; do # what is wrong in the file itself is found
	n=$((n + 1))
	if "$dgm" verify "$file" >"$tmp" 2>&1 || ! grep -q "sums to 1 .* WRONG" "$tmp"; then
		failed=$((failed + 1))
		echo "$file: expected: a sum that is WRONG"
		cat "$tmp"
	fi
done
echo "$n files, $failed failures"
[ "$failed" -eq 0 ]
