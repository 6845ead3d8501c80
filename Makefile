# sharpeyes: `make run` shows it, `make test` proves it. `make help` lists the rest.
CARGO ?= cargo
TARGET := $(or $(CARGO_TARGET_DIR),target)
BINARY := $(TARGET)/release/sharpeyes

.PHONY: help run build deb test check test-rust test-api test-deb bench soak soak-udp

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## */\1|/' | column -t -s '|'

run: ## install what is missing, build, and start the demo: 960 simulated points and the console on 127.0.0.1:8080
	@deploy/packages.sh run
	$(CARGO) build --locked --release --features simulate
	@exec $(BINARY) demo

build: ## the service alone, without the simulator: target/release/sharpeyes
	@deploy/packages.sh build
	$(CARGO) build --locked --release

deb: build ## the Debian package: target/debian/sharpeyes_VERSION_ARCHITECTURE.deb
	deploy/debian/build.sh $(BINARY) $(TARGET)/debian

test: check test-rust test-api test-deb ## everything that must hold; installs what it needs

check: ## formatting, lints and documentation, all warnings refused
	@deploy/packages.sh build
	$(CARGO) fmt --check
	$(CARGO) clippy --locked --all-targets --all-features -- -D warnings
	$(CARGO) clippy --locked --lib --bins -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --no-deps --all-features --document-private-items

# The whole fleet goes last and alone: 960 streams beside everything else would only measure the machine.
test-rust: ## unit and integration tests, with real databases and RTSP servers that others wrote
	@deploy/packages.sh test
	$(CARGO) test --locked --all-features -- --skip whole::
	$(CARGO) test --locked --all-features --test it whole:: -- --test-threads 1

test-api: ## every operation of the served API under schemathesis, which it installs under target/
	@deploy/packages.sh test
	tests/schemathesis.sh

test-deb: ## the Debian package, made from the debug binary; as root it is installed and purged in a copy of this system
	@deploy/packages.sh test
	$(CARGO) build --locked --all-features
	tests/deb.sh $(TARGET)/debug/sharpeyes

CAMERAS ?= 25
bench: ## what the whole service costs, beside ffmpeg and others, and which faults of pictures it finds; CAMERAS=500 measures 1080p in full
	@deploy/packages.sh bench
	$(CARGO) bench --locked --all-features --bench decode
	$(CARGO) bench --locked --all-features --bench picture -- size 640
	$(CARGO) bench --locked --all-features --bench picture -- size 1920 cameras $(CAMERAS)
	$(CARGO) bench --locked --all-features --bench metrics
	$(CARGO) bench --locked --all-features --bench store
	$(CARGO) bench --locked --all-features --bench incident
	$(CARGO) bench --locked --all-features --bench province
	$(CARGO) bench --locked --all-features --bench fleet

MINUTES ?= 30
soak: ## 960 streams for MINUTES=30, with the slope of the memory
	@deploy/packages.sh bench
	$(CARGO) bench --locked --all-features --bench fleet -- soak $(MINUTES)

soak-udp: ## one stream over UDP for half an hour, through a line that loses 1 % and changes the order of 10 %
	@deploy/packages.sh test
	$(CARGO) test --locked --all-features --test it udp_is_soaked -- --ignored --nocapture
