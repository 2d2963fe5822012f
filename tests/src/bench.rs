//! The benchmarks: one hub in a realm of its own, everything on (mutual TLS, producer signatures, sealing, one flush per
//! group commit, access log), and beside every figure the floors of the same machine in the same run.
//!
//! [`own`] is the plain run, [`versus`] the run beside other stores, [`scale`] how cost grows with the log.

pub mod chart;
pub mod cpu;
pub mod echo;
pub mod floors;
pub mod fold;
pub mod legality;
pub mod measure;
pub mod own;
pub mod read;
pub mod replay;
pub mod report;
pub mod rounds;
pub mod scale;
pub mod servers;
pub mod space;
pub mod submit;
pub mod versus;
pub mod visibility;
