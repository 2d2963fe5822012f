//! The agency's own JetStream stream, read with its certificate: what its systems get without asking the hub.

use std::io::Write;

use anyhow::{Context, ensure};
use async_nats::{
    ConnectOptions, HeaderMap,
    jetstream::{
        self,
        consumer::{DeliverPolicy, pull},
    },
};
use futures_util::StreamExt;
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
    // The NATS client takes the process's provider; another one that stands already is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let url = file.nats.as_deref().context("no address of NATS: set nats in client.toml")?;
    let client = ConnectOptions::new()
        .name("simpul watch")
        .require_tls(true)
        .add_root_certificates(file.hub.ca_pem.clone())
        .add_client_certificate(file.hub.certificate_pem.clone(), file.hub.key_pem.clone())
        .connect(url)
        .await
        .with_context(|| format!("connecting to {url}"))?;
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
    })
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
        ] {
            headers.insert(name, value);
        }
        let read = change(Some(&headers), "simpul.polri.case.LP=20x", b"{}").expect("a CloudEvent");
        assert_eq!((read.sequence, read.position), (7, 41));
        assert_eq!((read.view.as_str(), read.reference.as_str()), ("case", "LP x"));
        assert!(change(None, "simpul.polri.case.x", b"{}").is_err());
    }
}
