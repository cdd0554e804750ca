#!/bin/sh
# Packs the tree as it is, and the crates that it needs, into the folder that is named: two archives that are the
# same bytes whenever and wherever they are packed.
set -eu

cd "$(dirname "$0")/../.."
mkdir -p "$1"
out=$(cd "$1" && pwd)
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
name=recruit-milter-$version
epoch=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || stat -c %Y Cargo.lock)}
same="--sort=name --mtime=@$epoch --owner=0 --group=0 --numeric-owner --format=gnu"

[ -d vendor ] || cargo vendor --locked --versioned-dirs >/dev/null
files=$(mktemp)
trap 'rm -f "$files"' EXIT
contrib/dev/files.sh > "$files"
# shellcheck disable=SC2086 # a list of words
tar --create --null --files-from="$files" $same --transform "s|^|$name/|S" | gzip -n > "$out/$name.tar.gz"
# shellcheck disable=SC2086
tar --create --dereference $same vendor | gzip -n > "$out/$name-vendor.tar.gz"
