#!/bin/sh
# Compiles the programs of Linux's tools/testing/selftests/mm, unchanged, as static riscv64 programs.
# Usage: build.sh LINUX-SOURCE OUT [PROGRAM...]
set -eu
[ $# -ge 2 ] || { echo "usage: $0 LINUX-SOURCE OUT [PROGRAM...]" >&2; exit 2; }
here=$(cd "$(dirname "$0")" && pwd)
linux=$(cd "$1" && pwd)
mkdir -p "$2"
out=$(cd "$2" && pwd)
shift 2
cc=${CC:-riscv64-linux-gnu-gcc}
mm=$linux/tools/testing/selftests/mm
[ -f "$mm/cow.c" ] || { echo "$0: $mm holds no selftests of memory" >&2; exit 2; }

make -s -C "$linux" headers_install ARCH=riscv O="$out/.obj" INSTALL_HDR_PATH="$out/.headers"
# The file that the folder's own check_config.sh makes where there is no liburing.
mkdir -p "$out/.config"
: > "$out/.config/local_config.h"

failed=0
for source in "$mm"/*.c; do
	name=$(basename "$source" .c)
	case " ${*:-$name} " in *" $name "*) ;; *) continue ;; esac
	more="$mm/vm_util.c $mm/thp_settings.c"
	case $name in
	vm_util | thp_settings | uffd-common | protection_keys | pkey_sighandler_tests) continue ;;
	uffd-*) more="$more $mm/uffd-common.c" ;;
	esac
	# Their own Makefile compiles in their folder: some make files beside what __FILE__ says.
	# khugepaged.c of the stable tree uses KSFT_SKIP without the header that defines it.
	"$cc" -static -O2 -w -U_FORTIFY_SOURCE -DKSFT_SKIP=4 -fmacro-prefix-map="$mm/=" -I "$out/.headers/include" -I "$here/include" -I "$out/.config" -I "$linux" \
		-I "$linux/tools/testing/selftests" -o "$out/$name" "$source" $more -lrt -lpthread -lm ||
		{ echo "$0: $name does not compile" >&2; failed=1; }
done
exit $failed
