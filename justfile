# Short words for the commands of CONTRIBUTING.md. `just` is optional: each line here can be typed as it is.

# What there is
default:
    @just --list

# The program and the demo's cluster
build:
    cargo build -p kubetape -p demo

# Whether everything compiles, tests and benches included
check:
    cargo check --workspace --all-targets --locked

# All tests, or a part of them: `just test rust wire`, `just test help`
test *ARGS:
    ./test {{ARGS}}

# The end-to-end tests; ARGS go to pytest
e2e *ARGS:
    ./test e2e {{ARGS}}

# What CI checks without running anything: layers, traps, format, clippy, licences, advisories, what is vendored
lint:
    .ci/test_layers.py
    .ci/layers
    .ci/traps
    cargo fmt --all --check
    cargo clippy --workspace --all-targets --locked -- -D warnings
    .ci/deny
    .ci/test_supply.py
    .ci/vendored

# A bill of materials of the program (CycloneDX): target/kubetape.cdx.json
sbom:
    mkdir -p target
    .ci/sbom > target/kubetape.cdx.json

# Formats all Rust
fmt:
    cargo fmt --all

# A cluster, a gateway and the pages on this machine
demo:
    cargo run -p kubetape -- demo

# Benchmarks of one core: the decoder, and the way from there to the compressed chunk
bench:
    cargo bench -p wire
    cargo bench -p recorder

# Fuzzes every decoder, SECONDS each; or those that are named
fuzz SECONDS="60" *TARGETS:
    fuzz/run {{SECONDS}} {{TARGETS}}

# The same bytes through our decoder and through the libraries of Kubernetes, for SECONDS
differ SECONDS="60" *SEED:
    fuzz/differ {{SECONDS}} {{SEED}}

# The documentation of all crates, private items included
docs:
    cargo doc --workspace --no-deps --document-private-items
