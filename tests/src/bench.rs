//! The benchmarks: one hub in a realm of its own, everything on (mutual TLS, producer signatures, sealing, one flush per
//! group commit, access log), and beside every figure the floors of the same machine in the same run.

pub mod floors;
pub mod legality;
pub mod measure;
pub mod replay;
pub mod report;
pub mod submit;
