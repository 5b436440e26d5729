#!/bin/sh
# Objects to embed: headers of all models as C and as C++; the examples here, built as a user builds them, under
# valgrind and with sanitizers, and from an installed library; what is wrong in a call of dgm build.  Call: run.sh DGM.
dgm=$1
[ -x "$dgm" ] || { echo "usage: run.sh DGM"; exit 2; }
cd "$(dirname "$0")" || exit 2
lib=$(dirname "$dgm")
tmp=$(mktemp -d) || exit 2
trap 'chmod -R u+w "$tmp"; rm -rf "$tmp"' EXIT
n=0 failed=0
fail() {
	printf '%s\n' "$*"
	cat "$tmp/log"
	failed=$((failed + 1))
}
does() { # COMMAND
	n=$((n + 1))
	"$@" >"$tmp/log" 2>&1 || fail "failed: $*"
}
has() { # TEXT FILE
	n=$((n + 1))
	grep -qF -e "$1" "$2" || { cp "$2" "$tmp/log"; fail "expected: $1"; }
}
refuses() { # STATUS TEXT ARGS
	status=$1 text=$2
	shift 2
	n=$((n + 1))
	"$dgm" build "$@" >"$tmp/log" 2>&1
	got=$?
	[ "$got" -eq "$status" ] || fail "dgm build $*: status $got, expected $status"
	grep -qF -e "$text" "$tmp/log" || fail "dgm build $*: expected: $text"
}
strict='-Wall -Wextra -Werror -pedantic'

