# All commands of this project. `just` lists them. Each is also a script or a cargo call that works without just.

# List the commands.
default:
    @just --list --unsorted

# The example app with a stand-in for the vendor; FRAMEWORK is axum or actix.
run FRAMEWORK="axum":
    cargo run -p {{FRAMEWORK}}-gate

# Every test; installs what is missing.
test:
    tests/run

# Every test without the browser and the drop-in check.
quick:
    tests/run --quick

# What every change must pass: format, lints, documentation, tests.
ci:
    .ci/run

# Format the code.
fmt:
    cargo fmt --all

# Lints, as strict as in ci.
lint:
    cargo clippy --locked --workspace --all-targets --all-features -- -D warnings

# The documentation of the crates, as docs.rs shows it (needs a nightly toolchain).
doc:
    RUSTDOCFLAGS="--cfg docsrs -D warnings" cargo +nightly doc --locked --workspace --all-features --no-deps

# The book; needs mdbook. `just book serve --open` shows it in a browser.
book COMMAND="build" *ARGS="":
    tests/long/book {{COMMAND}} {{ARGS}}

# Compare the public API with the lists in tests/api/lists, or write the lists anew: `just api write`.
api MODE="check":
    tests/api/run {{MODE}}

# Write the pictures of docs/pictures anew; needs Chromium and its driver.
pictures:
    tests/pictures

# A benchmark; docs/performance.md names them.
bench *NAME:
    tests/bench {{NAME}}

# One of the long checks: tests/long lists them, CONTRIBUTING.md explains them.
long CHECK *ARGS:
    tests/long/{{CHECK}} {{ARGS}}

# All that a release must pass; RELEASING.md has the steps.
release-check:
    .ci/run
    tests/long/package
    tests/long/msrv
    tests/long/floors
    tests/long/features
    tests/long/deny
    tests/long/release
