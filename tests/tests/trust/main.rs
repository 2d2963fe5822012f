//! Trust, on a real hub: who looked, what clients may take, which clock counts, how a connector comes in. One binary, since linking one takes longer
//! than most of these tests.
#![allow(clippy::unwrap_used, reason = "a test")]

mod clock;
mod emergency;
mod enrolment;
mod hard_edges;
mod lists;
mod looked;