# ---- headers, and what the objects ask for ----
for file in ../../models/*.dgm; do
	name=$(basename "$file" .dgm)
	does "$dgm" build "$file" -o "$tmp/$name.o"
	echo "#include \"$name.h\"" >"$tmp/$name.c"
	# shellcheck disable=SC2086
	does cc -std=c99 $strict -fsyntax-only "$tmp/$name.c"
	# shellcheck disable=SC2086
	does c++ -std=c++11 $strict -fsyntax-only -x c++ "$tmp/$name.c"
	n=$((n + 1))
	nm "$tmp/$name.o" | awk '$1 == "U" && $2 !~ /^(dgm_|mem(cpy|set)$|(sin|cos|fma)f$)/' >"$tmp/log"
	[ ! -s "$tmp/log" ] || fail "$name.o asks for more than the runtime has"
done
has 'that they are not independent given the rest (line 13: h1@W2@h2)' "$tmp/dbm.h"
has 'complete: the values of a directed model' "$tmp/vae.h"

# names that C or C++ have for themselves
cat >"$tmp/words.dgm" <<-'END'
	model class(D = 2) {
	  visible static_assert : binary[D];  hidden thread_local : binary[D];  given size_t : real[D];
	  param NULL : real[D,D] = 0;  param SIZE_MAX : real[D] = 0;  param typeof : real[D] = 0;  param double : real[D] = 0;
	  energy = - static_assert@NULL@thread_local - size_t@(SIZE_MAX + typeof) - sum(i) double[i]*size_t[i]*static_assert[i];
	}
END
does "$dgm" build "$tmp/words.dgm" -o "$tmp/words.o"
for standard in c99 gnu11; do does cc -std=$standard -Wall -Wextra -Werror -fsyntax-only -x c "$tmp/words.h"; done
for standard in c++11 c++20; do does c++ -std=$standard -Wall -Wextra -Werror -fsyntax-only -x c++ "$tmp/words.h"; done

# ---- the examples ----
does "$dgm" run bars.dgm --out "$tmp/out" --quiet
params=$tmp/out/bars.safetensors
does "$dgm" build bars.dgm --params "$params" --embed-params --target x86-64-v3 -o "$tmp/bars.o"
does "$dgm" build bars.dgm -o "$tmp/given.o"
does "$dgm" build bars.dgm --params "$params" --embed-params --shared -o "$tmp/bars.so" --header "$tmp/shared.h"
does cmp "$tmp/bars.h" "$tmp/shared.h"
libs="-L$lib -ldgmrt -lopenblas -lm"
for example in detector sampler imputer threads; do
	# shellcheck disable=SC2086
	does cc -std=c99 $strict -I"$tmp" "$example.c" "$tmp/bars.o" $libs -o "$tmp/$example"
done
does "$dgm" build counts.dgm --target x86-64-v3 -o "$tmp/counts.o"
# shellcheck disable=SC2086
does cc -std=c99 $strict -I"$tmp" counts.c "$tmp/counts.o" $libs -o "$tmp/counts"
# shellcheck disable=SC2086
does c++ -std=c++11 $strict -I"$tmp" caller.cc "$tmp/given.o" $libs -o "$tmp/caller"
# shellcheck disable=SC2086
does cc -std=c99 -g -fsanitize=address,undefined -I"$tmp" threads.c "$tmp/bars.o" $libs -o "$tmp/threads.asan"

bars='1,0,0,1,1,0,0,1,1,0,0,1,1,0,0,1' noise='1,0,0,0,0,1,0,1,1,1,0,0,0,0,1,0'
printf '%s\n%s\n' "$bars" "$noise" >"$tmp/rows.csv"
printf '1,0,?,?,?,?,?,?,1,0,0,1,1,0,0,1\n' >"$tmp/gaps.csv"
"$tmp/detector" -20 <"$tmp/rows.csv" >"$tmp/energies" 2>&1
sed -n 1p "$tmp/energies" >"$tmp/first"
n=$((n + 2))
grep -q anomaly "$tmp/first" && { cp "$tmp/energies" "$tmp/log"; fail "a picture of bars is an anomaly"; }
[ "$(grep -c anomaly "$tmp/energies")" -eq 1 ] || { cp "$tmp/energies" "$tmp/log"; fail "noise is no anomaly"; }
echo '1,0,7,1' | "$tmp/detector" >"$tmp/log" 2>&1 && fail "a value outside the domain is taken"
"$tmp/imputer" <"$tmp/gaps.csv" >"$tmp/filled" 2>&1
n=$((n + 1)) # what was known stays; of what was not the means are those of bars
awk -F, -v bars="$bars" '
	BEGIN { split(bars, b) }
	NR == 1 { for (i = 1; i <= 16; i++) if ((i < 3 || i > 8) && $i != b[i]) exit 1 }
	NR == 2 { for (i = 1; i <= 16; i++) if (($i > 0.5) != b[i]) exit 1 }
	END { if (NR != 2) exit 1 }' "$tmp/filled" || { cp "$tmp/filled" "$tmp/log"; fail "imputer"; }
does "$tmp/sampler"
does "$tmp/caller"
does "$tmp/threads"
does env ASAN_OPTIONS=detect_leaks=1 "$tmp/threads.asan"
if command -v valgrind >/dev/null; then
	for example in threads sampler counts; do
		does valgrind -q --error-exitcode=9 --leak-check=full "$tmp/$example"
	done
else
	echo "no valgrind: left out"
fi
if python3 -c 'import numpy' 2>/dev/null; then
	n=$((n + 1))
	python3 caller.py "$tmp/bars.so" <"$tmp/rows.csv" >"$tmp/log" 2>&1
	sed 's/ anomaly//' "$tmp/energies" | awk 'NR == FNR { x[NR] = $1; next } { d = $1 - x[FNR]; if (d*d > 1e-8 || FNR > 2) bad = 1 } END { exit bad || FNR != 2 }' - "$tmp/log" ||
		fail "caller.py gives other numbers"
else
	echo "no numpy: caller.py left out"
fi

# ---- installed: the call of the compiler that README.md has, pkg-config, CMake ----
prefix=$tmp/prefix
mkdir "$tmp/model"
does cmake --install "$lib" --prefix "$prefix"
installed=$(dirname "$(find "$prefix" -name libdgmrt.a)")
export LIBRARY_PATH="$installed"
does "$prefix/bin/dgm" build bars.dgm --params "$params" --embed-params --shared -o "$tmp/installed.so"
does "$prefix/bin/dgm" build bars.dgm --params "$params" --embed-params -o "$tmp/model/bars.o"
does cc -I"$tmp/model" sampler.c "$tmp/model/bars.o" -ldgmrt -lopenblas -lm -o "$tmp/installed"
does "$tmp/installed"
unset LIBRARY_PATH
does "$dgm" build bars.dgm -o "$tmp/model/given.o"
# shellcheck disable=SC2086
does cc -std=c99 $strict -I"$tmp/model" -I"$prefix/include/dgm" from_file.c "$tmp/model/given.o" -L"$installed" -ldgmrt -lopenblas -lm -lcjson -o "$tmp/from_file"
does "$tmp/from_file" "$params"
n=$((n + 2))
"$tmp/from_file" "$tmp/missing.safetensors" >"$tmp/log" && fail "a file that is not there is loaded"
has 'missing.safetensors: No such file' "$tmp/log"
"$tmp/from_file" bars.dgm >"$tmp/log" && fail "a text is loaded as parameters"
if command -v pkg-config >/dev/null; then
	flags=$(PKG_CONFIG_PATH=$installed/pkgconfig pkg-config --cflags --libs dgmrt)
	# shellcheck disable=SC2086
	does cc -I"$tmp/model" sampler.c "$tmp/model/bars.o" $flags -o "$tmp/installed"
	does "$tmp/installed"
else
	echo "no pkg-config: left out"
fi
cat >"$tmp/model/CMakeLists.txt" <<-END
	cmake_minimum_required(VERSION 3.25)
	project(sampler C)
	find_package(dgmrt REQUIRED)
	add_executable(sampler $PWD/sampler.c bars.o)
	target_include_directories(sampler PRIVATE .)
	target_link_libraries(sampler dgm::dgmrt)
END
does cmake -G Ninja -S "$tmp/model" -B "$tmp/made" -DCMAKE_PREFIX_PATH="$prefix"
does cmake --build "$tmp/made"
does "$tmp/made/sampler"

# ---- freestanding objects, here and on other machines ----
there() { # PROGRAM...: are they all here?
	for program in "$@"; do
		command -v "$program" >/dev/null || { echo "no $program: $machine left out"; return 1; }
	done
}
embed() { # FOLDER FILE ARGS: the object `it` of the file, its header and calls in the folder
	folder=$tmp/$1 file=$2
	shift 2
	mkdir -p "$folder"
	does "$dgm" build "$file" -o "$folder/it.o" "$@"
	n=$((n + 1))
	nm "$folder/it.o" 2>/dev/null | awk '$1 == "U" && $2 !~ /^(memset|memcpy|__stack_pointer)$/' >"$tmp/log"
	[ ! -s "$tmp/log" ] || fail "$folder/it.o is not freestanding"
	awk -f calls.awk "$folder/it.h" >"$folder/calls"
}
agrees() { # NUMBERS: with those of the object that calls the runtime
	n=$((n + 1))
	paste "$tmp/hosted/out" "$1" | awk '
		NF == 6 { d = $2 - $5; s = $2 < 0 ? -$2 : $2; if ($1 != $4 || d*d > 4e-12*(1 + s)*(1 + s)) bad = 1 }
		END { exit bad || NR < 600 }' || { cp "$1" "$tmp/log"; fail "other numbers on $machine"; }
}
checks() { # COMPILER RUN LIBRARIES: the object of the folder; its numbers are in the folder's `out`
	# shellcheck disable=SC2086
	does $1 -std=c99 $strict -I"$folder" -DHEADER='"it.h"' -DCALLS='"calls"' check.c "$folder/it.o" $3 -lm -o "$folder/check"
	# shellcheck disable=SC2086
	$2 "$folder/check" >"$folder/out"
}
on() { # MACHINE COMPILER RUN PROGRAM...: bars.dgm in vectors, and kinds.dgm one number after the other
	machine=$1 compiler=$2 run=$3
	shift 3
	for mode in vectors --scalar; do
		args="--freestanding --target $machine"
		[ "$machine" = here ] && args=--freestanding
		# shellcheck disable=SC2086
		case $mode in
		--scalar) embed "$machine$mode" machines/kinds.dgm $args --scalar ;;
		*) embed "$machine" bars.dgm --params "$params" --embed-params $args ;;
		esac
		there "$@" || continue
		case $machine in
		wasm32)
			does wasm-ld --no-entry --export-all "$folder/it.o" -o "$folder/it.wasm"
			node check.js "$folder/it.wasm" "$folder/calls" >"$folder/out"
			;;
		armv7em) # its code is run as that of a larger ARM, which its attributes speak against
			does arm-linux-gnueabihf-objcopy -R .ARM.attributes "$folder/it.o"
			checks "$compiler" "$run" -static
			;;
		*) checks "$compiler" "$run" -static ;;
		esac
		case $machine$mode in # vectors of one length give the same bits
		*--scalar) same=$tmp/one ;;
		riscv64* | armv7em*) same=$tmp/scalar ;;
		here* | x86-64-v3*) same=$tmp/wide ;;
		*) same=$tmp/narrow ;;
		esac
		[ "$mode" = --scalar ] || agrees "$folder/out"
		awk '{ print $1, $3 }' "$folder/out" >"$folder/bits"
		[ -f "$same" ] || cp "$folder/bits" "$same"
		does cmp "$same" "$folder/bits"
	done
}
covered() { # all functions of embed.c but those that need the runtime, and all operations but the library's
	for f in energy free_energy pseudo_log_likelihood predict mean draw encode decode sample sweep complete log_probability elbo \
		log_probability_bound free_energy_bound; do
		n=$((n + 1))
		grep -q "_$f[_a-z]* status 0" "$tmp/here--scalar/out" || fail "kinds.dgm has no $f, or it fails"
	done
	for op in $(grep -v 'LIBRARY\|DRAW\|UNIT_\|XLOGX\|GATE' ../../compiler/expr/op.def | sed -n 's/^OP([A-Z_0-9]*, "\([a-z]*\)".*/\1/p'); do
		has "$op" machines/kinds.dgm # the others come of units on [0, 1], entropies and chains
	done
}
mkdir "$tmp/hosted"
cp "$tmp/bars.o" "$tmp/hosted/it.o"
cp "$tmp/bars.h" "$tmp/hosted/it.h"
folder=$tmp/hosted
awk -f calls.awk "$folder/it.h" >"$folder/calls"
checks cc "" "$libs"
on here cc ""
covered
case $(uname -m) in
x86_64)
	on x86-64 cc ""
	on x86-64-v3 cc ""
	;;
