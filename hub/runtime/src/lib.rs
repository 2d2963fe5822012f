//! What every process of the project stands on: strict configuration ([`config`]), telemetry ([`telemetry`]), one way
//! to stop ([`shutdown`]), supervised tasks ([`supervise`]), and health and metrics for whoever operates it
//! ([`health`], [`metrics`], [`server`]).
//!
//! Read [`config`] first, then [`supervise`].

pub mod config;
pub mod health;
pub mod metrics;
pub mod server;
pub mod shutdown;
pub mod supervise;
pub mod telemetry;

pub use config::{ConfigError, ConfigPath, load_config};
pub use health::{Component, Health, Need};
pub use metrics::Metrics;
pub use server::{bind_loopback, serve};
pub use shutdown::shutdown_signal;
pub use simpul_types::clock::System;
pub use supervise::Supervisor;
pub use telemetry::{Telemetry, TelemetryError, init_telemetry, register_panics};
pub use tokio_util::sync::CancellationToken;
