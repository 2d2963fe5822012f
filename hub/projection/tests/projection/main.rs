//! Read models over real logs. Every person here is invented.

#![allow(clippy::unwrap_used, reason = "a test")]

mod cases;
mod entries;
mod erasure;
mod feed;
mod identity;
mod persons;
mod records;
mod runner;
mod screenings;
mod support;
