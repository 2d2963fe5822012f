//! One accepted connection and who holds it, read from its certificate once.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use simpul_types::{Caller, Sender};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    sync::OwnedSemaphorePermit,
    time::Sleep,
};
use tokio_rustls::server::TlsStream;
use tokio_util::sync::WaitForCancellationFutureOwned;
use tonic::transport::server::Connected;
use x509_parser::{certificate::X509Certificate, extensions::GeneralName, prelude::FromDer};

use crate::guests::Seat;

/// How long a client may take for what HTTP/2 begins with.
const FIRST_BYTES_TIMEOUT: Duration = Duration::from_secs(5);
/// The connection preface, and the head of the first frame.
const FIRST_BYTES: usize = 24 + 9;

/// Why a certificate that the CA signed names no caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CallerError {
    #[error("the connection has no client certificate")]
    NoCertificate,
    #[error("the client certificate does not parse")]
    Parse,
    #[error("the client certificate does not carry exactly one URI name")]
    NotOneUri,
    #[error("the client certificate's URI name is not an agency's SPIFFE id")]
    NotASender,
}

/// Who a certificate names: by SPIFFE, exactly one URI among its alternative names.
pub(crate) fn caller(certificate: &[u8]) -> Result<Caller, CallerError> {
    let (_, parsed) = X509Certificate::from_der(certificate).map_err(|_| CallerError::Parse)?;
    let names = parsed.subject_alternative_name().map_err(|_| CallerError::Parse)?;
    let names = names.map(|extension| extension.value.general_names.as_slice()).unwrap_or_default();
    let mut uris = names.iter().filter_map(|name| match name {
        GeneralName::URI(uri) => Some(*uri),
        _ => None,
    });
    let (Some(uri), None) = (uris.next(), uris.next()) else { return Err(CallerError::NotOneUri) };
    let sender = Sender::from_spiffe(uri).map_err(|_| CallerError::NotASender)?;
    let digest = simpul_signing::sha256(&[certificate]);
    Ok(Caller { sender, certificate: Arc::from(data_encoding::HEXLOWER.encode(&digest)) })
}

/// A TLS connection whose caller is known. tonic hands the [`Caller`] to every request as an extension.
pub(crate) struct Connection {
    stream: TlsStream<TcpStream>,
    caller: Caller,
    /// Ends the connection from our side, however long its streams would stay open.
    cut: Pin<Box<WaitForCancellationFutureOwned>>,
    /// Until the client has said enough for HTTP/2 to begin; from then on its pings are asked for.
    patience: Option<Pin<Box<Sleep>>>,
    /// Bytes read meanwhile.
    said: usize,
    _seat: Seat,
    /// Counts against the cap as long as the connection lives.
    _permit: OwnedSemaphorePermit,
}

impl Connection {
    pub(crate) fn new(
        stream: TlsStream<TcpStream>,
        caller: Caller,
        seat: Seat,
        permit: OwnedSemaphorePermit,
    ) -> Self {
        let cut = Box::pin(seat.cut.clone().cancelled_owned());
        let patience = Some(Box::pin(tokio::time::sleep(FIRST_BYTES_TIMEOUT)));
        Self { stream, caller, cut, patience, said: 0, _seat: seat, _permit: permit }
    }

    /// Whether the client has taken too long to begin.
    fn is_too_slow(&mut self, context: &mut Context<'_>) -> bool {
        self.patience.as_mut().is_some_and(|patience| patience.as_mut().poll(context).is_ready())
    }
}

impl Connected for Connection {
    type ConnectInfo = Caller;

    fn connect_info(&self) -> Caller {
        self.caller.clone()
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.cut.as_mut().poll(context).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        if self.is_too_slow(context) {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if self.patience.is_some() {
            self.said += buffer.filled().len() - before;
            if self.said >= FIRST_BYTES {
                self.patience = None;
            }
        }
        read
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, SanType};

    use super::*;

    fn certificate(names: &[&str], uris: &[&str]) -> Vec<u8> {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let mut params = CertificateParams::new(names).unwrap();
        for uri in uris {
            params.subject_alt_names.push(SanType::URI((*uri).try_into().unwrap()));
        }
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
    }

    #[test]
    fn exactly_one_spiffe_uri_names_the_caller() {
        let desk = "spiffe://simpul/agency/kbri-yangon/connector/desk";
        let der = certificate(&["localhost"], &[desk]);
        let named = caller(&der).expect("a caller");
        assert_eq!(named.sender.spiffe(), desk);
        assert_eq!(named.certificate.len(), 64);

        let polri = "spiffe://simpul/agency/polri/connector/desk";
        assert_eq!(caller(&certificate(&["localhost"], &[])), Err(CallerError::NotOneUri));
        assert_eq!(caller(&certificate(&[], &[desk, polri])), Err(CallerError::NotOneUri));
        for uri in ["spiffe://simpul/hub", "spiffe://other/agency/polri/connector/desk", "https://simpul/"] {
            assert_eq!(caller(&certificate(&[], &[uri])), Err(CallerError::NotASender), "{uri}");
        }
        assert_eq!(caller(b"not a certificate"), Err(CallerError::Parse));
    }
}