esac
on aarch64 aarch64-linux-gnu-gcc qemu-aarch64 aarch64-linux-gnu-gcc qemu-aarch64
on riscv64 riscv64-linux-gnu-gcc qemu-riscv64 riscv64-linux-gnu-gcc qemu-riscv64
on armv7em "arm-linux-gnueabihf-gcc -mthumb" qemu-arm arm-linux-gnueabihf-gcc arm-linux-gnueabihf-objcopy qemu-arm
on wasm32 "" "" wasm-ld node

# ---- weights of few bits ----
export DGM_DATA="$tmp"
awk 'BEGIN { srand(1); for (r = 0; r < 20; r++) for (i = 0; i < 784; i++) printf "%d%s", rand() < 0.3, i < 783 ? "," : "\n" }' >"$tmp/pictures.csv"
does "$dgm" run large.dgm --out "$tmp/large" --quiet
large=$tmp/large/large.safetensors
scores() { # BITS: the scores of large.dgm with weights of so many bits
	does "$dgm" build large.dgm --params "$large" --embed-params --quantize "$1" -o "$tmp/large.o"
	# shellcheck disable=SC2086
	does cc -std=c99 $strict -I"$tmp" large.c "$tmp/large.o" $libs -o "$tmp/score"
	"$tmp/score" >"$tmp/$1"
}
close() { # NUMBERS NUMBERS RELATIVE: are the last columns near one another?
	n=$((n + 1))
	paste "$1" "$2" | awk -v near="$3" '
		{ d = $2 - $4; if (NF != 4 || d*d > near*near*(1 + $2*$2)) bad = 1 }
		END { exit bad || NR != 6 }' || { paste "$1" "$2" >"$tmp/log"; fail "$2 is not near $1"; }
}
scores none
scores bf16
close "$tmp/none" "$tmp/bf16" 0.01
scores int8
close "$tmp/none" "$tmp/int8" 0.05
has 'Parameters as int8: W; the log-likelihood is' "$tmp/large.h"
has 'measured on 20 examples of pictures (data key fixed)' "$tmp/large.h"
machine=armv7em
mkdir -p "$tmp/m4"
does "$dgm" build large.dgm --params "$large" --embed-params --quantize int8 --freestanding --target armv7em -o "$tmp/m4/large.o" --sizes
cp "$tmp/log" "$tmp/sizes"
n=$((n + 1)) # a byte a weight, four a bias and a scale, and what lies behind arrays; no variables
awk '$1 == "text" { if ($2 > 30000 || $4 < 784*500 + 4*(784 + 2*500) || $4 > 784*500 + 4*(784 + 2*500) + 1024 || $6 + $8 != 0) exit 1; ok = 1 }
	END { exit !ok }' "$tmp/sizes" || fail "sizes of large.dgm"
