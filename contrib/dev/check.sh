#!/bin/sh
# The parts of `make check`, one after the other. What is the first to fail is the last to run; at the end, in
# either case, what came of each and how long it took. The argument is the make(1) that runs them.
set -u
make=${1:-make}

target=${CARGO_TARGET_DIR:-target}
mkdir -p "$target" || exit 1

# Where the disk is nearly full Postfix answers 452, and each test tells it in words of its own.
room() {
    free=$(df -Pk "$1" | awk 'NR == 2 { print int($4 / 1048576) }')
    if [ "$free" -lt "$2" ]; then
        echo "check: $1 has $free GB free and $2 are needed: make room, or set $3 to another folder" >&2
        exit 1
    fi
}
room "$target" "${NEEDS_GB:-7}" CARGO_TARGET_DIR
room "${TMPDIR:-/tmp}" "${NEEDS_GB:-2}" TMPDIR

status=0
summary=
for part in deps lint docs drift test; do
    if [ "$status" != 0 ]; then
        summary="$summary$(printf '\ncheck: %-5s        not run' "$part")"
        continue
    fi
    begin=$(date +%s)
    "$make" --no-print-directory "$part" || status=$?
    took=$(($(date +%s) - begin))
    result=ok
    [ "$status" = 0 ] || result="FAILED ($status)"
    summary="$summary$(printf '\ncheck: %-5s %5d s  %s' "$part" "$took" "$result")"
done
echo "$summary"
exit "$status"
