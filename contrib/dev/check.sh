#!/bin/sh
# The parts of `make check`, one after the other. What is the first to fail is the last to run; at the end, in
# either case, what came of each and how long it took. The argument is the make(1) that runs them.
set -u
make=${1:-make}

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
