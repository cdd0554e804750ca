#!/bin/sh
# Fuzzes the readers: contrib/dev/fuzz.sh [TARGET ...], by default all of tests/fuzz/targets.
#
#   MINUTES=60      how long each target is fuzzed; 0 tries only what is known already
#   SANITIZER=none  address finds more in code that is not safe, at half the speed
#   COVERAGE=yes    prints line coverage at the end (needs rustup's llvm-tools)
#
# Findings are in target/fuzz/artifacts; the exit status says whether there are any. What was
# learnt is kept in target/fuzz/corpus, so that the next run goes on from there.
set -eu
cd "$(dirname "$0")/../.."

minutes=${MINUTES-60}
sanitizer=${SANITIZER-none}
targets=${*:-header forward explain}
work=$PWD/target/fuzz
host=$(rustc -vV | sed -n 's/^host: //p')
# cargo-fuzz asks for compiler flags that only a nightly compiler takes without this.
export RUSTC_BOOTSTRAP=1

command -v cargo-fuzz >/dev/null 2>&1 || {
    echo "fuzz: cargo-fuzz is missing: cargo install cargo-fuzz --locked" >&2
    exit 69
}
mkdir -p "$work/artifacts"

echo "fuzz: seeds"
SEEDS="$work/seeds" cargo test --locked --quiet --test reading the_corpus_is_written \
    -- --ignored >/dev/null
cp tests/golden/*.eml tests/reading/fixtures/*.eml "$work/seeds/"

failed=0
for target in $targets; do
    echo "fuzz: building $target"
    cargo fuzz build --fuzz-dir tests/fuzz --target-dir "$work" -s "$sanitizer" "$target"
    mkdir -p "$work/corpus/$target"
    log=$work/$target.log
    echo "fuzz: $target for $minutes minutes, log in $log"
    rm -f "$work/artifacts/$target-"*
    : >"$log"
    end=$(($(date +%s) + minutes * 60))
    limit=-runs=0
    # libFuzzer ends with a finding; an hour shall be an hour.
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        left=$((end - $(date +%s)))
        [ "$minutes" -eq 0 ] || limit=-max_total_time=$left
        [ "$minutes" -eq 0 ] || [ "$left" -gt 0 ] || break
        "$work/$host/release/$target" "$limit" -max_len=20000 -timeout=10 -rss_limit_mb=2048 \
            -dict=tests/fuzz/mail.dict "-artifact_prefix=$work/artifacts/$target-" \
            "$work/corpus/$target" "$work/seeds" "tests/fuzz/regressions/$target" \
            >>"$log" 2>&1 && break
    done
    grep -E '^#.*(DONE|INITED)' "$log" | tail -n 1
    if ls "$work/artifacts/$target-"* >/dev/null 2>&1; then
        echo "fuzz: $target has findings:"
        ls "$work/artifacts/$target-"*
        failed=1
    fi
    if [ "${COVERAGE-}" = yes ]; then
        contrib/dev/fuzz-coverage.sh "$target"
    fi
done
exit "$failed"
