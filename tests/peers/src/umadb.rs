//! UmaDB by its own client: gRPC over one HTTP/2 connection, unconditional appends.

use umadb_client::{AsyncUmaDbClient, UmaDbClient};
use umadb_dcb::{DcbEvent, DcbEventStoreAsync};

use crate::{
    event::{Event, TYPE},
    store::Store,
};

/// Events of one message when reading.
const READ_BATCH: u32 = 1_000;

pub struct Umadb(AsyncUmaDbClient);

impl Umadb {
    pub async fn connect(address: &str) -> anyhow::Result<Self> {
        let client = UmaDbClient::new(format!("http://{address}")).batch_size(READ_BATCH);
        Ok(Self(client.connect_async().await?))
    }
}

impl Store for Umadb {
    async fn append(&self, _: usize, events: Vec<Event>) -> anyhow::Result<()> {
        let events = events.into_iter().map(|event| {
            DcbEvent::new().event_type(TYPE).tags([event.stream]).data(event.payload).uuid(event.id)
        });
        self.0.append(events.collect(), None, None).await?;
        Ok(())
    }

    async fn read_all(&self) -> anyhow::Result<usize> {
        let (mut answer, mut events) = (self.0.read(None, None, false, None).await?, 0);
        loop {
            match answer.next_batch().await?.len() {
                0 => return Ok(events),
                some => events += some,
            }
        }
    }
}
