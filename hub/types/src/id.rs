//! Ids and names, each built once at the edge and valid from then on.

use std::{fmt, str::FromStr, sync::Arc};

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};

/// Why a name or id was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// Bytes of a UUID that is not of version 7 or not 16 bytes long.
    #[error("not a UUID of version 7 (16 bytes)")]
    Uuid,
    /// Too short, too long or a character outside the alphabet.
    #[error("{what} must be {rule}")]
    Name {
        /// Which name.
        what: &'static str,
        /// Its rule, as a sentence's end.
        rule: &'static str,
    },
}

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 16]);

        impl $name {
            /// From bytes that are known to be a UUID of version 7.
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(bytes)
            }

            /// From bytes off the wire.
            ///
            /// # Errors
            /// [`IdError::Uuid`] where they are not a UUID of version 7.
            pub fn from_wire(bytes: &[u8]) -> Result<Self, IdError> {
                let bytes: [u8; 16] = bytes.try_into().map_err(|_| IdError::Uuid)?;
                let uuid = uuid::Uuid::from_bytes(bytes);
                let right = uuid.get_version_num() == 7 && uuid.get_variant() == uuid::Variant::RFC4122;
                if right { Ok(Self(bytes)) } else { Err(IdError::Uuid) }
            }

            /// Its 16 bytes.
            pub const fn as_bytes(&self) -> &[u8; 16] {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                let uuid = uuid::Uuid::try_parse(text).map_err(|_| IdError::Uuid)?;
                Self::from_wire(uuid.as_bytes())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                uuid::Uuid::from_bytes(self.0).hyphenated().fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }
    };
}

uuid_id! {
    /// Id of an event, chosen by its sender, unique for ever.
    EventId
}
uuid_id! {
    /// Id of a submission, chosen by its sender, unique for ever.
    SubmissionId
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $what:literal, $rule:literal, $valid:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// Its text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                let valid: fn(&str) -> bool = $valid;
                if valid(text) { Ok(Self(text.into())) } else { Err(IdError::Name { what: $what, rule: $rule }) }
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;

            fn try_from(text: String) -> Result<Self, IdError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0.as_ref().into()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &self.0)
            }
        }
    };
}

fn of(text: &str, length: std::ops::RangeInclusive<usize>, extra: &[u8]) -> bool {
    length.contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || extra.contains(&byte))
}

name! {
    /// Code of an agency, for example `kbri-yangon`.
    AgencyCode, "agency", "2 to 32 characters of a-z, 0-9 and '-'", |text| of(text, 2..=32, b"-")
}
name! {
    /// Name of a connector within its agency.
    ConnectorName, "connector", "1 to 32 characters of a-z, 0-9 and '-'", |text| of(text, 1..=32, b"-")
}
name! {
    /// First 16 hex digits of SHA-256 of a public key.
    KeyId, "key_id", "16 hex digits", |text| text.len() == 16 && HEXLOWER.decode(text.as_bytes()).is_ok()
}
name! {
    /// `<source>/<opaque ref>`, the events of one source record.
    StreamName, "stream", "`<source>/<ref>`: 1 to 32 of a-z, 0-9, '-', then '/', then 1 to 64 of a-z, 0-9, '-', '_'",
    |text| text.split_once('/').is_some_and(|(source, reference)| of(source, 1..=32, b"-") && of(reference, 1..=64, b"-_"))
}
name! {
    /// Purpose code, for example `VERIFY_LEGALITY`.
    Purpose, "purpose", "1 to 32 characters of A-Z, 0-9 and '_'",
    |text| (1..=32).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
}
name! {
    /// Full protobuf name of a payload message.
    EventType, "type", "a protobuf message name of at most 128 characters",
    |text| (3..=128).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'_')
}

impl StreamName {
    /// The part before the slash.
    pub fn source(&self) -> &str {
        self.0.split_once('/').map_or("", |(source, _)| source)
    }
}

/// One connector of one agency, as its certificate names it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sender {
    /// The agency.
    pub agency: AgencyCode,
    /// Its connector.
    pub connector: ConnectorName,
}

impl Sender {
    /// Reads `spiffe://simpul/agency/<code>/connector/<name>`.
    ///
    /// # Errors
    /// [`IdError::Name`] where the URI has another form.
    pub fn from_spiffe(uri: &str) -> Result<Self, IdError> {
        let wrong =
            IdError::Name { what: "SPIFFE id", rule: "spiffe://simpul/agency/<code>/connector/<name>" };
        let rest = uri.strip_prefix("spiffe://simpul/agency/").ok_or_else(|| wrong.clone())?;
        let (agency, connector) = rest.split_once("/connector/").ok_or(wrong)?;
        Ok(Self { agency: agency.parse()?, connector: connector.parse()? })
    }

    /// The SPIFFE id.
    pub fn spiffe(&self) -> String {
        format!("spiffe://simpul/agency/{}/connector/{}", self.agency, self.connector)
    }
}

impl fmt::Display for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.agency, self.connector)
    }
}

/// Whoever holds an open connection: the sender its client certificate names. Read once per connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Agency and connector of the certificate's SPIFFE id.
    pub sender: Sender,
    /// SHA-256 of the certificate, hex.
    pub certificate: Arc<str>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_keep_their_alphabet() {
        assert!("kbri-yangon".parse::<AgencyCode>().is_ok());
        for wrong in ["", "k", "KBRI", "kbri/x", "a b", &"x".repeat(33)] {
            assert!(wrong.parse::<AgencyCode>().is_err(), "{wrong:?}");
        }
        assert_eq!("sisko-placement/ab_1".parse::<StreamName>().expect("valid").source(), "sisko-placement");
        for wrong in ["sisko", "/x", "sisko/", "sisko/a/b", "Sisko/a", "sisko/A"] {
            assert!(wrong.parse::<StreamName>().is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_spiffe_id_makes_the_round_trip() {
        let uri = "spiffe://simpul/agency/polri/connector/case-system";
        assert_eq!(Sender::from_spiffe(uri).expect("valid").spiffe(), uri);
        for wrong in
            ["spiffe://other/agency/polri/connector/x", "spiffe://simpul/agency/polri", "https://simpul/"]
        {
            assert!(Sender::from_spiffe(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn only_version_7_is_an_id() {
        assert!(EventId::from_wire(&[0; 16]).is_err());
        assert!(EventId::from_wire(&[0; 15]).is_err());
        let mut bytes = [0; 16];
        (bytes[6], bytes[8]) = (0x70, 0x80);
        assert!(EventId::from_wire(&bytes).is_ok());
        let id = EventId::from_bytes(bytes);
        assert_eq!(id.to_string().parse(), Ok(id));
        assert!("no-uuid".parse::<EventId>().is_err());
    }
}
