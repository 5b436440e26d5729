#!/bin/sh
# Every function of every model in models/, as a freestanding object of one number after the other, at the small sizes of
# the file `sizes` or, with --full, those of its own file: the same bits on other machines (under qemu-user, and under
# Node) as on this one?  A line a model: its functions, its numbers, and the machines that give others or that take more
# than LIMIT seconds.  Call: machines.sh [--full] DGM [MODEL...]
full=
[ "$1" != --full ] || { full=1; shift; }
dgm=$1
[ -x "$dgm" ] || { echo "usage: machines.sh [--full] DGM [MODEL...]"; exit 2; }
shift
limit=${LIMIT:-300}
here=$(cd "$(dirname "$0")" && pwd)
check=$here/../../embed
tmp=$(mktemp -d) || exit 2
trap 'rm -rf "$tmp"' EXIT
failed=0
[ $# -gt 0 ] || set -- "$here"/../../../models/*.dgm

sizes() {
	[ -n "$full" ] || awk -v name="$(basename "$file" .dgm)" '$1 == name { for (k = 2; k <= NF; k++) print "--set", $k }' "$here/sizes"
}

numbers() { # MACHINE: what the object gives there, in $tmp/MACHINE
	target=$1
	object=$tmp/it.o
	# shellcheck disable=SC2046
	"$dgm" build "$file" --freestanding --scalar --target "$target" -o "$object" $(sizes) || return 1
	awk -f "$check/calls.awk" "$tmp/it.h" >"$tmp/calls"
	case $target in
	x86-64) cc= run= ;;
	aarch64) cc=aarch64-linux-gnu- run=qemu-aarch64 ;;
	riscv64) cc=riscv64-linux-gnu- run=qemu-riscv64 ;;
	armv7em)
		cc=arm-linux-gnueabihf- run=qemu-arm
		arm-linux-gnueabihf-objcopy -R .ARM.attributes "$object"
		;;
	wasm32)
		wasm-ld --no-entry --export-all -z stack-size=8388608 "$object" -o "$tmp/it.wasm" &&
			timeout "$limit" node "$check/check.js" "$tmp/it.wasm" "$tmp/calls" | awk '{ print $1, $3 }' >"$tmp/$target"
		return
		;;
	esac
	"${cc}gcc" -O1 -I"$tmp" -DHEADER='"it.h"' -DCALLS='"calls"' "$check/check.c" "$object" -static -lm -o "$tmp/check" &&
		timeout "$limit" $run "$tmp/check" | awk '{ print $1, $3 }' >"$tmp/$target"
}

for file in "$@"; do
	name=$(basename "$file" .dgm)
	numbers x86-64 || { echo "$name: no object"; failed=1; continue; }
	others=
	for machine in aarch64 riscv64 armv7em wasm32; do
		numbers "$machine" && cmp -s "$tmp/x86-64" "$tmp/$machine" || others="$others $machine"
	done
	awk -v name="$name" -v others="$others" '
		{ n++ }
		/status|^[^.]* [-0-9]*$/ { f++; n--; if ($2 != 0) bad++ }
		END { printf "%s: %d functions, %d numbers%s, %s\n", name, f, n, bad ? ", " bad " without a finite result" : "",
			others ? "other bits (or not in time) on" others : "the same bits" }' "$tmp/x86-64"
	[ -z "$others" ] || failed=1
done
exit $failed
