# One verb for each thing a person does with this repository. `make` alone lists them.
#
#   make demo    build, then show the main job on a virtual card: no reader needed
#   make test    everything: `check`, then the daemon against real peers
#   make check   format, lints, dependencies, unit tests
#   make bench   measure against the budgets, write target/bench/report.json
#   make fuzz    every parser against mutated input, FUZZ_SECONDS each
#   make audit   known vulnerabilities in the dependencies (fetches a database)
#   make dist    release tarball and Debian package in target/dist
#
# Each verb installs what it needs first (tests/setup; Debian or Ubuntu, sudo when not root).

SHELL := /bin/sh
CARGO ?= cargo
FUZZ_SECONDS ?= 20
TARGET_DIR := $(abspath $(or $(CARGO_TARGET_DIR),target))
HOST = $(shell rustc --version --verbose | sed -n 's/^host: //p')
# Cargo's variable for the program that runs test binaries: upper case, underscores.
RUNNER = CARGO_TARGET_$(shell echo $(HOST) | tr 'a-z-' 'A-Z_')_RUNNER

.PHONY: help setup demo test check e2e release bench fuzz audit dist clean
.DEFAULT_GOAL := help

help:
	@sed -n 's/^#   //p' Makefile

setup:
	@tests/setup build demo check test

demo:
	@tests/setup build demo
	$(CARGO) build --quiet --locked --package cps --package cps-tests --bins
	@$(TARGET_DIR)/debug/cpsd-demo

test: check e2e

check:
	@tests/setup build check
	$(CARGO) fmt --all --check
	$(TARGET_DIR)/tools/bin/cargo-deny --all-features check bans licenses sources
	$(CARGO) clippy --locked --workspace --all-targets -- --deny warnings
	$(CARGO) test --locked --workspace --exclude cps-tests

e2e:
	@tests/setup build test
	$(CARGO) build --locked --package cpsd --package cps --package cps-emulator \
	    --package cpsd-pkcs11 --bins --lib
	env $(RUNNER)=$(CURDIR)/tests/ns-run $(CARGO) test --locked --package cps-tests

# No path of this machine may be in a released binary; bench measures the same binaries.
RELEASE_FLAGS = --remap-path-prefix=$(CURDIR)=cpsd --remap-path-prefix=$(HOME)=home

release:
	RUSTFLAGS="$(RELEASE_FLAGS)" $(CARGO) build --locked --release --package cpsd --package cps --bins
	RUSTFLAGS="$(RELEASE_FLAGS)" $(CARGO) build --locked --release --package cpsd-pkcs11 --lib

bench:
	@tests/setup build test
	@$(MAKE) --no-print-directory release
	RUSTFLAGS="$(RELEASE_FLAGS)" $(CARGO) build --locked --release --package cps-tests --bin cpsd-bench
	tests/ns-run $(TARGET_DIR)/release/cpsd-bench $(TARGET_DIR)/bench/report.json

dist:
	@tests/setup build
	@$(MAKE) --no-print-directory release
	packaging/dist $(TARGET_DIR)

# The engine needs compiler flags that stable Rust hides behind RUSTC_BOOTSTRAP. Without unsafe code
# of our own the memory sanitizers have nothing to find; panics, hangs and memory are what counts.
FUZZ = PATH="$(TARGET_DIR)/tools/bin:$$PATH" RUSTC_BOOTSTRAP=1 CARGO_TARGET_DIR=$(TARGET_DIR)/fuzz \
    $(CARGO) fuzz
fuzz:
	@tests/setup build fuzz
	$(CARGO) run --quiet --locked --package cps-tests --bin fuzz-seeds -- fuzz/corpus
	$(FUZZ) build --sanitizer none
	set -e; for target in fuzz/targets/*.rs; do \
	    name=$$(basename $$target .rs); echo "fuzz: $$name"; \
	    $(FUZZ) run --sanitizer none $$name -- -max_total_time=$(FUZZ_SECONDS) -timeout=10 \
	        -rss_limit_mb=1024 -max_len=8192 -verbosity=0 -print_final_stats=1; \
	done

audit:
	@tests/setup build check
	$(TARGET_DIR)/tools/bin/cargo-deny --all-features check advisories

clean:
	$(CARGO) clean
