#!/bin/sh
# Builds the Debian package out of the tree as it is, into the folder that is named.
#
# DEB_BUILD_OPTIONS=noopt is quick, and what the tests of the package use. With vendor/ (`make vendor`)
# nothing is fetched.
set -eu

cd "$(dirname "$0")/../.."
mkdir -p "$1"
out=$(cd "$1" && pwd)
version=$(dpkg-parsechangelog -l contrib/debian/changelog -S Version)
work=$out/build/recruit-milter-$version
rm -rf "$work"
mkdir -p "$work"

contrib/dev/files.sh > "$out/build/files"
tar --create --null --files-from="$out/build/files" | tar --extract --directory "$work"
cp -R contrib/debian "$work/debian"
[ ! -d vendor ] || ln -s "$PWD/vendor" "$work/vendor"

# A toolchain from elsewhere (rustup) is as good as Debian's, of which dpkg alone knows.
minimum=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
without_check=-d
for package in cargo cargo-web; do
    packaged=$(dpkg-query -W -f '${Version}' "$package" 2>/dev/null || true)
    ! dpkg --compare-versions "${packaged:-0}" ge "$minimum" || without_check=
done

# shellcheck disable=SC2086 # none or one
(cd "$work" && dpkg-buildpackage --build=binary --no-sign $without_check)
mv "$out"/build/recruit-milter*_"$version"_*.deb "$out"/
echo "built:"
ls -1 "$out"/*.deb
