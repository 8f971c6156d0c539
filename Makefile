# barejit: two commands do everything, `make run` and `make test`.
CARGO   ?= cargo
PREFIX  ?= /usr/local
DESTDIR ?=
NEED     = sh .ci/need
BAREJIT  = target/release/barejit

.PHONY: help run strace qemu test check bench install clean build

help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 24

build:
	@$(NEED) cc:gcc,libc6-dev
	$(CARGO) build --release --locked

run: build  ## build the executable and run the "Hello World!" stub
	$(BAREJIT) hello

strace: build  ## show the syscalls of the stub
	@$(NEED) strace:strace
	strace $(BAREJIT) hello

qemu: build  ## run the stub on an emulated CPU
	@$(NEED) qemu-x86_64:qemu-user
	qemu-x86_64 $(BAREJIT) hello

test:  ## run every test, in debug and in release
	@$(NEED) cc:gcc,libc6-dev strace:strace qemu-x86_64:qemu-user readelf:binutils objdump:binutils
	$(CARGO) test --locked
	$(CARGO) test --locked --release --test it

check:  ## formatting, lints and documentation, warnings being errors
	$(CARGO) fmt --check
	$(CARGO) clippy --locked --all-targets -- -D warnings
	$(CARGO) clippy --locked --lib --no-default-features -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --no-deps --document-private-items

bench:  ## measure the assembler against others
	$(CARGO) bench --manifest-path benches/Cargo.toml

install: build  ## copy the executable to PREFIX/bin
	install -D -m 755 $(BAREJIT) $(DESTDIR)$(PREFIX)/bin/barejit

clean:  ## remove what was built
	$(CARGO) clean
