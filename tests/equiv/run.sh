#!/bin/sh
# Two ways of writing one model. The files of a folder NAME/ all say the same model; the first is the
# reference. What a folder's file `how` asks for must agree:
#   model      what is derived (dgm emit --stage=model): each field and free energy, word for word
#   figures    its figures after a training without random numbers of its own, to 1e-4 relative
#   parameters the parameters after such a training, to 1e-4 relative
# Call: run.sh DGM.
dgm=$1
[ -x "$dgm" ] || { echo "usage: run.sh DGM"; exit 2; }
cd "$(dirname "$0")" || exit 2
tmp=$(mktemp -d) || exit 2
trap 'rm -rf "$tmp"' EXIT
n=0 failed=0
fail() {
	printf '%s\n' "$*"
	failed=$((failed + 1))
}
figures() { # FILE: the values of its figures
	"$dgm" run "$1" --quiet --out "$tmp/out" >"$tmp/log" 2>&1 || { cat "$tmp/log"; return 1; }
	[ -e "$tmp/out/results.jsonl" ] || return 0
	sed -n 's/.*"figure": "\([-a-z_]*\)[^"]*", "value": \([-0-9.e+]*\),.*/\1 \2/p' "$tmp/out/results.jsonl"
}
parameters() { # FILE: their values, a line each, behind the header of m.safetensors
	figures "$1" || return 1
	length=$(od -An -td8 -N8 "$tmp/out/m.safetensors")
	od -An -v -tf4 -w4 -j$((length + 8)) "$tmp/out/m.safetensors" | sed 's/^/parameter/'
}
for how in */how; do
	dir=${how%/how}
	reference=
	for file in "$dir"/*.dgm; do
		n=$((n + 1))
		case $(cat "$how") in
		model) "$dgm" emit --stage=model "$file" >"$tmp/got" 2>&1 || fail "$file: $(cat "$tmp/got")" ;;
		figures | parameters) $(cat "$how") "$file" >"$tmp/got" || fail "$file failed: $(cat "$tmp/got")" ;;
		esac
		case $(cat "$how") in
		model) grep -E '^ *(field|free energy)' "$tmp/got" >"$tmp/plain" ;;
		*) cp "$tmp/got" "$tmp/plain" ;;
		esac
		if [ -z "$reference" ]; then
			reference=$file
			cp "$tmp/plain" "$tmp/reference"
			[ -s "$tmp/plain" ] || fail "$file: nothing to compare"
		elif [ "$(cat "$how")" = model ]; then
			diff -u "$tmp/reference" "$tmp/plain" || fail "$file differs from $reference"
		else
			paste -d ' ' "$tmp/reference" "$tmp/plain" | awk '
				{ d = $2 - $4; s = $2 < 0 ? -$2 : $2; if (NF != 4 || $1 != $3 || d > 1e-4*s || d < -1e-4*s) bad = 1 }
				END { exit bad || NR == 0 }' ||
				fail "$file: $(cat "$tmp/plain"); $reference: $(cat "$tmp/reference")"
		fi
	done
done
echo "$n files, $failed failures"
[ "$failed" -eq 0 ]
