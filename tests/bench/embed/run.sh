#!/bin/sh
# Free energies of 10 000 pictures of MNIST by the embedded RBM of models/rbm.dgm, 784-500, and by PyTorch, one thread
# each, in one run; and what a microcontroller needs for it.  Parameters are random: time does not depend on them.
#
# usage: run.sh DGM            DGM_DATA: has mnist/; PYTHON: one with numpy and torch (python3)
DGM=$1 PYTHON=${PYTHON:-python3}
[ -x "$DGM" ] || { echo "usage: run.sh DGM"; exit 2; }
cd "$(dirname "$0")" || exit 1
images=$DGM_DATA/mnist/t10k-images-idx3-ubyte.gz
[ -r "$images" ] || { echo "run.sh: DGM_DATA has no mnist/t10k-images-idx3-ubyte.gz" >&2; exit 77; }
"$PYTHON" -c 'import numpy, torch' || exit 77
unset OPENBLAS_CORETYPE OPENBLAS_L2_SIZE
# PyTorch at its best: no page faults for each temporary
export MALLOC_MMAP_THRESHOLD_=1073741824 MALLOC_TRIM_THRESHOLD_=8589934592 MALLOC_TOP_PAD_=268435456
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

"$PYTHON" data.py "$images" "$work" || exit 1
"$DGM" build ../../../models/rbm.dgm -o "$work/rbm.o" || exit 1
cc -O2 -I"$work" score.c "$work/rbm.o" -L"$(dirname "$DGM")" -ldgmrt -lopenblas -lm -o "$work/score" || exit 1
for round in 1 2 3; do
	echo "round $round"
	"$work/score" "$work/pictures" "$work/params" || exit 1
	"$PYTHON" score.py "$work/pictures" "$work/params" || exit 1
done

command -v ld.lld arm-linux-gnueabihf-objdump >/dev/null || { echo "no lld, or no binutils for ARM: sizes left out"; exit 0; }
"$DGM" build ../../../models/rbm.dgm --params "$work/rbm.safetensors" --embed-params --freestanding --target armv7em \
	-o "$work/m4.o" || exit 1
ld.lld --gc-sections -e rbm_free_energy -u rbm_free_energy_work --defsym memset=0 "$work/m4.o" -o "$work/m4.elf" || exit 1
echo "Cortex-M4, the free energy of one picture, bytes:"
arm-linux-gnueabihf-size -A "$work/m4.elf" | awk '$1 ~ /^\.(text|rodata|bss|data)$/ { print substr($1, 2), $2 }'
# no function calls itself, so the frames of all are more than the stack that any call takes
arm-linux-gnueabihf-objdump -d "$work/m4.elf" | awk '
	/\t(stmdb\tsp!|push|push\.w)/ { gsub(/.*{|}.*/, ""); n += 4*split($0, r, ",") }
	/\tvpush/ { gsub(/.*{|}.*|d/, ""); split($0, d, "-"); n += 8*(d[2] - d[1] + 1) }
	/\tsub(\.w|w)?\tsp, / { sub(/.*#/, ""); n += $1 }
	END { print "stack, at most", n }'
