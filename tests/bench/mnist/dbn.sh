#!/bin/sh
# models/dbn.dgm, layer by layer: the bound on the test log-likelihood next to the published -85.97, and an estimate of the
# log-likelihood itself of -84.55 (Salakhutdinov & Murray 2008; Murray & Salakhutdinov 2009). The last result stands in
# models/README.md.
#
# usage: DGM_DATA=DIR dbn.sh DGM [OPTION...]     DIR holds binarized_mnist/; options go to dgm run
cd "$(dirname "$0")" || exit 1
[ -n "$1" ] || { echo "usage: DGM_DATA=DIR dbn.sh DGM [OPTION...]" >&2; exit 2; }
dgm=$1
shift
case $dgm in */*) ;; *) dgm=./$dgm ;; esac
date
"$dgm" --version
"$dgm" run ../../../models/dbn.dgm --out "${OUT:-/tmp/dbn.out}" "$@"
date
