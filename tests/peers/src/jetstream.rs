//! NATS JetStream by async-nats: a file stream, one acknowledged publish an event. A batch is an atomic batch (2.12 and later)
//! where every message would otherwise be flushed alone, which is several times as fast; without flushes, as many publishes with
//! their acknowledgments awaited together are faster.

use anyhow::anyhow;
use async_nats::{
    Client, HeaderMap,
    jetstream::{
        self, Context,
        consumer::{AckPolicy, DeliverPolicy, pull},
        stream::{Config, StorageType, Stream},
    },
};
use futures_util::StreamExt;
use uuid::Uuid;

use crate::{event::Event, store::Store};

/// Messages that an atomic batch may hold.
const ATOMIC_BATCH_MAX: usize = 1_000;
/// Messages asked for at once when reading.
const READ_BATCH: usize = 10_000;

pub struct Jetstream {
    client: Client,
    context: Context,
    stream: Stream,
    atomic: bool,
}

impl Jetstream {
    pub async fn connect(address: &str, atomic: bool) -> anyhow::Result<Self> {
        let client = async_nats::connect(format!("nats://{address}")).await?;
        let context = jetstream::new(client.clone());
        let config = Config {
            name: "EVENTS".into(),
            subjects: vec!["events.>".into()],
            storage: StorageType::File,
            allow_atomic_publish: true,
            ..Default::default()
        };
        let stream = context.get_or_create_stream(config).await?;
        Ok(Self { client, context, stream, atomic })
    }
}

impl Store for Jetstream {
    async fn append(&self, _: usize, events: Vec<Event>) -> anyhow::Result<()> {
        if !self.atomic || events.len() == 1 {
            let mut acks = Vec::with_capacity(events.len());
            for event in events {
                let subject = format!("events.{}", event.stream);
                acks.push(self.context.publish(subject, event.payload.into()).await?);
            }
            for ack in acks {
                ack.await?;
            }
            return Ok(());
        }
        anyhow::ensure!(
            events.len() <= ATOMIC_BATCH_MAX,
            "an atomic batch holds {ATOMIC_BATCH_MAX} messages"
        );
        let (batch, last) = (Uuid::new_v4().simple().to_string(), events.len());
        for (event, sequence) in events.into_iter().zip(1..) {
            let subject = format!("events.{}", event.stream);
            let mut headers = HeaderMap::new();
            headers.insert("Nats-Batch-Id", batch.as_str());
            headers.insert("Nats-Batch-Sequence", sequence.to_string());
            if sequence == last {
                headers.insert("Nats-Batch-Commit", "1");
                let payload = event.payload.into();
                self.context.publish_with_headers(subject, headers, payload).await?.await?;
            } else {
                self.client.publish_with_headers(subject, headers, event.payload.into()).await?;
            }
        }
        Ok(())
    }

    async fn read_all(&self) -> anyhow::Result<usize> {
        let expected = self.stream.get_info().await?.state.messages as usize;
        let config = pull::Config {
            ack_policy: AckPolicy::None,
            deliver_policy: DeliverPolicy::All,
            ..Default::default()
        };
        let consumer = self.stream.create_consumer(config).await?;
        let mut messages = consumer.stream().max_messages_per_batch(READ_BATCH).messages().await?;
        let mut events = 0;
        while events < expected {
            messages.next().await.ok_or_else(|| anyhow!("the consumer ended early"))??;
            events += 1;
        }
        Ok(events)
    }
}
