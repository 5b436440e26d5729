#!/bin/sh
# Every stage behind the parser as text: NAME.STAGE beside NAME.dgm is what `dgm emit --stage=STAGE` prints
# (NAME.explain: what `dgm explain` prints).  UPDATE=1 rewrites.  Call: run.sh DGM.
dgm=$1
[ -x "$dgm" ] || { echo "usage: run.sh DGM"; exit 2; }
cd "$(dirname "$0")" || exit 2
tmp=$(mktemp) || exit 2
trap 'rm -f "$tmp"' EXIT
files=0 failed=0
for source in *.dgm; do
	for golden in "${source%.dgm}".*; do
		stage=${golden##*.}
		case $stage in
		dgm) continue ;;
		explain) set -- explain ;;
		*) set -- emit "--stage=$stage" ;;
		esac
		files=$((files + 1))
		if ! "$dgm" "$@" "$source" >"$tmp" 2>&1; then
			echo "$golden: dgm $* $source failed" && cat "$tmp"
			failed=$((failed + 1))
		elif [ -n "$UPDATE" ]; then
			cp "$tmp" "$golden"
		elif ! diff -u "$golden" "$tmp"; then
			failed=$((failed + 1))
		fi
	done
done
echo "$files golden files, $failed failures"
[ "$failed" -eq 0 ]
