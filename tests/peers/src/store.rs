//! What every peer is asked to do.

use std::future::Future;

use crate::event::Event;

/// A peer, by its own client.
pub trait Store: Send + Sync + 'static {
    /// Appends events in one piece, or as near to it as the peer offers, and waits for the acknowledgment.
    fn append(&self, caller: usize, events: Vec<Event>) -> impl Future<Output = anyhow::Result<()>> + Send;

    /// Reads every stored event in order; how many there were.
    fn read_all(&self) -> impl Future<Output = anyhow::Result<usize>> + Send;
}
