#!/bin/sh
# From a file to trained parameters: exact and stochastic training of small models within stated bounds,
# the same bits at any number of threads and after a kill and --resume, and a short run on Fashion-MNIST where it is
# installed.  Call: run.sh DGM.
dgm=$1
[ -x "$dgm" ] || { echo "usage: run.sh DGM"; exit 2; }
cd "$(dirname "$0")" || exit 2
models=../../models
tmp=$(mktemp -d) || exit 2
trap 'rm -rf "$tmp"' EXIT
failed=0
fail() {
	printf '%s\n' "$*"
	failed=$((failed + 1))
}
value() { # FOLDER FIGURE: its value in results.jsonl
	sed -n "s/.*\"figure\": \"$2\", \"value\": \([-0-9.e+]*\),.*/\1/p" "$1/results.jsonl"
}
between() { # VALUE LOW HIGH
	awk -v x="$1" -v lo="$2" -v hi="$3" 'BEGIN { exit !(x != "" && x >= lo && x <= hi) }'
}
run() { # FOLDER FILE ARGS...
	folder=$1 file=$2
	shift 2
	"$dgm" run "$file" --quiet --out "$tmp/$folder" "$@" >"$tmp/$folder.log" 2>&1 ||
		{ fail "$file $* failed:" && cat "$tmp/$folder.log"; }
}
# Mean log-likelihood of the 30 patterns: at best ln(1/30) = -3.4012, uniform over 2^16 states -11.09.
summit=-3.4011973

# ---- exact training: 300 updates come within 0.3 nats a pattern of the optimum ----------------------------
run nll $models/bars.dgm --set epochs=300
got=$(value "$tmp/nll" log-likelihood)
between "$got" -3.71 $summit || fail "bars by nll(): $got is not in [-3.71, $summit]"
for file in bars.safetensors bars.samples.safetensors samples.png curve.svg metrics.jsonl results.jsonl; do
	[ -s "$tmp/nll/$file" ] || fail "bars by nll(): no $file"
done
echo "bars and stripes by nll(), 300 updates: $got nats a pattern"

# ---- groups of both roles summed out: the likelihood's summit over b, -2.188019 by quadrature ------------------
run joined joined.dgm
got=$(value "$tmp/joined" log-likelihood)
between "$got" -2.18804 -2.18800 || fail "joined.dgm by nll(): $got is not -2.18802"

# ---- twenty variables: the summit is -21.0564828, of independent units; each block of the file comes to its end --------
run many many.dgm
set -- $(value "$tmp/many" log-likelihood)
between "$1" -21.0566 -21.0564 && between "$2" -22 -20 || fail "many.dgm: $* are not -21.05648, exactly and about"
for file in many.samples codes coder; do
	[ -s "$tmp/many/$file.safetensors" ] || fail "many.dgm: no $file.safetensors"
done

# ---- latent variables: the closed form of a linear model; bounds that rise with the number of samples -----------
run ppca ppca.dgm
got=$(value "$tmp/ppca" log-likelihood)
between "$got" -3.7105 -3.7065 || fail "ppca.dgm by elbo(): $got, not -3.707509"
# ---- each example its own log Z: the estimate within 4 of its standard errors, 1e-4 for rounding --------------
run given given.dgm
awk '{ match($0, /"value": [-0-9.e+]*/); v = substr($0, RSTART + 9, RLENGTH - 9)
       match($0, /"log_z_stderr": [-0-9.e+]*/); e = substr($0, RSTART + 16, RLENGTH - 16)
       if (NR % 2) exact = v; else if ((v - exact)^2 > (4*e + 1e-4)^2) bad = 1 }
     END { exit bad || NR != 6 }' "$tmp/given/results.jsonl" ||
	fail "given.dgm: $(value "$tmp/given" log-likelihood) are not the same in pairs"
run bounds bounds.dgm
set -- $(value "$tmp/bounds" log-likelihood)
between "$2" "$1" "$3" && between "$3" "$1" $summit && [ "$1" != "$3" ] ||
	fail "bounds.dgm: $* by 7, 500, 5000 samples do not rise, or pass $summit"

