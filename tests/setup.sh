# What tests/run and models/demo share; sourced with $root set to the top of the source tree.
#   need PACKAGE...     installs the Debian packages that are missing, or says which they are
#   build FOLDER TYPE   configures and builds a tree ($root/FOLDER) of the build type TYPE

toolchain="gcc g++ valgrind libc6-dev cmake ninja-build flex bison llvm-19-dev libopenblas-dev libcunit1-dev
zlib1g-dev libpng-dev libcjson-dev libmatio-dev librandom123-dev"
# What tests/embed runs objects for other machines with, where it is there.
# shellcheck disable=SC2034
cross="qemu-user gcc-aarch64-linux-gnu gcc-riscv64-linux-gnu gcc-arm-linux-gnueabihf lld nodejs"
datasets="dataset-fashion-mnist"

has() { # PACKAGE
	dpkg-query -W -f '${Status}' "$1" 2>/dev/null | grep -q 'ok installed'
}

need() { # PACKAGE...
	missing=
	for package in "$@"; do
		has "$package" || missing="$missing $package"
	done
	[ -z "$missing" ] && return 0
	if [ "$(id -u)" -eq 0 ]; then
		as_root=
	elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
		as_root="sudo -n"
	else
		echo "missing packages, to be installed by root: apt-get install$missing" >&2
		return 1
	fi
	echo "installing$missing"
	# The lists may be old or absent; where they cannot be had, what is on the disk has to do.
	$as_root env DEBIAN_FRONTEND=noninteractive apt-get -q update >/dev/null || true
	# shellcheck disable=SC2086
	if ! $as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends install $missing \
		>/dev/null; then
		echo "these packages could not be installed:$missing" >&2
		return 1
	fi
}

build() { # FOLDER TYPE
	cache=$root/$1/CMakeCache.txt
	# A tree configured elsewhere (a copied folder) cannot be used.
	if [ -f "$cache" ] && ! grep -qxF "CMAKE_HOME_DIRECTORY:INTERNAL=$root" "$cache"; then
		rm -rf "${root:?}/$1"
	fi
	set -- "$1" "$2" -G Ninja
	[ -f "$cache" ] && set -- "$1" "$2"
	tree=$1 type=$2
	shift 2
	cmake -S "$root" -B "$root/$tree" -DCMAKE_BUILD_TYPE="$type" "$@" >"$root/.configure.log" 2>&1 || {
		cat "$root/.configure.log" >&2
		rm -f "$root/.configure.log"
		return 1
	}
	rm -f "$root/.configure.log"
	cmake --build "$root/$tree" --parallel "$(nproc)"
}
