#!/bin/sh
# models/vae.dgm (one stochastic layer, 50 latents) on resampled MNIST: test log-likelihood by 5000 importance samples, of
# 2000 test images, next to the published -86.76 (Burda, Grosse & Salakhutdinov 2016).  The last result stands in
# models/README.md.
#
# usage: DGM_DATA=DIR vae.sh DGM [OPTION...]     DIR holds mnist/; options go to dgm run
cd "$(dirname "$0")" || exit 1
[ -n "$1" ] || { echo "usage: DGM_DATA=DIR vae.sh DGM [OPTION...]" >&2; exit 2; }
dgm=$1
shift
case $dgm in */*) ;; *) dgm=./$dgm ;; esac
date
"$dgm" --version
"$dgm" run ../../../models/vae.dgm --out "${OUT:-/tmp/vae.out}" --set epochs=400 \
	--set optimizer='adam(rate = cosine(0.001, 0.00002))' \
	--set test='idx("mnist/t10k-images-idx3-ubyte.gz") / 255 |> shuffle(seed = 1) |> rows(0, 2000) |> binarize(fixed, seed = 1)' "$@"
date
