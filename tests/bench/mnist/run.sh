#!/bin/sh
# Models of 500 hidden units on the fixed binarisation of MNIST: an RBM, by AIS, next to the published -86.34 (CD-25,
# Salakhutdinov & Murray 2008); a NADE, exactly, next to -88.33 (Larochelle & Murray 2011).  The last results stand in
# models/README.md.
#
# usage: DGM_DATA=DIR run.sh DGM MODEL [OPTION...]     DIR holds binarized_mnist/, MODEL is rbm500 or nade500;
#                                                      options go to dgm run
cd "$(dirname "$0")" || exit 1
[ -f "$2.dgm" ] || { echo "usage: DGM_DATA=DIR run.sh DGM rbm500|nade500 [OPTION...]" >&2; exit 2; }
dgm=$1
model=$2
shift 2
case $dgm in */*) ;; *) dgm=./$dgm ;; esac
unset OPENBLAS_CORETYPE OPENBLAS_L2_SIZE
date
"$dgm" --version
"$dgm" run "$model.dgm" --out "${OUT:-/tmp/$model.out}" "$@"
date
