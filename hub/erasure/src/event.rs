//! The five events, decoded and checked once.

use prost::Message;
use simpul_proto::erasure as wire;
use simpul_types::{Digest, StreamName, Timestamp};

/// Streams that nobody erases: what they hold is about nobody, and the hub could not start without it.
const KEPT_SOURCES: &[&str] = &["directory", "erasure", "hub-state"];
const STREAMS_MAX: usize = 64;

/// An event of the register.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// `ErasureRequested`.
    Requested {
        /// Reference.
        request: String,
        /// At least one, none twice.
        streams: Vec<StreamName>,
        /// Until then it may be approved and executed.
        expires_at: Timestamp,
        /// Needed.
        approvals: u32,
        /// Between the last approval needed and the execution.
        cooling_off_s: u64,
    },
    /// `ErasureApproved`.
    Approved {
        /// Reference.
        request: String,
        /// Of the request's header bytes.
        digest: Digest,
    },
    /// `ErasureVetoed`.
    Vetoed {
        /// Reference.
        request: String,
    },
    /// `LegalHoldLifted`.
    Lifted {
        /// Reference.
        request: String,
    },
    /// `ErasureExecuted`.
    Executed {
        /// Reference.
        request: String,
        /// As in the approvals.
        digest: Digest,
        /// Those of the request.
        streams: Vec<StreamName>,
    },
}

/// Why bytes are no event of the register.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// A type of another package.
    #[error("not an erasure event")]
    Type,
    /// Not such a message.
    #[error("not a message of its type")]
    Message(#[from] prost::DecodeError),
    /// A field breaks a rule.
    #[error("{field}: {rule}")]
    Field {
        /// Its name.
        field: &'static str,
        /// What it has to be.
        rule: &'static str,
    },
}

impl Event {
    /// Reads a payload by the full name of its type.
    ///
    /// # Errors
    /// [`DecodeError`]; nothing of the content is in it.
    pub fn decode(event_type: &str, payload: &[u8]) -> Result<Self, DecodeError> {
        let short = event_type.strip_prefix(simpul_types::erasure::EVENT_PACKAGE).unwrap_or_default();
        Ok(match short {
            "ErasureRequested" => {
                let wire = wire::ErasureRequested::decode(payload)?;
                Self::Requested {
                    request: reference(wire.request)?,
                    streams: streams(&wire.streams)?,
                    expires_at: Timestamp::from_us(i64::try_from(wire.expires_at_us).unwrap_or(i64::MAX)),
                    approvals: wire.approvals,
                    cooling_off_s: wire.cooling_off_s,
                }
            }
            "ErasureApproved" => {
                let wire = wire::ErasureApproved::decode(payload)?;
                Self::Approved { request: reference(wire.request)?, digest: digest(&wire.request_digest)? }
            }
            "ErasureVetoed" => {
                let wire = wire::ErasureVetoed::decode(payload)?;
                Self::Vetoed { request: reference(wire.request)? }
            }
            "LegalHoldLifted" => {
                let wire = wire::LegalHoldLifted::decode(payload)?;
                Self::Lifted { request: reference(wire.request)? }
            }
            "ErasureExecuted" => {
                let wire = wire::ErasureExecuted::decode(payload)?;
                Self::Executed {
                    request: reference(wire.request)?,
                    digest: digest(&wire.request_digest)?,
                    streams: streams(&wire.streams)?,
                }
            }
            _ => return Err(DecodeError::Type),
        })
    }

    /// Reference of the request that it is about.
    pub fn request(&self) -> &str {
        match self {
            Self::Requested { request, .. }
            | Self::Approved { request, .. }
            | Self::Vetoed { request }
            | Self::Lifted { request }
            | Self::Executed { request, .. } => request,
        }
    }
}

fn reference(text: String) -> Result<String, DecodeError> {
    let hex = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let right = text.len() == 32 && hex;
    right
        .then_some(text)
        .ok_or(DecodeError::Field { field: "request", rule: "32 hexadecimal digits, small letters" })
}

fn digest(text: &str) -> Result<Digest, DecodeError> {
    let bytes = data_encoding::HEXLOWER.decode(text.as_bytes()).ok().and_then(|bytes| bytes.try_into().ok());
    bytes.ok_or(DecodeError::Field { field: "request_digest", rule: "64 hexadecimal digits, small letters" })
}

fn streams(names: &[String]) -> Result<Vec<StreamName>, DecodeError> {
    let field = |rule| DecodeError::Field { field: "streams", rule };
    if names.is_empty() || names.len() > STREAMS_MAX {
        return Err(field("1 to 64 streams"));
    }
    let mut streams: Vec<StreamName> = Vec::with_capacity(names.len());
    for name in names {
        let stream: StreamName = name.parse().map_err(|_| field("`<source>/<ref>`"))?;
        if KEPT_SOURCES.contains(&stream.source()) {
            return Err(field("streams of the directory, of the register and of the hub's state are kept"));
        }
        if streams.contains(&stream) {
            return Err(field("a stream stands twice"));
        }
        streams.push(stream);
    }
    Ok(streams)
}
