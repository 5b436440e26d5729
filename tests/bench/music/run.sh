#!/bin/sh
# Log-likelihoods a frame of Bach's chorales: trained on pieces of 64 frames, evaluated on whole chorales (at most 160).
# The results stand in models/README.md.
#
# usage: DGM_DATA=DIR run.sh DGM rnn_rbm|rnn_nade      results go to $OUT/MODEL (OUT: ./music)
[ -x "$1" ] && [ -n "$2" ] || { echo "usage: DGM_DATA=DIR run.sh DGM rnn_rbm|rnn_nade" >&2; exit 2; }
dgm=$1
model=$2
out=${OUT:-$PWD/music}
cd "$(dirname "$0")" || exit 2
"$dgm" --version
start=$(date +%s)
"$dgm" run "$model.dgm" --quiet --threads 1 --seed 1 --out "$out/$model" || exit
echo "$model: $(($(date +%s) - start)) s"
"$dgm" eval "$model.dgm" --quiet --threads 1 --seed 1 --out "$out/$model.whole" --set steps=160 \
	--params "$out/$model/$model.safetensors"
