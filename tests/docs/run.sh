#!/bin/sh
# The examples of the language reference and of README.md: every block marked `dgm` is a whole file that
# dgm check takes, and its canonical layout too; what is derived from its models is explained, and its
# blocks compile to plans.  Call: run.sh DGM.
dgm=$1
[ -x "$dgm" ] || { echo "usage: run.sh DGM"; exit 2; }
cd "$(dirname "$0")/../.." || exit 2
tmp=$(mktemp -d) || exit 2
trap 'rm -rf "$tmp"' EXIT
failed=0
for text in grammar/LANGUAGE.md README.md; do
	awk -v out="$tmp/$(basename "$text" .md)" '
		/^```dgm$/ { open = 1; file = sprintf("%s-%d.dgm", out, NR); next }
		/^```/ { open = 0 }
		open { print >file }' "$text"
done
n=0
for file in "$tmp"/*.dgm; do
	n=$((n + 1))
	if ! { "$dgm" check "$file" && "$dgm" explain "$file" && "$dgm" emit --stage=plan "$file"; } >"$tmp/log" 2>&1; then
		failed=$((failed + 1))
		echo "the block behind line $(echo "$file" | sed 's/.*-\([0-9]*\)\.dgm/\1/') of $(basename "$file" | sed 's/-.*/.md/'):"
		cat "$tmp/log"
	fi
	"$dgm" fmt "$file" >"$tmp/fmt" 2>&1 && "$dgm" check "$tmp/fmt" >/dev/null 2>&1 || failed=$((failed + 1))
done
echo "$n files, $failed failures"
[ "$n" -gt 0 ] && [ "$failed" -eq 0 ]
