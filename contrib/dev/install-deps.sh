#!/bin/sh
# Installs what this machine lacks, on Debian 12 and 13: `deb` or `rpm` what a package is built with, `demo` what
# the demo needs, `acceptance` what `make acceptance` needs besides, and without a word what the tests need.
#
# Services of these packages are neither configured nor started: the tests run private instances of
# their own. Uses sudo where it is not root. Removes nothing. Does nothing where everything is there.
set -eu

build="ca-certificates gcc libc6-dev make"
deb="build-essential debhelper dh-apparmor libsqlite3-dev pkgconf"
rpm="libsqlite3-dev pkgconf rpm"
demo="dovecot-core openssl postfix"
# What looks at the packages.
packaging="devscripts lintian mmdebstrap rpmlint strace systemd-container"
# Debian's cargo is older than ours has to be. A current one is in its security suites, under another name.
rust="cargo-web rustc-web"
linters=
case "${1-}" in
    deb) packages="$build $deb" ;;
    rpm) packages="$build $rpm" ;;
    demo) packages="$build $demo" ;;
    acceptance) packages="amavisd-new" ;;
    *)
        packages="$build $demo $deb $rpm $packaging apparmor libmilter-dev opendkim postgresql postsrsd python3 python3-dkim sqlite3 swaks systemd libauthen-sasl-perl libio-socket-ssl-perl libnet-ssleay-perl libnet-dns-perl"
        linters="rustfmt-web rust-web-clippy"
        ;;
esac

minimum=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' "$(dirname "$0")/../../Cargo.toml")
# Whether a version, of Rust or of a package of it, is as new as it has to be.
new_enough() {
    case $1 in [0-9]*) printf '%s\n%s\n' "$minimum" "$1" | sort -V -C ;; *) false ;; esac
}
is_installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

if command -v cargo >/dev/null 2>&1; then
    for program in cargo rustc; do
        version=$("$program" --version 2>/dev/null | cut -d ' ' -f 2)
        ! new_enough "$version" || continue
        echo "install-deps: Rust $minimum or later is needed, and $program is ${version:-none}. Nothing was installed." >&2
        if command -v rustup >/dev/null 2>&1; then
            echo "  rustup default stable && rustup update stable" >&2
        else
            echo "  Debian has a current one, in place of this one:  apt-get install $rust $linters" >&2
            echo "  or see https://rustup.rs" >&2
        fi
        exit 69
    done
    rust=
fi

if ! command -v apt-get >/dev/null 2>&1; then
    # rpmbuild says by itself what it needs; all else is made for Debian.
    [ "${1-}" != rpm ] || exit 0
    echo "install-deps: this is no Debian; needed are, by their names there: $packages $rust" >&2
    exit 69
fi
# Those of Debian go with its compiler alone.
[ -n "$rust" ] || is_installed cargo-web || linters=

missing=
for package in $packages $rust $linters; do
    is_installed "$package" || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

root=
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null 2>&1 || {
        echo "install-deps: run as root, or install sudo; missing:$missing" >&2
        exit 69
    }
    root=sudo
fi

candidate() { LC_ALL=C apt-cache policy "$1" | sed -n 's/^ *Candidate: //p'; }
if [ -n "$rust" ] && ! new_enough "$(candidate cargo-web)"; then
    # The package lists may be old or empty.
    $root apt-get update -q
    new_enough "$(candidate cargo-web)" || {
        echo "install-deps: there is no cargo here, and no cargo-web of Rust $minimum or later to be had. Nothing was installed." >&2
        echo "  It is in Debian's security suites: is one in /etc/apt/sources.list?" >&2
        echo "  or see https://rustup.rs" >&2
        exit 69
    }
fi
for package in $linters; do
    # `make lint` tells what it had to leave out.
    new_enough "$(candidate "$package")" || missing=$(echo "$missing" | sed "s/ $package//")
done

echo "install-deps: installing$missing"
# Postfix's installer asks for a kind of site, and packages start their services: neither here.
policy=/usr/sbin/policy-rc.d
made_policy=
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' | $root tee "$policy" >/dev/null
    $root chmod 755 "$policy"
    made_policy=yes
fi
# shellcheck disable=SC2329 # called by the trap
cleanup() { [ -z "$made_policy" ] || $root rm -f "$policy"; }
trap cleanup EXIT

case $missing in *postfix*)
    echo "postfix postfix/main_mailer_type select No configuration" | $root debconf-set-selections ;;
esac
install() {
    # shellcheck disable=SC2086 # a list of words
    $root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends --no-remove $missing
}
# The package lists may be old or empty; then once more with new ones.
install || { $root apt-get update -q && install; }
