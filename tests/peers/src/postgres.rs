//! PostgreSQL by tokio-postgres: one table with the guarantees that the others give (unique id, unique version in a stream,
//! global order), prepared statements, a batch as one statement over arrays.

use futures_util::{TryStreamExt, future};
use tokio_postgres::{Client, NoTls, Statement, binary_copy::BinaryCopyOutStream, types::Type};
use uuid::Uuid;

use crate::{
    event::{Event, TYPE},
    store::Store,
};

/// More connections than this make it slower on a small machine; further callers share, pipelined.
pub const CONNECTIONS_MAX: usize = 64;

const TABLE: &str = "CREATE TABLE IF NOT EXISTS events (
    position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id uuid NOT NULL UNIQUE,
    stream text NOT NULL,
    version bigint NOT NULL,
    type text NOT NULL,
    payload bytea NOT NULL,
    UNIQUE (stream, version))";
const ONE: &str = "INSERT INTO events (id, stream, version, type, payload) VALUES ($1, $2, $3, $4, $5)";
const MANY: &str = "INSERT INTO events (id, stream, version, type, payload)
    SELECT id, stream, version, $4, payload
    FROM unnest($1::uuid[], $2::text[], $3::bigint[], $5::bytea[]) AS batch (id, stream, version, payload)";
const ALL: &str = "COPY (SELECT position, id, stream, version, type, payload FROM events ORDER BY position)
    TO STDOUT (FORMAT binary)";

pub struct Postgres {
    connections: Vec<Connection>,
}

struct Connection {
    client: Client,
    one: Statement,
    many: Statement,
}

impl Postgres {
    pub async fn connect(address: &str, connections: usize) -> anyhow::Result<Self> {
        let (host, port) = address.split_once(':').unwrap_or((address, "5432"));
        let text = format!("host={host} port={port} user=postgres dbname=postgres");
        let first = connect(&text).await?;
        first.batch_execute(TABLE).await?;
        let clients = future::try_join_all((0..connections).map(|_| async {
            let client = connect(&text).await?;
            let (one, many) = future::try_join(client.prepare(ONE), client.prepare(MANY)).await?;
            anyhow::Ok(Connection { client, one, many })
        }));
        Ok(Self { connections: clients.await? })
    }
}

async fn connect(text: &str) -> anyhow::Result<Client> {
    let (client, connection) = tokio_postgres::connect(text, NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

impl Store for Postgres {
    async fn append(&self, caller: usize, events: Vec<Event>) -> anyhow::Result<()> {
        let Connection { client, one, many } = &self.connections[caller % self.connections.len()];
        let stored = if let [event] = &events[..] {
            client.execute(one, &[&event.id, &event.stream, &event.version, &TYPE, &event.payload]).await?
        } else {
            let ids: Vec<Uuid> = events.iter().map(|event| event.id).collect();
            let streams: Vec<&str> = events.iter().map(|event| event.stream.as_str()).collect();
            let versions: Vec<i64> = events.iter().map(|event| event.version).collect();
            let payloads: Vec<&[u8]> = events.iter().map(|event| event.payload.as_slice()).collect();
            client.execute(many, &[&ids, &streams, &versions, &TYPE, &payloads]).await?
        };
        anyhow::ensure!(stored == events.len() as u64, "{stored} of {} events stored", events.len());
        Ok(())
    }

    async fn read_all(&self) -> anyhow::Result<usize> {
        let copied = self.connections[0].client.copy_out(ALL).await?;
        let types = [Type::INT8, Type::UUID, Type::TEXT, Type::INT8, Type::TEXT, Type::BYTEA];
        let rows = BinaryCopyOutStream::new(copied, &types);
        futures_util::pin_mut!(rows);
        let mut events = 0;
        while let Some(row) = rows.try_next().await? {
            let _payload: &[u8] = row.try_get(5)?;
            events += 1;
        }
        Ok(events)
    }
}
