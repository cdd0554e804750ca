#!/bin/sh
# Format, what nothing uses (src/unused.rs) and clippy, warnings denied. Where one of them is not installed it is left out and that is said; CI must
# have both.
set -eu
cargo=${CARGO:-cargo}

left_out() {
    echo "lint: cargo $1 is not installed: left out" >&2
    [ -z "${CI-}" ]
}

if "$cargo" fmt --version >/dev/null 2>&1; then "$cargo" fmt --check; else left_out fmt; fi
"$cargo" check --locked --quiet --features look-for-unused --example unused
if "$cargo" clippy --version >/dev/null 2>&1; then
    "$cargo" clippy --locked --all-targets -- -D warnings
else
    left_out clippy
fi
