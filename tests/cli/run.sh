#!/bin/sh
# The command line: help and version in all their forms, a standard output that takes nothing, and
# log Z by annealing that rests on few chains.
# Call: run.sh DGM.
dgm=$1
[ -x "$dgm" ] || { echo "usage: run.sh DGM"; exit 2; }
cd "$(dirname "$0")" || exit 2
tmp=$(mktemp -d) || exit 2
trap 'rm -rf "$tmp"' EXIT
n=0 failed=0
fail() {
	printf '%s\n' "$*"
	cat "$tmp/out" "$tmp/err"
	failed=$((failed + 1))
}
gives() { # STATUS TEXT ARGS: TEXT is a part of standard output (status 0) or standard error
	status=$1 text=$2
	shift 2
	n=$((n + 1))
	"$dgm" "$@" >"$tmp/out" 2>"$tmp/err" </dev/null
	got=$?
	[ "$got" -eq "$status" ] || fail "dgm $*: status $got, expected $status"
	where="$tmp/err"
	[ "$status" -ne 0 ] || where="$tmp/out"
	grep -qF -e "$text" "$where" || fail "dgm $*: expected: $text"
}
full() { # ARGS: standard output is full
	n=$((n + 1))
	: >"$tmp/out"
	"$dgm" "$@" >/dev/full 2>"$tmp/err" </dev/null
	got=$?
	[ "$got" -eq 3 ] || fail "dgm $* >/dev/full: status $got, expected 3"
	grep -q '^dgm: standard output' "$tmp/err" || fail "dgm $* >/dev/full: no message"
}
warns() { # yes|no ARGS: a run with a warning, or without
	expected=$1
	shift
	n=$((n + 1))
	"$dgm" run "$@" --quiet --out "$tmp/out.run" >"$tmp/out" 2>"$tmp/err" </dev/null ||
		fail "dgm run $*: failed"
	got=no
	! grep -q '^dgm: warning: ' "$tmp/err" || got=yes
	[ "$got" = "$expected" ] || fail "dgm run $*: a warning: $got, expected $expected"
	rm -rf "$tmp/out.run"
}

for call in help --help -h 'help --help' '-h help'; do
	# Arguments are words without blanks.
	# shellcheck disable=SC2086
	gives 0 'dgm run      FILE' $call
done
for call in 'help run' 'run --help' '--help run' 'run -h' 'run missing.dgm --help'; do
	# shellcheck disable=SC2086
	gives 0 '--resume ' $call
done
gives 2 "there is no call 'rum': did you mean 'run'?" rum --help
gives 2 "there is no option '-x'" -x
gives 0 'OpenBLAS kernels: ' --version
gives 2 "there is no option '--hepl': did you mean 'help'?" --hepl

file=bars.dgm
if [ -w /dev/full ]; then
	full --version
	full help
	full run --help
	full fmt "$file"
	full check --time "$file" --help
	full explain "$file"
	for stage in ast sema model expr plan llvm asm; do
		full emit "$file" --stage="$stage"
	done
	full run "$file" --json --quiet --out "$tmp/out.run"
	full run "$file" --quiet --out "$tmp/out.run"
fi
warns yes rough.dgm
warns no rough.dgm --set betas=10000
echo "$n calls, $failed failures"
[ "$failed" -eq 0 ]
