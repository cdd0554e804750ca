# recruit-milter: the commands a developer needs. `make help` lists them.

CARGO ?= cargo
export CARGO_TERM_COLOR ?= auto
# A private Postfix has to be started as root.
ifneq ($(shell id -u),0)
AS_ROOT = --config 'target."cfg(unix)".runner="sudo"'
endif

VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)

# Where `make install` puts things; DESTDIR stands before all of it.
PREFIX     ?= /usr/local
SBINDIR    ?= $(PREFIX)/sbin
MANDIR     ?= $(PREFIX)/share/man
DATADIR    ?= $(PREFIX)/share
DOCDIR     ?= $(DATADIR)/doc/recruit-milter
SYSCONFDIR ?= /etc
UNITDIR    ?= $(PREFIX)/lib/systemd/system
SYSUSERSDIR ?= $(PREFIX)/lib/sysusers.d
TMPFILESDIR ?= $(PREFIX)/lib/tmpfiles.d
PROGRAM    ?= target/release/recruit-milter
INSTALL    ?= install

.PHONY: help acceptance acceptance-amavis acceptance-soak build install vendor deb rpm release reproducible audit check test lint docs drift demo bench fuzz deps fmt clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

build: ## the program, optimised
	$(CARGO) build --release --locked

install: ## what `make build` has built, its services, pages and examples: DESTDIR=, PREFIX=, SYSCONFDIR=
	$(INSTALL) -D -m 755 $(PROGRAM) $(DESTDIR)$(SBINDIR)/recruit-milter
	@# What the admin has written stays.
	[ -e $(DESTDIR)$(SYSCONFDIR)/recruit-milter/recruit-milter.toml ] || \
	    $(INSTALL) -D -m 644 conf/recruit-milter.toml $(DESTDIR)$(SYSCONFDIR)/recruit-milter/recruit-milter.toml
	$(INSTALL) -d -m 755 $(DESTDIR)$(SYSCONFDIR)/recruit-milter/conf.d
	$(INSTALL) -d -m 755 $(DESTDIR)$(UNITDIR)
	for unit in contrib/systemd/*.service contrib/systemd/*.socket; do \
	    sed -e 's|/usr/sbin/recruit-milter|$(SBINDIR)/recruit-milter|' -e 's|/etc/recruit-milter|$(SYSCONFDIR)/recruit-milter|' \
	        $(if $(filter-out /etc,$(SYSCONFDIR)),-e 's|recruit-milter run |&--config $(SYSCONFDIR)/recruit-milter/recruit-milter.toml |' \
	            -e 's|recruit-milter check |&--config $(SYSCONFDIR)/recruit-milter/recruit-milter.toml |') \
	        $$unit > $(DESTDIR)$(UNITDIR)/$${unit##*/} && chmod 644 $(DESTDIR)$(UNITDIR)/$${unit##*/} || exit 1; \
	done
	$(INSTALL) -D -m 644 contrib/systemd/recruit-milter.sysusers $(DESTDIR)$(SYSUSERSDIR)/recruit-milter.conf
	$(INSTALL) -d -m 755 $(DESTDIR)$(TMPFILESDIR) $(DESTDIR)$(SYSCONFDIR)/apparmor.d
	sed -e 's|/etc/recruit-milter|$(SYSCONFDIR)/recruit-milter|' contrib/systemd/recruit-milter.tmpfiles \
	    > $(DESTDIR)$(TMPFILESDIR)/recruit-milter.conf
	sed -e 's|/usr/sbin/recruit-milter|$(SBINDIR)/recruit-milter|' -e 's|/etc/recruit-milter|$(SYSCONFDIR)/recruit-milter|' \
	    contrib/apparmor/recruit-milter > $(DESTDIR)$(SYSCONFDIR)/apparmor.d/recruit-milter
	chmod 644 $(DESTDIR)$(TMPFILESDIR)/recruit-milter.conf $(DESTDIR)$(SYSCONFDIR)/apparmor.d/recruit-milter
	for page in contrib/man/*.[578]; do \
	    $(INSTALL) -D -m 644 $$page $(DESTDIR)$(MANDIR)/man$${page##*.}/$${page##*/} || exit 1; \
	done
	$(INSTALL) -D -m 644 contrib/completions/recruit-milter.bash $(DESTDIR)$(DATADIR)/bash-completion/completions/recruit-milter
	$(INSTALL) -D -m 644 contrib/completions/_recruit-milter $(DESTDIR)$(DATADIR)/zsh/site-functions/_recruit-milter
	$(INSTALL) -D -m 644 contrib/completions/recruit-milter.fish $(DESTDIR)$(DATADIR)/fish/vendor_completions.d/recruit-milter.fish
	$(INSTALL) -d -m 755 $(DESTDIR)$(DOCDIR)/examples
	$(INSTALL) -m 644 README.md CHANGELOG.md $(DESTDIR)$(DOCDIR)
	$(INSTALL) -m 644 conf/recruit-milter.toml contrib/monitoring/* $(DESTDIR)$(DOCDIR)/examples

vendor: ## the crates that are needed, in vendor/: from then on packages are built offline
	$(CARGO) vendor --locked --versioned-dirs > /dev/null

deb: ## a Debian package, in target/packages
	@contrib/dev/install-deps.sh deb
	@contrib/debian/build.sh target/packages

rpm: ## an RPM, in target/packages
	@contrib/dev/install-deps.sh rpm
	@contrib/rpm/build.sh target/packages

release: deb rpm ## packages, source with vendored crates, and a bill of materials (CycloneDX), in target/packages
	@contrib/dev/source.sh target/packages
	@command -v cargo-cyclonedx > /dev/null || $(CARGO) install --locked cargo-cyclonedx
	$(CARGO) cyclonedx --quiet --format json --spec-version 1.5 --no-default-features --override-filename recruit-milter-$(VERSION).cdx
	sed 's|path+file://$(CURDIR)|path+file:///usr/src/recruit-milter|g' recruit-milter-$(VERSION).cdx.json \
	    > target/packages/recruit-milter-$(VERSION).cdx.json && rm recruit-milter-$(VERSION).cdx.json
	cd target/packages && sha256sum *.deb *.rpm *.gz *.json > SHA256SUMS

reproducible: ## builds the packages twice, in different folders, and compares their bytes
	@contrib/dev/reproducible.sh

audit: ## licences, sources and known vulnerabilities of the crates
	@command -v cargo-deny > /dev/null || $(CARGO) install --locked cargo-deny
	$(CARGO) deny check

check: ## everything that CI runs; at the end, what took how long
	+@contrib/dev/check.sh '$(MAKE)'

deps: ## install what tests and demo need
	@contrib/dev/install-deps.sh

lint: ## format and clippy, warnings denied; what is not installed is left out, but not by CI
	@contrib/dev/lint.sh

docs: ## the documentation of the code, warnings denied
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --no-deps --document-private-items

test: deps ## all tests, those against a real Postfix among them
	$(CARGO) $(AS_ROOT) test --locked

acceptance: acceptance-amavis acceptance-soak ## what takes longer or needs more than CI has

acceptance-fresh: ## demo, check and packages on a Debian 12 and a Debian 13 with nothing on them
	@contrib/dev/install-deps.sh
	contrib/dev/fresh.sh bookworm 'make demo' 'make check' 'make deb'
	contrib/dev/fresh.sh trixie 'make demo' 'make check' 'make deb'

acceptance-amavis: deps ## copies through a real amavisd-new
	@contrib/dev/install-deps.sh acceptance
	$(CARGO) $(AS_ROOT) test --locked --test it amavisd -- --ignored

drift: ## what is written twice must agree
	$(CARGO) run --locked --quiet -- check --config conf/recruit-milter.toml
	@git ls-files '*.sh' .ci/run 'contrib/debian/*rm' 'contrib/debian/quick/p*' contrib/debian/tests/through-postfix | xargs -n1 sh -n

demo: ## a company, a recruiting system and mail between them, on loopback; KEEP=1 leaves it running
	@contrib/dev/install-deps.sh demo
	@$(CARGO) build --locked --example demo --bin recruit-milter
	@$(CARGO) $(AS_ROOT) run --locked --quiet --example demo -- $(if $(KEEP),--keep)

bench: deps ## what it costs, as ratios
	$(CARGO) $(AS_ROOT) bench --locked

acceptance-soak: deps ## an hour of mail and looks into the ledger, on both SQLites; MINUTES=5 for less
	for sqlite in --no-default-features --features=bundled-sqlite; do \
	    $(CARGO) build --locked --quiet $$sqlite && \
	    $(CARGO) $(AS_ROOT) run --locked --quiet $$sqlite --example soak -- $(MINUTES) || exit 1; \
	done

fuzz: ## fuzz the readers, an hour each; MINUTES=5 for less (tests/fuzz/README.md)
	@contrib/dev/fuzz.sh

fmt: ## format the code
	$(CARGO) fmt

clean: ## remove what was built
	$(CARGO) clean