# ---- a second training goes on from the first; counts have their base measure; biases do not decay ------------
run twice twice.dgm
set -- $(value "$tmp/twice" log-likelihood)
[ -n "$1" ] && [ "$1" = "$2" ] || fail "twice.dgm: $1 after the first training, $2 after one that changes nothing"
run counts counts.dgm
got=$(value "$tmp/counts" log-likelihood)
between "$got" -2.52 -2.49 || fail "counts.dgm: log p(5) is $got, not -2.506"
run plain decay.dgm
run decayed decay.dgm --set 'optimizer=sgd(rate = 0.1, momentum = 0, decay = 1)'
cmp -s "$tmp/plain/decay.safetensors" "$tmp/decayed/decay.safetensors" || {
	# metadata may differ; parameters may not
	for folder in plain decayed; do tail -c 16 "$tmp/$folder/decay.safetensors" >"$tmp/$folder.b"; done
	cmp -s "$tmp/plain.b" "$tmp/decayed.b" || fail "decay.dgm: a bias decayed"
}

# ---- rows at right angles: W W' = 2 I from what was saved, its last 7*16 floats; the same bits ---------------------
run orthogonal orthogonal.dgm
run orthogonal2 orthogonal.dgm --threads 2
start=$tmp/orthogonal/orthogonal_start.safetensors
cmp -s "$start" "$tmp/orthogonal2/orthogonal_start.safetensors" || fail "orthogonal.dgm: other bits at 2 threads"
got=$(tail -c 448 "$start" | od -An -v -tf4 -w64 | awk '{ for (k = 1; k <= 16; k++) w[NR,k] = $k }
	END { for (i = 1; i <= NR; i++) for (j = 1; j <= NR; j++) { s = i == j ? -2 : 0
		for (k = 1; k <= 16; k++) s += w[i,k]*w[j,k]
		if (s < 0) s = -s; if (s > most) most = s }; print NR == 7 ? most : "" }')
between "$got" 0 1e-5 || fail "orthogonal.dgm: W W' is $got from 2 I"

# ---- missing values filled in, halves completed: of two patterns, 010100 and 101011 -----------------------------
run gaps gaps.dgm
printf '0,1,0,1,0,0\n1,0,1,0,1,1\n0,1,0,1,0,0\n1,0,1,0,1,1\n' >"$tmp/patterns"
cat "$tmp/patterns" "$tmp/patterns" | cmp -s - "$tmp/gaps/filled.csv" || fail "gaps.dgm: $(cat "$tmp/gaps/filled.csv")"
cmp -s "$tmp/patterns" "$tmp/gaps/completed.csv" || fail "gaps.dgm: $(cat "$tmp/gaps/completed.csv")"
between "$(value "$tmp/gaps" 'completion of v')" 0 0.05 || fail "gaps.dgm: completion $(value "$tmp/gaps" 'completion of v')"
run gaps2 gaps.dgm --threads 2
cmp -s "$tmp/gaps/means.npy" "$tmp/gaps2/means.npy" || fail "gaps.dgm: other means at 2 threads"
sed 's/sample pairs/evaluate pairs { v = gaps; pseudo_likelihood; } &/' gaps.dgm >"$tmp/refused.dgm"
cp gaps.csv whole.csv "$tmp"
"$dgm" run "$tmp/refused.dgm" --quiet --out "$tmp/refused" >"$tmp/refused.log" 2>&1
[ $? -eq 3 ] && grep -q "line 2, column 2: the value is missing" "$tmp/refused.log" ||
	fail "missing values outside of sample: $(cat "$tmp/refused.log")"

# ---- a checkpoint of other statistics is not resumed -------------------------------------------------------
run stats bits.dgm --set 'objective=sml(k=1,chains=20)' --set epochs=2
"$dgm" run bits.dgm --quiet --out "$tmp/stats" --resume --set epochs=2 \
	--set 'objective=sml(k=1,chains=20,statistics=samples)' >"$tmp/stats.log" 2>&1
[ $? -eq 3 ] || { fail "resumed with other statistics:" && cat "$tmp/stats.log"; }

# ---- stochastic maximum likelihood --------------------------------------------------------------------------
run sml $models/bars_sml.dgm
got=$(value "$tmp/sml" log-likelihood)
between "$got" -3.9 $summit || fail "bars by sml(): $got is not in [-3.9, $summit]"
echo "bars and stripes by sml(), 6000 updates: $got nats a pattern"

# ---- parameters from a file give the same figures ------------------------------------------------------------
"$dgm" eval $models/bars_sml.dgm --params "$tmp/sml/bars.safetensors" --quiet --out "$tmp/eval" \
	>"$tmp/eval.log" 2>&1 || { fail "eval failed:" && cat "$tmp/eval.log"; }
[ "$(value "$tmp/eval" log-likelihood)" = "$got" ] || fail "eval of the written parameters gives another figure"

# ---- the same bits: at 1, 2 and 3 threads, for each objective --------------------------------------------------
same() { # NAME A B
	cmp -s "$tmp/$2" "$tmp/$3" || fail "$1: $2 and $3 differ"
}
for objective in 'sml(k=2,chains=50)' 'cd(k=1->5)' 'cd(k=2,statistics=samples)' 'nll()'; do
	for threads in 1 2 3; do
		run "t$threads" bits.dgm --threads $threads --set "objective=$objective" --set epochs=20
	done
	same "$objective" t1/bits.safetensors t2/bits.safetensors
	same "$objective" t1/bits.safetensors t3/bits.safetensors
	same "$objective" t1/bits.samples.safetensors t2/bits.samples.safetensors
	[ "$(grep -v seconds "$tmp/t1/results.jsonl")" = "$(grep -v seconds "$tmp/t2/results.jsonl")" ] ||
		fail "$objective: figures differ between 1 and 2 threads"
done
for threads in 1 2 3; do run "latent$threads" latent.dgm --threads $threads; done
same "elbo()" latent1/latent.safetensors latent2/latent.safetensors
same "elbo()" latent1/latent.safetensors latent3/latent.safetensors
same "elbo()" latent1/latent.samples.safetensors latent2/latent.samples.safetensors
got=$(value "$tmp/latent1" log-likelihood)
between "$got" -5.1 $summit || fail "latent.dgm: $got is not in [-5.1, $summit]"
run seed bits.dgm --seed 2
run seed1 bits.dgm
cmp -s "$tmp/seed/bits.safetensors" "$tmp/seed1/bits.safetensors" && fail "seeds 1 and 2 give the same parameters"

# ---- killed in mid-training, then resumed ----------------------------------------------------------------------
# A checkpoint is written every second. The run is made to last longer and is killed as soon as there
# is a second checkpoint (the first is of the initial parameters). On one thread: what a machine shared
# with other tests slows down least. A run that had ended by then is made twice as long.
sampled='objective=sml(k=2,chains=50)'
start=$(date +%s%N)
run pace bits.dgm --threads 1 --set "$sampled" --set epochs=1000
ms=$((($(date +%s%N) - start) / 1000000))
epochs=$((1000 * 3000 / (ms > 0 ? ms : 1)))
killed=
for try in 1 2 3; do
	rm -rf "$tmp/killed"
	"$dgm" run bits.dgm --threads 1 --checkpoint 1 --quiet --out "$tmp/killed" --set "$sampled" --set epochs=$epochs \
		>/dev/null 2>&1 &
	pid=$!
	point=$tmp/killed/checkpoint.safetensors
	first='' now=''
	while kill -0 $pid 2>/dev/null; do
		[ -e "$point" ] && now=$(ls -i "$point" 2>/dev/null)
		[ -n "$first" ] || first=$now
		[ "$now" = "$first" ] || break
		sleep 0.1
	done
	"$dgm" run bits.dgm --threads 1 --quiet --out "$tmp/killed" >/dev/null 2>"$tmp/second"
	second=$?
	kill -9 $pid 2>/dev/null
	wait $pid 2>/dev/null
	[ -e "$tmp/killed/bits.safetensors" ] || killed=$try
	[ -z "$killed" ] || break
	epochs=$((epochs * 2))
done
[ -n "$killed" ] || fail "no training was killed before its end"
[ "$second" -eq 3 ] && grep -q "killed: the folder is in use by another run" "$tmp/second" ||
	fail "a second run into a folder ended with $second: $(cat "$tmp/second")"
echo x >"$tmp/killed/bits.safetensors.tmp.99999999"
cp -r "$tmp/killed" "$tmp/damaged"
run killed bits.dgm --threads 1 --resume --set "$sampled" --set epochs=$epochs
run whole bits.dgm --threads 1 --set "$sampled" --set epochs=$epochs
same resumed whole/bits.safetensors killed/bits.safetensors
for folder in whole killed; do # but for the times
	sed 's/"seconds":[0-9.]*//' "$tmp/$folder/metrics.jsonl" >"$tmp/$folder/plain"
done
same resumed whole/plain killed/plain
ls "$tmp/killed" | grep -F .tmp. && fail "a half-written file of a killed run is still there"

# ---- moved along the gradient: the same bits at any number of threads, and the size of steps is resumed ----------
for threads in 1 2; do
	run "w$threads" wells.dgm --threads $threads
	grep -v seconds "$tmp/w$threads/results.jsonl" >"$tmp/w$threads/plain"
done
for file in wells.safetensors wells.samples.safetensors plain; do same wells w1/$file w2/$file; done
for threads in 1 2; do
	run "r$threads" bits.dgm --threads $threads --set 'train.sampler=gibbs(temperatures=4)' \
		--set 'sample.sampler=gibbs(temperatures=3)'
done
for file in bits.safetensors bits.samples.safetensors; do same replicas r1/$file r2/$file; done
grep -q '"swaps":0\.[1-9]' "$tmp/r1/metrics.jsonl" || fail "replicas: no swaps in metrics.jsonl"
epochs=4000 point=$tmp/w3/checkpoint.safetensors
for try in 1 2 3; do
	rm -rf "$tmp/w3"
	"$dgm" run wells.dgm --threads 1 --checkpoint 1 --quiet --out "$tmp/w3" --set epochs=$epochs >/dev/null 2>&1 &
	pid=$!
	until [ -e "$point" ]; do sleep 0.1; done
	first=$(ls -i "$point")
	while kill -0 $pid 2>/dev/null && [ "$(ls -i "$point" 2>/dev/null)" = "$first" ]; do sleep 0.1; done
	kill -9 $pid 2>/dev/null
	wait $pid 2>/dev/null
	[ -e "$tmp/w3/wells.safetensors" ] || break
	epochs=$((epochs * 2))
done
run w3 wells.dgm --threads 1 --resume --set epochs=$epochs
run w4 wells.dgm --threads 1 --set epochs=$epochs
same 'wells, resumed' w3/wells.safetensors w4/wells.safetensors
for folder in w3 w4; do sed 's/"seconds":[0-9.]*//' "$tmp/$folder/metrics.jsonl" >"$tmp/$folder/plain"; done
same 'wells, resumed' w3/plain w4/plain

# ---- stages, killed ten times wherever they are ------------------------------------------------------------------
epochs=6000
run stages stages.dgm --threads 1 --set fine.epochs=$epochs
rm -rf "$tmp/often"
kills=0
for wait in 0.1 0.3 0.2 0.5 0.15 0.4 0.7 0.25 0.6 0.9; do
	resume=--resume
	[ -d "$tmp/often" ] || resume=
	"$dgm" run stages.dgm --threads 1 --quiet --out "$tmp/often" --set fine.epochs=$epochs $resume >/dev/null 2>&1 &
	pid=$!
	sleep $wait
	kill -9 $pid 2>/dev/null && kills=$((kills + 1))
	wait $pid 2>/dev/null
done
[ "$kills" -ge 3 ] || fail "stages.dgm: killed only $kills times"
run often stages.dgm --threads 1 --set fine.epochs=$epochs --resume
for folder in stages often; do
	for stage in coarse biases fine; do
		sed 's/"seconds":[0-9.]*//' "$tmp/$folder/stages.$stage/metrics.jsonl" >"$tmp/$folder/$stage"
	done
	grep -v seconds "$tmp/$folder/results.jsonl" >"$tmp/$folder/plain"
done
for file in stages.coarse/stages.safetensors stages.biases/stages.safetensors stages.fine/stages.safetensors \
	stages.safetensors stages.samples.safetensors coarse biases fine plain; do
	same 'stages, resumed' stages/$file often/$file
done
"$dgm" run stages.dgm --quiet --out "$tmp/often" --set coarse.epochs=3 --set fine.epochs=$epochs --resume >"$tmp/often.log" 2>&1
[ $? -eq 3 ] && grep -q "another configuration: 'epochs" "$tmp/often.log" ||
	fail "stages.dgm resumed with other epochs: $(cat "$tmp/often.log")"

# ---- from layer to layer: what is drawn, and what is handed on, is the same after a kill ---------------------------
for name in layers handed; do
	run $name.whole $name.dgm --threads 1
	rm -rf "$tmp/$name.part"
	for wait in 0.15 0.3 0.2 0.45 0.25; do
		resume=--resume
		[ -d "$tmp/$name.part" ] || resume=
		"$dgm" run $name.dgm --threads 2 --quiet --out "$tmp/$name.part" $resume >/dev/null 2>&1 &
		pid=$!
		sleep $wait
		kill -9 $pid 2>/dev/null
		wait $pid 2>/dev/null
	done
	run $name.part $name.dgm --threads 2 --resume
done
for file in deep.lower/deep.safetensors deep.upper/deep.safetensors deep.joint/deep.safetensors; do
	same 'layers, resumed' layers.whole/$file layers.part/$file
done
for file in lower.safetensors upper.safetensors joined.safetensors joined.samples.safetensors reader.safetensors; do
	same 'handed, resumed' handed.whole/$file handed.part/$file
done
got=$(value "$tmp/layers.whole" 'log-likelihood bound (mean field)')
between "$got" -4.6 $summit || fail "layers.dgm: $got is not in [-4.6, $summit]"
set -- $(value "$tmp/handed.whole" log-likelihood)
[ -n "$1" ] && [ "$1" = "$2" ] || fail "handed.dgm: $1 by the model, $2 with its parameters handed on"
got=$(value "$tmp/handed.whole" reconstruction)
between "$got" 0 1e-6 || fail "handed.dgm: the exact means and those of mean field differ by $got"
run params params.dgm --params lower="$tmp/handed.whole/lower.safetensors"
set -- "$1" $(value "$tmp/params" log-likelihood) "$(value "$tmp/params" reconstruction)"
[ "$1" = "$2" ] && [ "$1" = "$3" ] && [ "$4" = 0 ] || fail "params.dgm: $1 by the model that was trained, $2 and $3 from its file, means apart by $4"
"$dgm" run params.dgm --quiet --out "$tmp/params" 2>&1 | grep -q "'lower' has no parameters" ||
	fail "params.dgm runs without parameters"
"$dgm" run handed.dgm --quiet --out "$tmp/params" --params lower="$tmp/handed.whole/lower.safetensors" 2>&1 |
	grep -q "handed.dgm trains model 'lower'" || fail "handed.dgm takes parameters of a model that it trains"

# ---- a deep belief network, killed ten times at moments drawn from SEED, a checkpoint after each epoch -------------
seed=${SEED:-$(date +%s)}
start=$(date +%s%N)
run dbn dbn.dgm --threads 1 --checkpoint 0
took=$((($(date +%s%N) - start) / 1000000))
kills=0 tries=0 places=
rm -rf "$tmp/dbn.part"
while [ $kills -lt 10 ] && [ $tries -lt 60 ]; do
	resume=--resume tries=$((tries + 1))
	[ -d "$tmp/dbn.part" ] || resume=
	"$dgm" run dbn.dgm --threads $((1 + tries % 2)) --checkpoint 0 --quiet --out "$tmp/dbn.part" $resume >/dev/null 2>&1 &
	pid=$!
	sleep "$(awk -v s="$seed$tries" -v t="$took" 'BEGIN { srand(s); print t/1000*(0.02 + 0.4*rand()) }')"
	kill -9 $pid 2>/dev/null
	wait $pid 2>/dev/null
	if [ $? -eq 137 ]; then
		kills=$((kills + 1)) places="$places $(cd "$tmp/dbn.part" 2>/dev/null && ls -td -- */ | head -n 1)"
	else # it had ended: again from the beginning, and killed sooner
		rm -rf "$tmp/dbn.part"
		took=$((took * 3 / 4))
	fi
done
[ $kills -eq 10 ] || fail "dbn.dgm, seed $seed: killed only $kills times"
echo "dbn.dgm, seed $seed: killed in$places"
run dbn.part dbn.dgm --threads 2 --resume
for folder in dbn dbn.part; do
	(cd "$tmp/$folder" && cat */metrics.jsonl results.jsonl | sed 's/"seconds":[0-9.]*//' >plain)
done
for file in $(cd "$tmp/dbn" && ls *.safetensors */*.safetensors) plain; do
	case $file in *checkpoint*) ;; *) same 'dbn, resumed' "dbn/$file" "dbn.part/$file" ;; esac
done
set -- $(value "$tmp/dbn" 'log-likelihood[^"]*')
between "$2" "$1" $summit && [ "$1" != "$2" ] || fail "dbn.dgm: a bound of $1 after the layers, $2 after the refinement"
awk -v x="$2" -v y="$3" 'BEGIN { exit !(x - y < 0.05 && y - x < 0.05) }' || fail "dbn.dgm: $2 exactly, $3 by AIS"

# ---- a belief network that is a machine upside down: evaluated with what the machine hands on alone ---------------
run tied tied.dgm
set -- $(value "$tmp/tied" 'log-likelihood[^"]*')
[ -n "$1" ] && awk -v x="$1" -v y="$2" 'BEGIN { exit !(x - y < 1e-5 && y - x < 1e-5) }' || fail "tied.dgm: $1 by the machine, $2 by the belief network made of it"

# ---- a checkpoint that is not what was written -------------------------------------------------------------------
size=$(wc -c <"$tmp/damaged/checkpoint.safetensors")
printf '\377' | dd of="$tmp/damaged/checkpoint.safetensors" bs=1 seek=$((size - 40)) conv=notrunc 2>/dev/null
"$dgm" run bits.dgm --threads 1 --quiet --resume --out "$tmp/damaged" --set "$sampled" --set epochs=$epochs \
	>"$tmp/damaged.log" 2>&1
got=$?
[ "$got" -eq 3 ] && grep -q "checkpoint.safetensors: the file is damaged" "$tmp/damaged.log" ||
	fail "a damaged checkpoint: status $got: $(cat "$tmp/damaged.log")"

# ---- nobody takes the lines of --json, and no room for metrics ---------------------------------------------------
if [ -w /dev/full ]; then
	"$dgm" run bits.dgm --quiet --json --out "$tmp/full" >/dev/full 2>"$tmp/full.log"
	got=$?
	[ "$got" -eq 3 ] && grep -q "standard output: cannot be written: .*; the last good parameters are in .*full/checkpoint" \
		"$tmp/full.log" || fail "standard output full: status $got: $(cat "$tmp/full.log")"
	mkdir "$tmp/metrics" && ln -s /dev/full "$tmp/metrics/metrics.jsonl"
	"$dgm" run bits.dgm --quiet --out "$tmp/metrics" >/dev/null 2>"$tmp/full.log"
	got=$?
	[ "$got" -eq 3 ] && grep -q "metrics.jsonl: cannot be written: .*; the last good parameters are in .*metrics/checkpoint" \
		"$tmp/full.log" || fail "disk full: status $got: $(cat "$tmp/full.log")"
fi

# ---- pictures of convolutional filters: 3 by 2 of them, each 3 by 2, and lines between -----------------------------
run filters filters.dgm
got=$(od -An -tu1 -j16 -N8 "$tmp/filters/filters.png" | tr -s ' ')
[ "$got" = " 0 0 0 13 0 0 0 7" ] || fail "filters.png: the bytes of width and height are$got"

# ---- Fashion-MNIST -------------------------------------------------------------------------------------------------
if [ -e /usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz ]; then
	run rbm $models/rbm.dgm --set epochs=2 --set 'optimizer=sgd(rate=0.01->0.001,momentum=0.5)' \
		--set 'loglik=ais(chains=50,betas=1000)' --threads 2
	got=$(value "$tmp/rbm" log-likelihood)
	between "$got" -300 -200 || fail "Fashion-MNIST, 2 epochs: $got is not in [-300, -200]"
	grep -q '"data_key": "fixed(seed 1)"' "$tmp/rbm/results.jsonl" || fail "the figure does not carry its data key"
	for file in rbm.safetensors samples.png filters.png curve.svg; do
		[ -s "$tmp/rbm/$file" ] || fail "Fashion-MNIST: no $file"
	done
	echo "Fashion-MNIST, 2 epochs: $got nats"
	run rbm1 $models/rbm.dgm --set epochs=1 --set 'loglik=ais(chains=10,betas=100)' --set steps=20 --threads 1
	run rbm2 $models/rbm.dgm --set epochs=1 --set 'loglik=ais(chains=10,betas=100)' --set steps=20 --threads 2
	same "Fashion-MNIST" rbm1/rbm.safetensors rbm2/rbm.safetensors
	same "Fashion-MNIST" rbm1/rbm.samples.safetensors rbm2/rbm.samples.safetensors
else
	echo "dataset-fashion-mnist is not installed: no run on it"
fi
echo "$failed failures"
[ "$failed" -eq 0 ]
