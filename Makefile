# recruit-milter: the commands a developer needs. `make help` lists them.

CARGO ?= cargo
export CARGO_TERM_COLOR ?= auto
# A private Postfix has to be started as root.
ifneq ($(shell id -u),0)
AS_ROOT = --config 'target."cfg(unix)".runner="sudo"'
endif

.PHONY: help build check test lint docs drift demo bench fuzz deps fmt clean

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 10

build: ## the program, optimised
	$(CARGO) build --release --locked

check: deps lint docs drift test ## everything that CI runs

deps: ## install what tests and demo need
	@contrib/dev/install-deps.sh

lint: ## format and clippy, warnings denied
	$(CARGO) fmt --check
	$(CARGO) clippy --locked --all-targets -- -D warnings

docs: ## the documentation of the code, warnings denied
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --no-deps --document-private-items

test: deps ## all tests, those against a real Postfix among them
	$(CARGO) $(AS_ROOT) test --locked

drift: ## what is written twice must agree
	$(CARGO) run --locked --quiet -- check --config conf/recruit-milter.toml
	@git ls-files '*.sh' .ci/run | xargs -n1 sh -n

demo: ## a company, a recruiting system and mail between them, on loopback; KEEP=1 leaves it running
	@contrib/dev/install-deps.sh demo
	@$(CARGO) build --locked --quiet
	@$(CARGO) $(AS_ROOT) run --locked --quiet --example demo -- $(if $(KEEP),--keep)

bench: deps ## what it costs, as ratios
	$(CARGO) $(AS_ROOT) bench --locked

fuzz: ## fuzz the readers, an hour each; MINUTES=5 for less (tests/fuzz/README.md)
	@contrib/dev/fuzz.sh

fmt: ## format the code
	$(CARGO) fmt

clean: ## remove what was built
	$(CARGO) clean