if there arm-linux-gnueabihf-gcc qemu-arm; then
	does arm-linux-gnueabihf-gcc -mthumb -mcpu=cortex-m4 -mfpu=fpv4-sp-d16 -mfloat-abi=hard -fomit-frame-pointer -std=c99 $strict \
		-ffreestanding -nostdlib -static -I"$tmp/m4" bare.c "$tmp/m4/large.o" -o "$tmp/m4/bare"
	does qemu-arm "$tmp/m4/bare"
	awk '$1 == "stack" { print $2 }' "$tmp/log" >"$tmp/m4/stack"
	grep -v stack "$tmp/log" >"$tmp/m4/scores"
	close "$tmp/int8" "$tmp/m4/scores" 1e-4
	n=$((n + 1)) # what was seen of the stack, with that of the caller, is what was said
	said=$(awk '$1 == "large_free_energy" { print $2 }' "$tmp/sizes")
	[ "$(cat "$tmp/m4/stack")" -le $((said + 64)) ] && [ "$(cat "$tmp/m4/stack")" -ge $((said - 64)) ] ||
		fail "the stack is $(cat "$tmp/m4/stack") bytes, at most $said were said"
fi
DGM_DATA=$tmp/nowhere
does "$dgm" build large.dgm --params "$large" --embed-params --quantize int8 -o "$tmp/large.o"
has 'measured on 2000 samples of the model, for want of data' "$tmp/large.h"

