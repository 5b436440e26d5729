#!/bin/sh
# The front end under libFuzzer, with sanitizers: builds in build-fuzz/ with clang and runs.
# Call: libfuzzer.sh [SECONDS].  Not part of tests/run.
root=$(cd "$(dirname "$0")/../.." && pwd) || exit 2
command -v clang >/dev/null || { echo "clang is not installed (apt-get install clang)"; exit 77; }
flags="-fsanitize=address,undefined,fuzzer-no-link -fno-sanitize-recover=undefined -g -O1"
tree=$root/build-fuzz
cmake -S "$root" -B "$tree" -G Ninja -DCMAKE_C_COMPILER=clang -DCMAKE_BUILD_TYPE=None -DDGM_WERROR=OFF \
	-DCMAKE_C_FLAGS="$flags" >/dev/null && cmake --build "$tree" --target base syntax expr sema >/dev/null || exit 2
objects=$(find "$tree/CMakeFiles/base.dir" "$tree/CMakeFiles/syntax.dir" "$tree/CMakeFiles/expr.dir" \
	"$tree/CMakeFiles/sema.dir" -name '*.o')
# shellcheck disable=SC2086
clang -fsanitize=address,undefined,fuzzer -g -O1 -I"$root/compiler" "$root/tests/fuzz/frontend.c" $objects -lm \
	-o "$tree/frontend" || exit 2
mkdir -p "$tree/corpus"
cp "$root"/tests/*/*.dgm "$root"/models/*.dgm "$tree/corpus/"
cd "$tree" && ASAN_OPTIONS=detect_leaks=0 ./frontend -max_total_time="${1:-60}" -max_len=4096 -timeout=10 corpus
