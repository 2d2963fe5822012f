//! tephra by its own asynchronous client: appends multiplexed over one connection, unconditional.

use futures_util::StreamExt;
use tephra_client::{AsyncClient, Event as TephraEvent, Position, Query};

use crate::{
    event::{Event, TYPE},
    store::Store,
};

pub struct Tephra(AsyncClient);

impl Tephra {
    pub async fn connect(address: &str) -> anyhow::Result<Self> {
        Ok(Self(AsyncClient::connect(address).await?))
    }
}

impl Store for Tephra {
    async fn append(&self, _: usize, events: Vec<Event>) -> anyhow::Result<()> {
        let events = events.into_iter().map(|event| TephraEvent::new(TYPE, [event.stream], event.payload));
        self.0.append(events.collect::<Result<Vec<_>, _>>()?, None).await?;
        Ok(())
    }

    async fn read_all(&self) -> anyhow::Result<usize> {
        let (mut answer, mut events) = (self.0.read(Query::all(), Position::ZERO, None).await, 0);
        while let Some(event) = answer.next().await {
            event?;
            events += 1;
        }
        Ok(events)
    }
}
