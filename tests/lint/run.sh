#!/bin/sh
# What the source tree keeps to, beyond what compilers check: includes by the layer table, layout of the
# code, sizes of files, a test for every diagnostic, the entries of the top level, no marks of unfinished
# work.  Call: run.sh [DGM].  UPDATE=1 lays out the code instead of checking its layout.
cd "$(dirname "$0")/../.." || exit 2
failed=0
fail() {
	printf '%s\n' "$*"
	failed=$((failed + 1))
}

# ---- includes: LAYER: layers it may include ; headers of runtime/ -------------------------------------
layers='
base:
syntax: base
expr: base ; rt.def
sema: base syntax expr
model: base syntax expr sema
objective: base expr model
plan: base expr
codegen: base expr plan ; dgm_rt.h rt.def updates.h
driver: base syntax expr sema model objective plan codegen ; *
verify: base syntax expr sema model objective plan codegen driver ; *
report: base syntax expr sema model objective plan codegen driver ; *
'
include_lint() {
	grep -Hno '^[ 	]*#[ 	]*include[ 	]*"[^"]*"' compiler/*.c compiler/*/*.[ch] runtime/*.[ch] |
		sed 's/:[ 	]*#[ 	]*include[ 	]*"/:/; s/"$//' |
		LAYERS="$layers" RUNTIME="$(cd runtime && echo *.h *.def)" awk -F: '
	BEGIN {
		n = split(ENVIRON["LAYERS"], row, "\n")
		for (i = 1; i <= n; i++) {
			if (split(row[i], part, ":") < 2)
				continue
			split(part[2], side, ";")
			may[part[1]] = " " side[1] " "
			rt[part[1]] = " " side[2] " "
			exists[part[1]] = 1
		}
		m = split(ENVIRON["RUNTIME"], file, " ")
		for (i = 1; i <= m; i++)
			runtime[file[i]] = 1
	}
	function bad(why) {
		print $1 ":" $2 ": includes \"" $3 "\": " why
		failed = 1
	}
	{
		k = split($1, place, "/")
		split($3, target, "/")
		if (place[1] == "runtime") {
			if (!runtime[$3])
				bad("the runtime includes only its own headers")
			next
		}
		layer = k == 2 ? "driver" : place[2]
		if (!exists[layer])
			bad("the layer " layer " is not in the table")
		else if ($3 ~ /\//) {
			if (target[1] != layer && index(may[layer], " " target[1] " ") == 0)
				bad(layer " may not include " target[1])
		} else if (runtime[$3]) {
			if (index(rt[layer], " * ") == 0 && index(rt[layer], " " $3 " ") == 0)
				bad(layer " may not include this header of the runtime")
		} else if (!(layer == "syntax" && $3 ~ /^dgm_(parser|lexer)\.h$/))
			bad("headers of the compiler are included as \"layer/header\"")
	}
	END { exit failed }'
}
include_lint || fail "includes go against the layer table"

# The build's include paths say the same.
from_table=$(echo "$layers" | sed -n 's/ *;.*//; s/^\([a-z]*\): */\1 /p' | sed 's/ *$//')
from_cmake=$(sed -n 's/^layer(\(.*\))$/\1/p' CMakeLists.txt)
[ "$from_table" = "$from_cmake" ] || fail "tests/lint/run.sh and the layer() lines of CMakeLists.txt differ"

# ---- layout --------------------------------------------------------------------------------------------
# Headers and tables are laid out by hand, in columns.
format=
for name in clang-format-14 clang-format; do
	[ -z "$format" ] && command -v "$name" >/dev/null && "$name" --version | grep -q 'version 14\.' && format=$name
done
sources=$(find compiler runtime tests -name '*.c' | sort)
if [ -z "$format" ]; then
	echo "clang-format 14 is not installed: the layout is not checked"
elif [ -n "$UPDATE" ]; then
	# shellcheck disable=SC2086
	"$format" -i $sources
else
	# shellcheck disable=SC2086
	bad=$("$format" --dry-run -Werror $sources 2>&1 | sed -n 's/^\([^:]*\):[0-9].*/\1/p' | sort | uniq -c)
	[ -z "$bad" ] || fail "not laid out as .clang-format says (UPDATE=1 sh tests/lint/run.sh mends it):
$bad"
fi

# ---- sizes ---------------------------------------------------------------------------------------------
long=$(find compiler runtime tests -name '*.[ch]' -exec wc -l {} + | awk '$1 > 600 && $2 != "total"')
[ -z "$long" ] || fail "longer than 600 lines:
$long"

# ---- every diagnostic has a bad file under tests/errors --------------------------------------------------
# The constant parts of its text occur, in order, in an expectation or a golden text.
untested=$(cat tests/errors/*.dgm tests/errors/*.txt | awk '
	FILENAME == "-" {
		if ($0 ~ /^# expect: / || $0 ~ /: (error|warning|note): /)
			line[++lines] = $0
		next
	}
	match($0, /^DIAG\([A-Z_]*/) {
		id = substr($0, 6, RLENGTH - 5)
		text = $0
		sub(/^[^"]*"/, "", text)
		sub(/"\)[^"]*$/, "", text)
		gsub(/\\"/, "\"", text)
		gsub(/\\\\/, "\\", text)
		gsub(/%%/, "\001", text)
		n = split(text, part, /%[-+#0-9.]*l*[a-zA-Z]/)
		if (text == "%s")
			next
		found = 0
		for (i = 1; i <= lines && !found; i++) {
			rest = line[i]
			found = 1
			for (k = 1; k <= n && found; k++) {
				gsub(/\001/, "%", part[k])
				at = index(rest, part[k])
				if (at == 0)
					found = 0
				rest = substr(rest, at + length(part[k]))
			}
		}
		if (!found)
			print "  " id ": " text
	}' - compiler/base/diag.def)
[ -z "$untested" ] || fail "no file under tests/errors provokes:
$untested"

# ---- top level, marks --------------------------------------------------------------------------------------
for entry in *; do
	case $entry in
	compiler | runtime | grammar | models | tests | CMakeLists.txt | README.md | LICENSE) ;;
	build | build-* | *.out) ;; # not in the repository
	*) fail "$entry does not belong to the top level" ;;
	esac
done
# The words are in two halves here, so that this file passes.
marks="TO""DO|FIX""ME|XX""X"
found=$(grep -rnwE "$marks" compiler runtime grammar models tests CMakeLists.txt README.md LICENSE)
[ -z "$found" ] || fail "marks of unfinished work:
$found"

echo "$failed failures"
[ "$failed" -eq 0 ]
