#!/bin/sh
# Every model here and of models/ at small sizes against brute force: dgm verify.  Call: run.sh DGM.
dgm=$1
[ -x "$dgm" ] || { echo "usage: run.sh DGM"; exit 2; }
cd "$(dirname "$0")" || exit 2
tmp=$(mktemp) || exit 2
trap 'rm -f "$tmp"' EXIT
n=0 failed=0
for file in *.dgm domains/*.dgm ../../models/*.dgm; do
	n=$((n + 1))
	if ! "$dgm" verify "$file" >"$tmp" 2>&1 || grep -qE "^  (sums over all|a draw)" "$tmp"; then
		failed=$((failed + 1))
		echo "$file:"
		cat "$tmp"
	fi
done
echo "$n files, $failed failures"
[ "$failed" -eq 0 ]
