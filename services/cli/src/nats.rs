//! The agency's own JetStream stream, read with its certificate: what its systems get without asking the hub.

use std::io::Write;

use anyhow::{Context, ensure};
use async_nats::{
    Client, ConnectOptions, HeaderMap,
    jetstream::{
        self,
        consumer::{DeliverPolicy, pull},
    },
};
use data_encoding::BASE64;
use futures_util::StreamExt;
use simpul_connector::ClientFile;
use simpul_publisher::{cloud_event, names};

use crate::{
    connection::ConnectionArgs,
    watch::{Change, Watch, show},
};

/// `simpul watch --nats`.
///
/// # Errors
/// Where NATS is not reached or a message is not one of the hub's.
pub async fn watch(
    command: &Watch,
    connection: &ConnectionArgs,
    json: bool,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let file = connection.load()?;
    let client = connect(&file).await?;
    let name = names::stream(&file.hub.agency);
    let stream = jetstream::new(client)
        .get_stream(&name)
        .await
        .with_context(|| format!("stream {name} is not there; the hub makes it when it first publishes"))?;
    let config = pull::OrderedConfig {
        deliver_policy: DeliverPolicy::All,
        filter_subject: filter(command, &file.hub.agency)?,
        ..Default::default()
    };
    let mut consumer = stream.create_consumer(config).await.context("making a consumer")?;
    if command.once && consumer.info().await.context("reading the consumer")?.num_pending == 0 {
        return Ok(());
    }
    let mut messages = consumer.messages().await.context("reading the stream")?;
    let mut left = command.limit.unwrap_or(u64::MAX);
    while left > 0 {
        let Some(message) = messages.next().await else { break };
        let message = message.context("reading the stream")?;
        let pending = message.info().map(|info| info.pending).unwrap_or(0);
        let change = change(message.headers.as_ref(), &message.subject, &message.payload)?;
        if change.sequence >= command.from && command.wants(&change) {
            show(&change, json, out)?;
            left -= 1;
        }
        if command.once && pending == 0 {
            break;
        }
    }
    Ok(())
}

/// Connects with the agency's certificate.
///
/// # Errors
/// Where no address is configured, or NATS is not reached.
pub async fn connect(file: &ClientFile) -> anyhow::Result<Client> {
    // The NATS client takes the process's provider; another one that stands already is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let url = file.nats.as_deref().context("no address of NATS: set nats in client.toml")?;
    ConnectOptions::new()
        .name("simpul watch")
        .require_tls(true)
        .add_root_certificates(file.hub.ca_pem.clone())
        .add_client_certificate(file.hub.certificate_pem.clone(), file.hub.key_pem.clone())
        .connect(url)
        .await
        .with_context(|| format!("connecting to {url}"))
}

/// Every message that a stream has now, in order.
///
/// # Errors
/// Where NATS does not give them, one is not of the hub, or `take` refuses it.
pub async fn read_to_end(
    context: &jetstream::Context,
    name: &str,
    mut take: impl FnMut(Change) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let stream = context.get_stream(name).await;
    let stream = stream
        .with_context(|| format!("stream {name} is not there; the hub makes it when it first publishes"))?;
    let config = pull::OrderedConfig { deliver_policy: DeliverPolicy::All, ..Default::default() };
    let mut consumer = stream.create_consumer(config).await.context("making a consumer")?;
    if consumer.info().await.context("reading the consumer")?.num_pending == 0 {
        return Ok(());
    }
    let mut messages = consumer.messages().await.context("reading the stream")?;
    while let Some(message) = messages.next().await {
        let message = message.with_context(|| format!("reading stream {name}"))?;
        take(change(message.headers.as_ref(), &message.subject, &message.payload)?)?;
        if message.info().map(|info| info.pending).unwrap_or(0) == 0 {
            break;
        }
    }
    Ok(())
}

/// Lets the server leave out what nobody wants to see.
fn filter(command: &Watch, agency: &simpul_types::AgencyCode) -> anyhow::Result<String> {
    let view = command.view.as_deref().map(str::parse).transpose().context("--view")?;
    Ok(match (view, &command.reference) {
        (Some(view), Some(reference)) => names::subject(agency, view, reference),
        (Some(view), None) => names::view_subjects(agency, view),
        (None, _) => names::subjects(agency),
    })
}

/// A CloudEvent in binary mode, back to a change.
fn change(headers: Option<&HeaderMap>, subject: &str, payload: &[u8]) -> anyhow::Result<Change> {
    let attribute = |name: &str| {
        let value = headers.and_then(|headers| headers.get(name)).map(|value| value.as_str());
        let value = value.with_context(|| format!("a message on {subject} has no header {name}"))?;
        cloud_event::decode(value)
            .with_context(|| format!("header {name} is not encoded as the binding says"))
    };
    ensure!(attribute("ce-specversion")? == "1.0", "a message on {subject} is not CloudEvents 1.0");
    Ok(Change {
        sequence: attribute(cloud_event::SEQUENCE)?.parse().context("ce-sequence is not a number")?,
        view: subject.split('.').nth(2).unwrap_or_default().into(),
        reference: attribute("ce-subject")?,
        position: attribute("ce-position")?.parse().context("ce-position is not a number")?,
        kind: attribute("ce-type")?,
        event_id: attribute("ce-eventid")?,
        json: std::str::from_utf8(payload).context("a document is not UTF-8")?.into(),
        checkpoint: note(&attribute("ce-checkpoint")?).context("ce-checkpoint is not base64 of a note")?,
        oversized: headers.is_some_and(|headers| headers.get(cloud_event::OVERSIZED).is_some()),
    })
}

fn note(base64: &str) -> Option<String> {
    String::from_utf8(BASE64.decode(base64.as_bytes()).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_read_by_its_headers() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("ce-specversion", "1.0"),
            ("ce-sequence", "00000000000000000007"),
            ("ce-subject", "LP%20x"),
            ("ce-position", "41"),
            ("ce-type", "id.simpul.case.changed.v1"),
            ("ce-eventid", "0190"),
            ("ce-checkpoint", "bm90ZQ=="),
        ] {
            headers.insert(name, value);
        }
        let read = change(Some(&headers), "simpul.polri.case.LP=20x", b"{}").expect("a CloudEvent");
        assert_eq!((read.sequence, read.position), (7, 41));
        assert_eq!((read.view.as_str(), read.reference.as_str()), ("case", "LP x"));
        assert_eq!((read.checkpoint.as_str(), read.oversized), ("note", false));
        assert!(change(None, "simpul.polri.case.x", b"{}").is_err());
    }
}