# ---- trainings ----
does "$dgm" build train.dgm --train -o "$tmp/train.o"
echo '#include "train.h"' >"$tmp/train.c"
# shellcheck disable=SC2086
does cc -std=c99 $strict -fsyntax-only "$tmp/train.c"
# shellcheck disable=SC2086
does c++ -std=c++11 $strict -fsyntax-only -x c++ "$tmp/train.c"
has 'train_step: the file has no train block of the whole model' "$tmp/train.h"
mkdir -p "$tmp/learn"
does "$dgm" build bars.dgm --train -o "$tmp/learn/bars.o"
# shellcheck disable=SC2086
does cc -std=c99 $strict -I"$tmp/learn" trainer.c "$tmp/learn/bars.o" $libs -o "$tmp/trainer"
# shellcheck disable=SC2086
does cc -std=c99 -g -fsanitize=address,undefined -I"$tmp/learn" trainer.c "$tmp/learn/bars.o" $libs -o "$tmp/trainer.asan"
does "$tmp/trainer"
n=$((n + 1)) # 16 units that nobody knows anything of have -11
awk '{ if ($1 > -2 && $1 < 0) ok = 1 } END { exit !ok }' "$tmp/log" || fail "trainer has not learned"
does env ASAN_OPTIONS=detect_leaks=1 "$tmp/trainer.asan"

