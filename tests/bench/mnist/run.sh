#!/bin/sh
# Models of 500 hidden units and more on MNIST next to published figures: on its fixed binarisation an RBM, by AIS
# (-86.34, CD-25, Salakhutdinov & Murray 2008), and a NADE, exactly (-88.33, Larochelle & Murray 2011); resampled, a deep
# Boltzmann machine 784-500-1000, by AIS and mean field (-84.62, Salakhutdinov & Hinton 2009), and a multi-prediction one as
# a classifier (0.88 % errors, Goodfellow et al. 2013).  The last results stand in models/README.md.
#
# usage: DGM_DATA=DIR run.sh DGM MODEL [OPTION...]     DIR holds mnist/ and binarized_mnist/, MODEL is rbm500, nade500,
#                                                      dbm500 or mpdbm500; options go to dgm run
cd "$(dirname "$0")" || exit 1
[ -f "$2.dgm" ] || { echo "usage: DGM_DATA=DIR run.sh DGM rbm500|nade500|dbm500|mpdbm500 [OPTION...]" >&2; exit 2; }
dgm=$1
model=$2
shift 2
case $dgm in */*) ;; *) dgm=./$dgm ;; esac
unset OPENBLAS_CORETYPE OPENBLAS_L2_SIZE
date
"$dgm" --version
"$dgm" run "$model.dgm" --out "${OUT:-/tmp/$model.out}" "$@"
date
