#!/bin/sh
# Bad files. Each NAME.dgm begins with lines that say what must happen:
#   # expect: TEXT      a part of standard error (any number of them)
#   # call: RUN ARGS    the call, FILE put behind its first word (default: check); TMP in it is a scratch folder
#   # args: ARGS        arguments added to the call
#   # exit: N           the exit status (default 1)
# NAME.txt, where there is one, is all of standard error. A folder of generated data files is DGM_DATA.
# Call: run.sh DGM.  UPDATE=1 rewrites the .txt files that are there.
dgm=$1
[ -x "$dgm" ] || { echo "usage: run.sh DGM"; exit 2; }
cd "$(dirname "$0")" || exit 2
tmp=$(mktemp -d) || exit 2
trap 'rm -rf "$tmp"' EXIT
sh ./data.sh "$tmp/data" || exit 2
export DGM_DATA="$tmp/data"
n=0 failed=0
fail() { # NAME WHAT
	echo "$1: $2"
	sed 's/^/    /' "$tmp/err"
	failed=$((failed + 1))
}
field() { # FILE NAME
	sed -n "s/^# $2: *//p" "$1" | sed "s|TMP|$tmp|g"
}

for file in *.dgm; do
	name=${file%.dgm}
	n=$((n + 1))
	call=$(field "$file" call)
	call=${call:-check}
	more="$(field "$file" args)"
	status=$(field "$file" exit)
	first=${call%% *} rest=
	[ "$first" = "$call" ] || rest=${call#* }
	case "$first $rest" in
	*--out*) ;;
	run* | eval* | sample*) rest="$rest --quiet --out $tmp/out/$name" ;;
	esac
	# Arguments are words without blanks.
	# shellcheck disable=SC2086
	"$dgm" $first "$file" $rest $more >"$tmp/out.txt" 2>"$tmp/err"
	got=$?
	[ "$got" -lt 126 ] || fail "$file" "crashed with status $got"
	[ "$got" -eq "${status:-1}" ] || fail "$file" "status $got, expected ${status:-1}"
	twice=$(grep -E '^[^ ]+:[0-9]+:[0-9]+: (error|warning): ' "$tmp/err" | sort | uniq -d)
	[ -z "$twice" ] || fail "$file" "says twice: $twice"
	field "$file" expect >"$tmp/expect"
	[ -s "$tmp/expect" ] || [ -e "$name.txt" ] || fail "$file" "expects nothing"
	while IFS= read -r text; do
		grep -qF -e "$text" "$tmp/err" || fail "$file" "expected: $text"
	done <"$tmp/expect"
	if [ -e "$name.txt" ]; then
		sed "s|$tmp|TMP|g" "$tmp/err" >"$tmp/golden"
		if [ -n "$UPDATE" ]; then
			cp "$tmp/golden" "$name.txt"
		else
			diff -u "$name.txt" "$tmp/golden" || fail "$file" "differs from $name.txt"
		fi
	fi
done

# A call that fails in mid-training loses nothing: the last good checkpoint is there.
[ -s "$tmp/out/run_diverges/checkpoint.safetensors" ] || fail run_diverges.dgm "left no checkpoint"
# What is refused for its data is refused before anything is trained.
for name in ready_evaluate ready_inspect ready_later ready_drawn ready_rows labels_count; do
	[ ! -e "$tmp/out/$name" ] || fail "$name.dgm" "was run"
done
echo "$n files, $failed failures"
[ "$failed" -eq 0 ]