# ---- what is wrong ----
refuses 2 "--train goes without --freestanding" bars.dgm --train --freestanding
refuses 2 "--quantize int4: there are none, bf16 and int8" bars.dgm --params "$params" --embed-params --quantize int4
refuses 2 "--quantize int8 needs --embed-params" bars.dgm --params "$params" --quantize int8
refuses 2 "--target armv7em needs --freestanding" bars.dgm --target armv7em
refuses 2 "--scalar needs --freestanding" bars.dgm --scalar
refuses 2 "--target wasm32 goes without --shared" bars.dgm --target wasm32 --freestanding --shared
refuses 2 "--embed-params needs --params" bars.dgm --embed-params
refuses 2 "there is no target 'x86_64'; did you mean x86-64" bars.dgm --target x86_64
refuses 3 "No such file or directory" bars.dgm -o "$tmp/nowhere/x.o"
refuses 3 "No such file or directory" bars.dgm -o "$tmp/x.o" --header "$tmp/nowhere/x.h"
refuses 3 "missing.safetensors" bars.dgm --params "$tmp/missing.safetensors" -o "$tmp/x.o"
head -c 300 "$params" >"$tmp/short.safetensors"
refuses 3 "short.safetensors" bars.dgm --params "$tmp/short.safetensors" -o "$tmp/x.o"
refuses 3 "parameter 'W' has shape [16,16], the model has [16,8]" bars.dgm --set H=8 --params "$params" -o "$tmp/x.o"
changed() { # NAME SED: the parameters with another header, of the same length
	sed "s/dgm_digest/old_digest/; $2" "$params" >"$tmp/$1.safetensors"
}
changed type 's/"F32"/"I32"/'
refuses 3 "is of type I32, expected F32" bars.dgm --params "$tmp/type.safetensors" -o "$tmp/x.o"
changed name 's/"W":/"X":/'
refuses 3 "there is no parameter 'W' in it" bars.dgm --params "$tmp/name.safetensors" -o "$tmp/x.o"
changed last ''
{ head -c -4 "$tmp/last.safetensors"; printf '\377\377\377\377'; } >"$tmp/nan.safetensors"
refuses 3 "holds NaN" bars.dgm --params "$tmp/nan.safetensors" -o "$tmp/x.o"
{ cat bars.dgm; sed -n '/^model/,/^}/p' bars.dgm | sed 's/bars/twin/'; } >"$tmp/two.dgm"
refuses 2 "has 2 models with parameters: --params MODEL=F.safetensors" "$tmp/two.dgm" --params "$params" --embed-params
refuses 2 "model 'bars' is given two files" "$tmp/two.dgm" --params bars="$params" --params bars="$params"
refuses 2 "has no model 'trine', and there is no file 'trine=x'" "$tmp/two.dgm" --params trine=x
refuses 2 "model 'twin' has no file: --params twin=" "$tmp/two.dgm" --params bars="$params" --embed-params
does "$dgm" build "$tmp/two.dgm" --params bars="$params" --params twin="$params" --embed-params -o "$tmp/two.o"
does "$dgm" build bars.dgm --params "$params" -o "$tmp/two.o"
has "without --embed-params the object has none of it" "$tmp/log"
echo 'data d = csv("x.csv");' >"$tmp/none.dgm"
cp bars.dgm "$tmp/own.dgm"
refuses 2 "would be written over the file to be built" "$tmp/own.dgm" -o "$tmp/own.dgm"
refuses 2 "would be written over the file to be built" "$tmp/own.dgm" -o "$tmp/x.o" --header "$tmp/../${tmp##*/}/own.dgm"
refuses 2 "would be written over the file of parameters" bars.dgm --params "$params" --embed-params -o "$params"
refuses 2 "would be written over the object" bars.dgm -o "$tmp/x.o" --header "$tmp/x.o"
cmp -s bars.dgm "$tmp/own.dgm" || fail "a file to be built was written over"
refuses 1 "no model to build" "$tmp/none.dgm" -o "$tmp/x.o"

echo "$n cases, $failed failures"
[ "$failed" -eq 0 ]
