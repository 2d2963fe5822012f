//! Read models over real logs. Every person here is invented.

mod cases;
mod feed;
mod persons;
mod records;
mod runner;
mod support;
