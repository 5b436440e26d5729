#!/bin/sh
# The models of models/ as their files are, one after the other on one thread: figures, times, pictures (filters and
# samples).  The results stand in models/README.md.
#
# usage: DGM_DATA=DIR run.sh DGM [MODEL...]      results of MODEL go to $OUT/MODEL (OUT: ./gallery)
[ -x "$1" ] || { echo "usage: DGM_DATA=DIR run.sh DGM [MODEL...]" >&2; exit 2; }
dgm=$1
shift
out=${OUT:-$PWD/gallery}
models=$(cd "$(dirname "$0")/../../../models" && pwd) || exit 1
[ $# -gt 0 ] || set -- $(cd "$models" && ls *.dgm | sed 's/\.dgm$//')
"$dgm" --version
for name in "$@"; do
	start=$(date +%s)
	"$dgm" run "$models/$name.dgm" --quiet --threads 1 --out "$out/$name" || exit
	echo "$name: $(($(date +%s) - start)) s"
done
