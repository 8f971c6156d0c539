# barejit: two commands do everything, `make run` and `make test`.
CARGO   ?= cargo
PREFIX  ?= /usr/local
DESTDIR ?=
NEED     = sh .ci/need
LINKER   = cc:gcc,libc6-dev
TOOLS    = strace:strace qemu-x86_64:qemu-user objdump:binutils gdb:gdb perf:linux-perf valgrind:valgrind \
           bwrap:bubblewrap firejail:firejail runsc:runsc script:bsdutils unshare:util-linux xxd:xxd hexdump:bsdextrautils \
           luajit:luajit php:php-cli node:nodejs java:default-jre-headless python3:python3
# What `make engines` runs besides: of Debian, npm and PyPI.
ENGINES  = js102:libmozjs-102-dev erl:erlang-base ruby:ruby rg:ripgrep \
           pcre2grep:pcre2-utils qemu-system-x86_64:qemu-system-x86 pypy3:pypy3 guile:guile-3.0 sbcl:sbcl \
           racket:racket mono:mono-runtime,mono-mcs tcc:tcc chromium:chromium firefox-esr:firefox-esr \
           pg_createcluster:postgresql npm:npm pip3:python3-pip,python3-numba
TARGET   = $(or $(CARGO_TARGET_DIR),target)
BAREJIT  = $(TARGET)/release/barejit
BENCH    = $(CARGO) bench --quiet --manifest-path benches/Cargo.toml
SHARE    = $(DESTDIR)$(PREFIX)/share

.PHONY: help run strace qemu test check fuzz engines bench bench-bf rooms manual book install dist clean build

help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 24

build:
	@$(NEED) $(LINKER)
	$(CARGO) build --release --locked

run: build  ## build the executable and run the "Hello World!" stub
	$(BAREJIT) hello

strace: build  ## show the syscalls of the stub
	@$(NEED) strace:strace
	strace $(BAREJIT) hello

qemu: build  ## run the stub on an emulated CPU
	@$(NEED) qemu-x86_64:qemu-user
	qemu-x86_64 $(BAREJIT) hello

test:  ## run every test, in debug and in release; say what cannot be tested here
	@$(NEED) $(LINKER) $(TOOLS)
	@rm -f $(TARGET)/tmp/untested
	@{ set -x; $(CARGO) test --locked && $(CARGO) test --locked --release --test it; } && status=0 || status=$$?; \
	  { set +x; } 2>/dev/null; sh .ci/untested $(TARGET)/tmp/untested; exit $$status

check:  ## formatting, lints and documentation, warnings being errors
	@$(NEED) $(LINKER)
	$(CARGO) fmt --check
	$(CARGO) clippy --locked --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --no-deps --document-private-items

fuzz:  ## feed random input to everything for SECONDS (60), or to one TARGET
	SECONDS=$(or $(SECONDS),60) $(CARGO) test --locked --release --test it fuzz_for_seconds -- --ignored --nocapture

engines: build  ## run the engines that there are, compare with the probe, write docs/engines.md anew
	@$(NEED) $(TOOLS) $(ENGINES)
	mkdir -p target/engines
	cd target/engines && npm install --silent --no-audit --no-fund --ignore-scripts --prefix . bun deno node@26
	cd target/engines && (npm install-scripts approve bun deno node >/dev/null 2>&1 || true) && npm rebuild --silent
	pip3 install --quiet --upgrade --target target/engines/py wasmtime
	rm -rf target/engines/postgresql && install -d -o postgres -m 700 target/engines/postgresql
	setpriv --reuid=postgres --regid=postgres --clear-groups /usr/lib/postgresql/*/bin/initdb \
	  --no-sync -D target/engines/postgresql >/dev/null
	$(CARGO) test --locked --test it every_engine -- --ignored

bench: build  ## measure barejit next to others, write docs/figures anew
	@$(NEED) $(LINKER) clang:clang nasm:nasm
	$(BENCH)
	$(MAKE) book

bench-bf: build  ## measure bf next to others: PEERS='name=command …' PROGRAMS=DIR
	$(BENCH) -- bf $(or $(PROGRAMS),benches/bf) barejit='$(BAREJIT) bf' $(PEERS)

rooms:  ## count the lines of each room: code, then comments
	@find src crates/*/src -name '*.rs' | xargs awk '{ split(FILENAME, part, "[/.]"); room[part[2]]; \
	  if (/^ *\/\//) comments[part[2]]++; else if (NF) code[part[2]]++ } \
	  END { for (r in room) printf "%6d %6d  %s\n", code[r], comments[r], r }' | sort -n

manual:  ## write the man page and the completions anew from --help
	BLESS=1 $(CARGO) test --locked --test it manual

book:  ## write what the Markdown files show anew: code and transcripts
	BLESS=1 $(CARGO) test --locked --test it docs

install: build  ## put executable, man page and completions below PREFIX
	install -D -m 755 $(BAREJIT) $(DESTDIR)$(PREFIX)/bin/barejit
	install -D -m 644 docs/barejit.1 $(SHARE)/man/man1/barejit.1
	install -D -m 644 completions/barejit.bash $(SHARE)/bash-completion/completions/barejit
	install -D -m 644 completions/_barejit $(SHARE)/zsh/site-functions/_barejit
	install -D -m 644 completions/barejit.fish $(SHARE)/fish/vendor_completions.d/barejit.fish

dist:  ## build a tarball twice and compare, byte by byte
	@$(NEED) $(LINKER)
	sh .ci/dist target/dist/first && sh .ci/dist target/dist/second
	cmp target/dist/first/barejit.tar.gz target/dist/second/barejit.tar.gz
	cp target/dist/first/barejit.tar.gz target/barejit.tar.gz

clean:  ## remove what was built
	$(CARGO) clean
