# Shortcuts for contributors: https://just.systems. `.ci/run` is the source of the checks.

# List the recipes.
default:
    @just --list

# Check formatting, lints, unit tests and promises (about three minutes with a warm cache).
fast:
    .ci/run fast

# Run the tests with all features. Arguments go to cargo: `just test --test promises`.
test *args:
    cargo test --all-features {{ args }}

# Compile and run the code of the documentation and the README.
doc-test:
    cargo test --all-features --doc

# Build the documentation of all features and open it.
doc:
    RUSTDOCFLAGS="-D warnings" cargo doc --all-features --no-deps --open

# Model-check the cache's acquisition (loom).
model:
    .ci/run model

# Count the instructions of a call and compare them with the limits (callgrind).
gate:
    .ci/run instructions

# Start real authorization servers and test against them.
real-servers:
    .ci/run real-servers

# Run simulated time with random faults: `just simulate 1000` runs that many seeds.
simulate seeds="1000":
    SIM_SEEDS={{ seeds }} cargo test --release --all-features --test simulator

# Fuzz a target for a minute. Needs a nightly toolchain and cargo-fuzz.
fuzz target="token_response":
    mkdir -p fuzz/target/found/{{ target }}
    cargo +nightly fuzz run {{ target }} fuzz/target/found/{{ target }} fuzz/corpus/{{ target }} -- -max_total_time=60

# Judge the tests by mutation: `just mutants --shard 3/8`. All shards take about half an hour.
mutants *args:
    .ci/mutants {{ args }}

# Check licenses, sources and minimum versions of the dependencies, and the package by itself.
supply:
    .ci/run supply

# Check the same and the advisories, whose database is on the network. Needs cargo-deny.
deny:
    cargo deny check

# Run everything that CI runs on Linux.
all:
    .ci/run
