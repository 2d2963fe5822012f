//! The development certificate authority: ECDSA P-256, two years, identities as URI names.

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, SanType, date_time_ymd,
};
use simpul_types::{Sender, Timestamp};

use super::InitError;

/// Years that a development certificate is valid.
const VALID_YEARS: i16 = 2;

/// Signs the realm's certificates.
pub(super) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    pem: String,
    now: Timestamp,
}

/// A certificate and its private key, PEM.
pub(super) struct Issued {
    pub(super) certificate: String,
    pub(super) key: String,
}

impl Authority {
    pub(super) fn new(realm: &str, now: Timestamp) -> Result<Self, InitError> {
        let subject = format!("Simpul {realm} development CA");
        let mut params = params(&subject, now);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let issuer = KeyPair::generate()
            .and_then(|key| CertifiedIssuer::self_signed(params, key))
            .map_err(|source| InitError::Certificate { subject, source })?;
        Ok(Self { pem: issuer.pem(), issuer, now })
    }

    pub(super) fn pem(&self) -> &str {
        &self.pem
    }

    pub(super) fn key_pem(&self) -> String {
        self.issuer.key().serialize_pem()
    }

    /// For a connector or a client: its identity is the URI and nothing else.
    pub(super) fn client(&self, subject: &str, uri: &str) -> Result<Issued, InitError> {
        self.issue(subject, &[], Some(uri), &[ExtendedKeyUsagePurpose::ClientAuth])
    }

    /// For a listener; with a URI it is also a client of NATS.
    pub(super) fn server(
        &self,
        subject: &str,
        hosts: &[String],
        uri: Option<&str>,
    ) -> Result<Issued, InitError> {
        let mut usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        usages.extend(uri.map(|_| ExtendedKeyUsagePurpose::ClientAuth));
        self.issue(subject, hosts, uri, &usages)
    }

    fn issue(
        &self,
        subject: &str,
        hosts: &[String],
        uri: Option<&str>,
        usages: &[ExtendedKeyUsagePurpose],
    ) -> Result<Issued, InitError> {
        let make = || {
            let params = leaf_params(subject, hosts, uri, usages, self.now)?;
            let key = KeyPair::generate()?;
            let certificate = params.signed_by(&key, &self.issuer)?;
            Ok(Issued { certificate: certificate.pem(), key: key.serialize_pem() })
        };
        make().map_err(|source| InitError::Certificate { subject: subject.into(), source })
    }
}

/// What a connector's certificate says, whoever signs it: its identity is the URI and nothing else.
///
/// # Errors
/// Where the identity is no URI.
pub fn client_params(sender: &Sender, now: Timestamp) -> Result<CertificateParams, rcgen::Error> {
    let usages = [ExtendedKeyUsagePurpose::ClientAuth];
    leaf_params(&sender.to_string(), &[], Some(&sender.spiffe()), &usages, now)
}

fn leaf_params(
    subject: &str,
    hosts: &[String],
    uri: Option<&str>,
    usages: &[ExtendedKeyUsagePurpose],
    now: Timestamp,
) -> Result<CertificateParams, rcgen::Error> {
    let mut params = params(subject, now);
    params.subject_alt_names = CertificateParams::new(hosts)?.subject_alt_names;
    if let Some(uri) = uri {
        params.subject_alt_names.push(SanType::URI(uri.try_into()?));
    }
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = usages.to_vec();
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

fn params(subject: &str, now: Timestamp) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, subject);
    // One day back: the machines of a realm do not agree on the hour.
    let day = jiff::Timestamp::from_microsecond(now.as_us())
        .unwrap_or(jiff::Timestamp::UNIX_EPOCH)
        .to_zoned(jiff::tz::TimeZone::UTC)
        .date()
        .yesterday()
        .unwrap_or(jiff::civil::Date::constant(1970, 1, 1));
    let on =
        |year: i16| date_time_ymd(year.into(), day.month().unsigned_abs(), day.day().unsigned_abs().min(28));
    params.not_before = on(day.year());
    params.not_after = on(day.year() + VALID_YEARS);
    params
}
