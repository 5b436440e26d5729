#!/bin/sh
# What is said of runs: results side by side, samples looked at beside data, the page of a run
# (chromium.sh looks at such pages in a browser; it is run by hand).  What needs
# MNIST is skipped, with a line that says so, where it is not in DGM_DATA.  Call: run.sh DGM.
dgm=$1
[ -x "$dgm" ] || { echo "usage: run.sh DGM"; exit 2; }
cd "$(dirname "$0")" || exit 2
tmp=$(mktemp -d) || exit 2
trap 'rm -rf "$tmp"' EXIT
failed=0
fail() {
	printf '%s\n' "$*"
	failed=$((failed + 1))
}
run() { # FOLDER FILE ARGS...
	folder=$1 file=$2
	shift 2
	"$dgm" run "$file" --quiet --out "$tmp/$folder" "$@" >"$tmp/$folder.log" 2>&1 ||
		{ fail "$file $* failed:" && cat "$tmp/$folder.log"; }
}
figure() { # FOLDER FIGURE: its lines of results.jsonl
	grep -F "\"figure\": \"$2\"" "$tmp/$1/results.jsonl"
}

# ---- monitors: at each N-th epoch and the last, with the seed and the digest of the parameters that they are of ---
run monitors compare.dgm --set epochs=12 --set evaluate.v=bars --set 'monitor=reconstruction(bars)'
[ "$(grep -c '"parameters":"[0-9a-f]*","seed":1,"reconstruction(bars)":' "$tmp/monitors/metrics.jsonl")" -eq 12 ] ||
	fail "monitors: $(cat "$tmp/monitors/metrics.jsonl")"
tail -1 "$tmp/monitors/metrics.jsonl" | grep -qF "$(sed -n 's/.*"parameters": "\([0-9a-f]*\)".*/\1/p;q' "$tmp/monitors/results.jsonl")" ||
	fail "monitors: the last line is not of the parameters that were evaluated"
sed 's/epochs 200;/epochs 12; monitor every 5 : reconstruction(bars);/' compare.dgm >"$tmp/every.dgm"
run every "$tmp/every.dgm"
[ "$(sed -n 's/.*"epoch":\([0-9]*\),.*reconstruction.*/\1/p' "$tmp/every/metrics.jsonl" | tr '\n' ' ')" = '5 10 12 ' ] ||
	fail "monitor every 5: $(cat "$tmp/every/metrics.jsonl")"

# ---- raise: the mean over one example has no error that is known -------------------------------------------
"$dgm" run compare.dgm --quiet --out "$tmp/alone" --set 'evaluate.loglik=raise(examples = 1, betas = 10)' >"$tmp/log" 2>&1 &&
	fail "raise(examples = 1) is taken: $(cat "$tmp/log")"
grep -qF 'raise is of the mean over 1 example' "$tmp/log" || fail "raise(examples = 1): $(cat "$tmp/log")"

# ---- eval and sample: their figures take the place of those of the same models and blocks, the others stay -----
lines() { # FOLDER: block, figure, seed of each figure
	sed -n 's/.*"figure": "\([^"]*\)".*"block": "\([a-z]*\)".*"seed": \([0-9]*\).*/\2 \1 \3/p' "$tmp/$1/results.jsonl" | sort | tr '\n' ';'
}
sed '$a sample tiny { chains 20; steps 2; inspect modes(test); }' compare.dgm >"$tmp/looked.dgm"
run looked "$tmp/looked.dgm"
again() { # CALL SEED ARGS...
	call=$1 seed=$2
	shift 2
	"$dgm" "$call" "$tmp/looked.dgm" --quiet --out "$tmp/looked" --params "$tmp/looked/tiny.safetensors" --seed "$seed" "$@" >"$tmp/log" 2>&1
}
again sample 5 || fail "sample: $(cat "$tmp/log")"
[ "$(lines looked)" = 'evaluate log-likelihood 1;evaluate reconstruction 1;sample distinct modes of v 5;' ] || fail "sample keeps $(lines looked)"
grep -qF 'distinct modes of v' "$tmp/looked/report.html" || fail "sample: the page has no figure of it"
again eval 6 || fail "eval: $(cat "$tmp/log")"
[ "$(lines looked)" = 'evaluate log-likelihood 6;evaluate reconstruction 6;sample distinct modes of v 5;' ] || fail "eval keeps $(lines looked)"

