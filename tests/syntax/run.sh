#!/bin/sh
# Golden files of the syntax layer: NAME.dgm must print the tree NAME.ast (dgm emit --stage=ast) and
# the canonical text NAME.fmt (dgm fmt), and formatting that text again must change nothing.
# Call: run.sh DGM.  UPDATE=1 rewrites the golden files.
dgm=$1
[ -x "$dgm" ] || { echo "usage: run.sh DGM"; exit 2; }
cd "$(dirname "$0")" || exit 2
tmp=$(mktemp -d) || exit 2
trap 'rm -rf "$tmp"' EXIT
failed=0

check() { # GOLDEN GOT
	if [ -n "$UPDATE" ]; then
		cp "$2" "$1"
	elif ! diff -u "$1" "$2"; then
		failed=$((failed + 1))
	fi
}

n=0
for file in *.dgm; do
	name=${file%.dgm}
	n=$((n + 1))
	"$dgm" emit --stage=ast "$file" >"$tmp/ast" 2>&1
	check "$name.ast" "$tmp/ast"
	"$dgm" fmt "$file" >"$tmp/fmt.dgm" 2>&1
	check "$name.fmt" "$tmp/fmt.dgm"
	"$dgm" fmt "$tmp/fmt.dgm" >"$tmp/again" 2>&1
	diff -u "$tmp/fmt.dgm" "$tmp/again" || failed=$((failed + 1))
	"$dgm" emit --stage=ast "$tmp/fmt.dgm" >"$tmp/ast2" 2>&1
	diff -u "$tmp/ast" "$tmp/ast2" || failed=$((failed + 1))
done
echo "$n files, $failed failures"
[ "$failed" -eq 0 ]
