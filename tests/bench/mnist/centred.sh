#!/bin/sh
# The deep Boltzmann machine of models/dbm.dgm, 784-200-200, on MNIST without pretraining: plain and centred, the same
# updates, on digits as they are and with black and white exchanged.  The last results stand in models/README.md.
#
# usage: DGM_DATA=DIR centred.sh DGM [OPTION...]     DIR holds mnist/; options go to dgm run
cd "$(dirname "$0")" || exit 1
[ -n "$1" ] || { echo "usage: DGM_DATA=DIR centred.sh DGM [OPTION...]" >&2; exit 2; }
dgm=$1
shift
case $dgm in */*) ;; *) dgm=./$dgm ;; esac
out=${OUT:-/tmp/centred.out}
"$dgm" --version
try() { # NAME SCALE EPOCHS OPTION...
	name=$1 scale=$2 epochs=$3
	shift 3
	date
	"$dgm" run ../../../models/dbm.dgm --quiet --out "$out/$name" --set H1=200 --set H2=200 --set epochs="$epochs" \
		--set "clothes=idx(\"mnist/train-images-idx3-ubyte.gz\") $scale |> binarize(resampled)" \
		--set "test=idx(\"mnist/t10k-images-idx3-ubyte.gz\") $scale |> binarize(fixed, seed = 1)" \
		--set 'optimizer=sgd(rate = 0.05 -> 0.001)' --set 'evaluate.loglik=ais(chains = 100, betas = 2000)' \
		--set steps=10 "$@"
}
mkdir -p "$out"
try plain '/ 255' 8 "$@"
try centred '/ 255' 8 --set train.centered=0.01 "$@"
try inverted_plain '/ -255 + 1' 6 "$@"
try inverted_centred '/ -255 + 1' 6 --set train.centered=0.01 "$@"
date
