#!/bin/sh
# An RBM with 500 hidden units on the fixed binarisation of MNIST: test log-likelihood by AIS, next to the
# published -86.34 (CD-25, Salakhutdinov & Murray 2008).  The last result stands in models/README.md.
#
# usage: DGM_DATA=DIR run.sh DGM [OPTION...]     DIR holds binarized_mnist/; options go to dgm run
cd "$(dirname "$0")" || exit 1
[ -n "$1" ] || { echo "usage: DGM_DATA=DIR run.sh DGM [OPTION...]" >&2; exit 2; }
dgm=$1
shift
case $dgm in */*) ;; *) dgm=./$dgm ;; esac
unset OPENBLAS_CORETYPE OPENBLAS_L2_SIZE
date
"$dgm" --version
"$dgm" run rbm500.dgm --out "${OUT:-/tmp/rbm500.out}" "$@"
date