# ---- a figure that cannot be had leaves those before it; one that is the first leaves the file ---------------------
sed 's/loglik exact();/loglik exact();  loglik raise(examples = 1, betas = 10);/' compare.dgm >"$tmp/later.dgm"
"$dgm" run "$tmp/later.dgm" --quiet --out "$tmp/later" >"$tmp/log" 2>&1 && fail "later.dgm: raise(examples = 1) is taken"
grep -qF '"figure": "log-likelihood"' "$tmp/later/results.jsonl" || fail "later: the exact figure is lost"
before=$(cat "$tmp/looked/results.jsonl")
again eval 7 --set 'evaluate.loglik=raise(examples = 1, betas = 10)' && fail "eval: raise(examples = 1) is taken"
[ "$(cat "$tmp/looked/results.jsonl")" = "$before" ] || fail "eval: what fails at once changes results.jsonl"

# ---- what cannot be written is said before anything is trained --------------------------------------------------
mkdir -p "$tmp/taken/f.png"
"$dgm" run compare.dgm --quiet --out "$tmp/taken" --set 'filters=(W, "f.png")' >"$tmp/log" 2>&1
[ $? -eq 3 ] && grep -qF 'f.png: is a folder, where a file is to be written' "$tmp/log" && [ ! -e "$tmp/taken/checkpoint.safetensors" ] ||
	fail "a folder in the way: $(cat "$tmp/log")"

# ---- compare: what is comparable is, and what is not is refused with the reason ----------------------------
compare() { # STATUS TEXT A B: TEXT is a part of what is printed
	"$dgm" compare "$tmp/$3" "$tmp/$4" >"$tmp/compared" 2>&1
	got=$?
	[ $got -eq "$1" ] || fail "compare $3 $4: status $got, expected $1"
	grep -qF -e "$2" "$tmp/compared" || { fail "compare $3 $4: expected: $2" && cat "$tmp/compared"; }
}
run one compare.dgm
run two compare.dgm --seed 2
run split compare.dgm --set evaluate.v=part
run key compare.dgm --set evaluate.v=half
run bound compare.dgm --set 'evaluate.loglik=ais(betas = 100)'
run per compare.dgm --set evaluate.per=v
compare 0 'log-likelihood of test' one two
difference=$(awk '/^log-likelihood of test/ { print $(NF-2) - ($7 - $4) }' "$tmp/compared")
[ "$(printf '%.3f' "$difference" | tr -d -)" = 0.000 ] || fail "compare one two: the difference is off by $difference"
compare 0 'seed 2, parameters' one two
compare 1 "their data differ under the same key 'fixed'" one split
compare 1 "their data keys differ: 'fixed' and 'fixed(seed 3)'" one key
compare 0 'not of one kind: A is exact; B is estimate' one bound
compare 0 'effective sample size' bound one
compare 1 'one is divided by nothing, the other by v' one per
compare 3 'none: cannot be read' one none
printf '{"model": "m", "warning": "alone"}\n' >"$tmp/empty.jsonl"
compare 3 'holds no figure' one empty.jsonl
{ cat "$tmp/one/results.jsonl" && printf '{"model": "m", "fig'; } >"$tmp/half.jsonl"
compare 3 'half.jsonl:3: the line is no JSON object' one half.jsonl
sed '1s/}$/} and more/' "$tmp/one/results.jsonl" >"$tmp/behind.jsonl"
compare 3 'behind.jsonl:1: the line is no JSON object' behind.jsonl one
sed '2s/"value": [^,]*,/"value": "7",/' "$tmp/one/results.jsonl" >"$tmp/text.jsonl"
compare 3 'text.jsonl:2: the figure lacks a number' one text.jsonl
sed '1s/"data_digest": [^,]*, //' "$tmp/one/results.jsonl" >"$tmp/digest.jsonl"
compare 3 'digest.jsonl:1: the figure lacks a text' one digest.jsonl

# ---- a single example has no standard error that is known ---------------------------------------------------------
run single compare.dgm --set 'test=bars |> rows(0, 1)'
grep -q '"figure": "reconstruction", "value": [0-9.]*, "stderr": null' "$tmp/single/results.jsonl" && ! grep -q '+-' "$tmp/single.log" ||
	fail "one example: $(cat "$tmp/single.log" "$tmp/single/results.jsonl")"
grep -q '<td class="value">[-0-9.]*</td>' "$tmp/single/report.html" || fail "one example: the page has an error"
compare 0 'reconstruction of test' single single
grep -q '+- ' "$tmp/compared" && fail "compare single single: $(cat "$tmp/compared")"

