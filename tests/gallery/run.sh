#!/bin/sh
# Each model of models/ on its data, where they are: a line of the table `models` each, trained for a little while
# and as it begins.  Call: run.sh DGM.
dgm=$1
[ -x "$dgm" ] || { echo "usage: run.sh DGM"; exit 2; }
cd "$(dirname "$0")" || exit 2
models=../../models
tmp=$(mktemp -d) || exit 2
trap 'rm -rf "$tmp"' EXIT
failed=0
fail() {
	printf '%s\n' "$*"
	failed=$((failed + 1))
}
value() { # FIGURE: its last value in results.jsonl
	sed -n "s/.*\"figure\": \"$1\", \"value\": \([-0-9.e+]*\),.*/\1/p" "$tmp/$name/results.jsonl" | tail -n 1
}
for file in $models/*.dgm; do
	name=$(basename "$file" .dgm)
	grep -q "^$name " models || fail "$file is not in tests/gallery/models"
done
while read -r name figure sign bound overrides; do
	case $name in '#'*) continue ;; esac
	for rate in '' 1e-12; do # as it is trained, then as it begins
		set --
		for word in $overrides ${rate:+epochs=1 optimizer=sgd(rate=$rate)}; do set -- "$@" --set "$word"; done
		"$dgm" run "$models/$name.dgm" --threads 1 --quiet --out "$tmp/$name" "$@" >"$tmp/log" 2>&1 || {
			grep -q 'no such file' "$tmp/log" && echo "$name: its data are not here: not trained" ||
				{ fail "$name failed:" && cat "$tmp/log"; }
			continue 2
		}
		got=$(value "$figure")
		awk -v x="$got" -v b="$bound" -v s="$sign" -v first="$rate" 'BEGIN {
			exit x == "" || (s == ">" ? x > b : x < b) == (first != "") }' ||
			fail "$name: its ${figure%.*} is $got ${rate:+before it is trained}, for a bound of $sign $bound"
		echo "$name${rate:+, untrained}: $got"
	done
done <models

echo "$failed failures"
[ "$failed" -eq 0 ]
