#!/bin/sh
# Installs what this machine lacks, on Debian 12 and 13: `deb` or `rpm` what a package is built with, `demo` what
# the demo needs, and without a word what the tests need.
#
# Services of these packages are neither configured nor started: the tests run private instances of
# their own. Uses sudo where it is not root. Does nothing where everything is there.
set -eu

build="ca-certificates gcc libc6-dev make"
deb="debhelper dh-apparmor libsqlite3-dev pkgconf"
rpm="libsqlite3-dev pkgconf rpm"
demo="dovecot-core openssl postfix"
# What looks at the packages.
packaging="devscripts lintian mmdebstrap rpmlint strace systemd-container"
case "${1-}" in
    deb) packages="$build $deb" ;;
    rpm) packages="$build $rpm" ;;
    demo) packages="$build $demo" ;;
    *) packages="$build $demo $deb $rpm $packaging apparmor libmilter-dev opendkim postgresql postsrsd python3 python3-dkim swaks systemd libauthen-sasl-perl libio-socket-ssl-perl libnet-ssleay-perl libnet-dns-perl" ;;
esac

if ! command -v apt-get >/dev/null 2>&1; then
    # rpmbuild says by itself what it needs; all else is made for Debian.
    [ "${1-}" != rpm ] || exit 0
    echo "install-deps: this is no Debian; needed are, by their names there: $packages" >&2
    exit 69
fi

missing=
for package in $packages; do
    state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
    [ "$state" = installed ] || missing="$missing $package"
done
command -v cargo >/dev/null 2>&1 || missing="$missing cargo rustfmt rust-clippy"
[ -n "$missing" ] || exit 0

root=
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null 2>&1 || {
        echo "install-deps: run as root, or install sudo; missing:$missing" >&2
        exit 69
    }
    root=sudo
fi

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
    $root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $missing
}
# The package lists may be old or empty; then once more with new ones.
install || { $root apt-get update -q && install; }
