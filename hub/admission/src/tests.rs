//! Admission on real logs in a folder of their own.

mod directory;
mod duplicates;
mod erasure;
mod faults;
mod fixture;
mod lane;
mod model;
mod order;
mod quota;
mod reasons;
