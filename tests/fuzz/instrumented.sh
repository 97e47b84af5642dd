#!/bin/sh
# Stands before rustc for the crates of this workspace (RUSTC_WORKSPACE_WRAPPER): has them count the branches they take.
# Only flags of the stable compiler are used. Crates from elsewhere stay as they are, but what is generic in them is
# compiled, and counts, where it is used.
case " $* " in
    # The fuzzer counts nothing of itself, and what runs while building has nobody to count for.
    *" --crate-name switchboard_fuzz "* | *" --crate-name build_script_"*) exec "$@" ;;
    # Programs are built beside tests, but not run; they lack what collects the counters.
    *" --crate-type bin "*) set -- "$@" -Clink-arg=-Wl,--warn-unresolved-symbols ;;
esac
exec "$@" -Cpasses=sancov-module \
    -Cllvm-args=-sanitizer-coverage-level=3 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters
