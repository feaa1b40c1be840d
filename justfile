# The verbs of this project; there are no others. `just` alone lists them.

[private]
default:
    @just --list

# A server on loopback with a demo client, its state under data/ and keys/.
dev *ARGS:
    cargo run --locked -- dev {{ ARGS }}

# Every test, the foreign verifiers among them.
test:
    ./test

# Formatting, lints, dependencies.
lint:
    cargo fmt --check
    cargo clippy --all-targets --locked -- -D warnings
    cargo clippy --all-targets --locked --features rsa -- -D warnings
    cargo clippy --all-targets --locked --features rsa,failpoints -- -D warnings
    cargo deny --all-features check

# Record the goldens anew, then read the difference: each changed line is a change for users.
golden:
    INSTA_UPDATE=always cargo test --locked --features rsa
    -scripts/golden-diff HEAD
    git --no-pager diff -- tests/golden
    scripts/golden-diff HEAD

# The pieces by criterion, then the whole against its upper bound.
bench *ARGS:
    cargo bench --locked
    cargo build --release --locked --features rsa,upper-bound
    load/run {{ ARGS }}

# What must pass before a change goes in.
ci:
    .ci/run
