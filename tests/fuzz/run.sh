#!/bin/sh
# Mutated files: words of a good file are dropped, doubled, exchanged or replaced by words of the language;
# dgm must check each, with status 0 or 1. The mutations are a function of the number alone.
# Call: run.sh DGM [HOW MANY].
dgm=$1 many=${2:-400}
[ -x "$dgm" ] || { echo "usage: run.sh DGM [HOW MANY]"; exit 2; }
cd "$(dirname "$0")" || exit 2
tmp=$(mktemp -d) || exit 2
trap 'rm -rf "$tmp"' EXIT
set -- ../../models/*.dgm ../syntax/*.dgm ../oracle/*.dgm ../e2e/*.dgm
files=$#
failed=0 number=0
while [ $number -lt "$many" ]; do
	number=$((number + 1))
	eval "file=\${$((number % files + 1))}"
	# Words are numbers, names, and every other character alone; blanks are kept.
	awk -v seed=$number '
	function draw(n) { # 0..n-1, by a linear congruential generator
		state = (state*1103515245 + 12345) % 2147483648
		return int(state/65536) % n
	}
	{ text = text $0 "\n" }
	END {
		state = seed*7919 + 1
		for (i = 0; i < 10; i++)
			draw(2)
		while (length(text) > 0) {
			if (match(text, /^[A-Za-z_][A-Za-z_0-9]*/) || match(text, /^[0-9.]+/) || match(text, /^[ \t\n]+/))
				len = RLENGTH
			else
				len = 1
			word[n++] = substr(text, 1, len)
			text = substr(text, len + 1)
		}
		m = split("model data train visible hidden param let energy sum i j v W h b 0 1 -1 1e9 1e308 2147483648 ; , : ( ) [ ] { } = ~ @ * - + / ^ < <= .. -> |> \" # every real binary spin normal mean exp log", extra, " ")
		for (k = draw(4); k >= 0; k--) {
			at = draw(n)
			kind = draw(4)
			if (kind == 0)
				word[at] = ""
			else if (kind == 1)
				word[at] = word[at] " " word[at]
			else if (kind == 2)
				word[at] = word[draw(n)]
			else
				word[at] = extra[draw(m) + 1]
		}
		for (i = 0; i < n; i++)
			printf "%s", word[i]
	}' "$file" >"$tmp/m.dgm"
	timeout 20 "$dgm" check "$tmp/m.dgm" >"$tmp/log" 2>&1
	status=$?
	if [ $status -gt 1 ]; then
		echo "mutation $number of $file: status $status"
		tail -3 "$tmp/log"
		failed=$((failed + 1))
	fi
done
echo "$number mutations, $failed failures"
[ "$failed" -eq 0 ]