# ---- compare: figures are paired by what they are, not by their order -------------------------------------------
sed 's/loglik exact();/loglik exact();  loglik ais(chains = 50, betas = 10);  loglik ais(chains = 50, betas = 300);/' compare.dgm >"$tmp/order.dgm"
sed 's/loglik exact();/loglik ais(chains = 50, betas = 300);  loglik ais(chains = 50, betas = 10);  loglik exact();/' compare.dgm >"$tmp/other.dgm"
run order "$tmp/order.dgm"
run other "$tmp/other.dgm"
compare 0 'B - A' order other
[ "$(grep -c ' +0.0000 +- ' "$tmp/compared")" -eq 4 ] || fail "compare order other: $(cat "$tmp/compared")"
sed 's/test/a_name_that_is_longer_than_a_column_is_wide/' compare.dgm >"$tmp/long.dgm"
run long "$tmp/long.dgm"
compare 0 'B - A' one long
awk '/ of test|B - A/ { n++; if (!width) width = length; bad = bad || length != width } END { exit bad || n != 3 }' "$tmp/compared" ||
	fail "compare one long: $(cat "$tmp/compared")"
compare 0 'B - A' long one
awk '/ of a_name|B - A/ { n++; if (!width) width = length; bad = bad || length != width } END { exit bad || n != 3 }' "$tmp/compared" ||
	fail "compare long one: $(cat "$tmp/compared")"
"$dgm" compare "$tmp/one" >"$tmp/log" 2>&1
[ $? -eq 2 ] && grep -q 'two folders of results' "$tmp/log" || fail "compare with one folder: $(cat "$tmp/log")"

# ---- samples that hold copies, samples of 3 classes, samples of the data's law --------------------------------
if [ -e "${DGM_DATA%%:*}/mnist/train-images-idx3-ubyte.gz" ] && [ -e "${DGM_DATA%%:*}/binarized_mnist" ]; then
	for made in sound copied collapsed; do
		run $made samples.dgm --set sample.v=$made
		figure $made 'classes covered by v' | sed 's/.*"value": \([0-9.]*\),.*"verdict": "\(.*\)"}/\1 \2/' >"$tmp/$made.classes"
		figure $made 'clusters covered by v' | sed 's/.*"verdict": "\(.*\)"}/\1/' >"$tmp/$made.clusters"
		figure $made 'copies of v' | sed 's/.*"verdict": "\(.*\)"}/\1/' >"$tmp/$made.copies"
		echo "$made: $(cat "$tmp/$made.copies"); $(cat "$tmp/$made.classes") of classes, $(cat "$tmp/$made.clusters") of clusters"
	done
	[ "$(grep -c '"verdict": "nothing found"' "$tmp/sound/results.jsonl")" -eq 4 ] && ! grep -q warning "$tmp/sound.log" ||
		fail "digits of the training set are no sound samples: $(cat "$tmp/sound.log")"
	[ "$(cat "$tmp/copied.copies")" = 'copies of training examples' ] || fail "a tenth of copies is not found"
	[ "$(cat "$tmp/copied.classes")" = '10 nothing found' ] || fail "copies: $(cat "$tmp/copied.classes")"
	[ "$(cat "$tmp/collapsed.classes")" = '3 mode collapse' ] || fail "3 of 10 classes: $(cat "$tmp/collapsed.classes")"
	[ "$(cat "$tmp/collapsed.clusters")" = 'mode collapse' ] || fail "3 of 10 classes, by clusters: $(cat "$tmp/collapsed.clusters")"
	grep -q 'warning: copies of training examples of held: 11.2 %' "$tmp/copied.log" || fail "no warning of copies"
	# rows 9950.. of the file are examples 9950.. of the training set: the first 50 samples are at distance 0
	awk -F, 'NR <= 50 && ($1 != 0 || $2 != 9949 + NR) { bad++ } END { exit bad != 0 || NR != 500 }' \
		"$tmp/copied/held.neighbours.csv" || fail "the neighbours of copies are others"
	for file in held.neighbours.png held.free_energy.svg; do
		[ -s "$tmp/sound/$file" ] || fail "no $file"
	done
else
	echo "DGM_DATA has no MNIST: planted copies and collapse are skipped here (unit.test_inspect plants others)"
fi

# ---- the page of a run: well-formed, whole, and asking no network for anything ---------------------------------
# Tags that are opened are closed, in order; attributes are in quotes; text has no bare < or &.
well_formed() {
	awk 'BEGIN { RS = "<" }
		NR == 1 { next }
		/^!DOCTYPE html>/ { next }
		{ end = index($0, ">"); tag = substr($0, 1, end - 1); text = substr($0, end + 1); name = tag; sub(/[ \n].*/, "", name) }
		end == 0 { print "no end of tag: " substr($0, 1, 60); bad = 1; exit }
		{ gsub(/&(lt|gt|amp|quot);/, "", text); if (index(text, "&")) { print "a bare & in: " text; bad = 1 } }
		tag ~ /^\// { if (stack[depth] != substr(name, 2)) { print "<" name "> closes <" stack[depth] ">"; bad = 1; exit }; depth--; next }
		{ rest = tag; gsub(/"[^"]*"/, "", rest); if (rest ~ /=[^ \/]/ || index(rest, "\"")) { print "no quotes: " tag; bad = 1 } }
		tag ~ /\/$/ { next }
		{ stack[++depth] = name }
		END { if (depth) { print "open at the end: " stack[depth]; bad = 1 }; exit bad }' "$1"
}
# What a page can fetch: sources, links, styles. Those here are data of the page, or places in it.
fetches() {
	grep -oE '(src|href|srcset|action|poster|data)="[^"]{0,40}|url\([^)]{0,40}|@import|<(script|link|iframe|object|embed|base)[ >]' "$1" |
		grep -vE '^(src="data:image/png;base64,|href="#)'
}
page() { # FOLDER WORDS...: parts that the page has
	page=$tmp/$1/report.html folder=$1
	shift
	[ -s "$page" ] || { fail "$folder: no report.html"; return; }
	well_formed "$page" >"$tmp/log" || fail "$folder: report.html is not well-formed: $(cat "$tmp/log")"
	[ -z "$(fetches "$page")" ] || fail "$folder: report.html fetches $(fetches "$page")"
	for part in '<h2 id="figures">' '<h2 id="training">' '<h2 id="samples">' '<h2 id="mathematics">' '<h2 id="file">' "$@"; do
		grep -qF -e "$part" "$page" || fail "$folder: report.html has no $part"
	done
	ls "$tmp/$folder" | grep -qF .tmp. && fail "$folder: a half-written file is left"
}
run bars ../../models/bars.dgm --set epochs=300 --set sample.steps=100 --set 'train.filters=(W, "filters.png")'
page bars 'data key' '<code>fixed</code>' 'chains over time' 'the mean of the states of v' 'filters: filters.png' 'samples of v' \
	'<mfrac>' '<munder>' 'from ../../models/bars.dgm:' 'bars_and_stripes(4, 4)' 'by enumeration'
[ "$(grep -o '<img ' "$tmp/bars/report.html" | wc -l)" -eq 3 ] || fail "bars: not three pictures"
run table table.dgm
page table 'table, stage first' 'table, stage second' 'elbo(points)' '<table class="numbers">' 'clusters covered by x' \
	'lower bound on average (importance sampling)'
[ "$(grep -c '<td>' "$tmp/table/report.html")" -ge 12 ] || fail "table: no rows of samples"
grep -qF '<img ' "$tmp/table/report.html" && fail "table: a table is shown as a picture"
page one 'The file draws none.' 'No monitors'
{ sed 's/nll();  optimizer sgd(rate = 0.1)/cd();  optimizer sgd(rate = 1e30)/; s/epochs 200/epochs 20/' compare.dgm; } >"$tmp/fails.dgm"
mkdir -p "$tmp/fails" && cp "$tmp/one/results.jsonl" "$tmp/fails"
"$dgm" run "$tmp/fails.dgm" --quiet --out "$tmp/fails" >"$tmp/log" 2>&1 && fail "fails.dgm does not"
page fails 'The run failed, this is what it left.' 'The run did not get to them.'
[ -e "$tmp/fails/results.jsonl" ] && fail "fails: figures of an earlier run are left"
{ echo '# <script src="http://example.org/a.js"></script> & "quotes"' && cat compare.dgm; } >"$tmp/hostile.dgm"
run hostile "$tmp/hostile.dgm" --set evaluate.per=v
page hostile '&lt;script src=&quot;http://example.org/a.js&quot;&gt;'
echo "$failed failures"
[ "$failed" -eq 0 ]
