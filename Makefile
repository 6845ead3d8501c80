# sharpeyes: `make run` shows it, `make test` proves it.
CARGO ?= cargo

.PHONY: check
check: ## formatting, lints and documentation, all warnings refused
	$(CARGO) fmt --check
	$(CARGO) clippy --locked --all-targets --all-features -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --no-deps --all-features --document-private-items
