//! End-to-end, crash, fault and conformance tests, and the benchmarks.
