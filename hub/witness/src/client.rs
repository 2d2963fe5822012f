//! Asking a witness: `add-checkpoint`, and what it cosigned last.

use crate::{
    http::{Connection, HttpAnswer, HttpError, Method, StatusCode, Target},
    request,
    server::SIZE_TYPE,
};

/// Answers larger than this are nonsense; a witness with several keys sends some hundred bytes.
const ANSWER_BYTES_MAX: usize = 16 << 10;

/// Why a witness gave no answer that can be used.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// It was not reached, or the exchange broke off.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// An answer that the protocol does not know.
    #[error("nonsense: {0}")]
    Nonsense(String),
}

/// What a witness said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// 200: signature lines, not verified.
    Cosigned(String),
    /// 409: the size it cosigned last.
    Conflict(u64),
    /// 4xx or 5xx: code, and the first line of its reason.
    Refused(u16, String),
}

/// A witness, asked over one connection at a time.
pub struct Client(Connection);

impl Client {
    /// Nothing is connected yet.
    pub fn new(target: Target) -> Self {
        Self(Connection::new(target))
    }

    /// Sends a body of `add-checkpoint`. Where the future is dropped, for example by a time-out, the connection is too.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn add_checkpoint(&mut self, body: String) -> Result<Reply, ClientError> {
        let (status, media_type, answer) = self.exchange(Method::POST, "/add-checkpoint", &body).await?;
        match status {
            StatusCode::OK => Ok(Reply::Cosigned(answer)),
            StatusCode::CONFLICT => {
                let size = answer.strip_suffix('\n').and_then(request::size);
                match size {
                    Some(size) if media_type == SIZE_TYPE => Ok(Reply::Conflict(size)),
                    _ => Err(ClientError::Nonsense("a 409 that tells no size".into())),
                }
            }
            status if status.is_client_error() || status.is_server_error() => {
                let reason = answer.lines().next().unwrap_or("").chars().filter(|char| !char.is_control());
                Ok(Reply::Refused(status.as_u16(), reason.take(200).collect()))
            }
            status => Err(ClientError::Nonsense(format!("status {}", status.as_u16()))),
        }
    }

    /// What the witness cosigned last for an origin: the note; `None` where it has none.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn newest(&mut self, origin: &str) -> Result<Option<String>, ClientError> {
        let path = format!("/{}/checkpoint", crate::origin_hash(origin));
        match self.exchange(Method::GET, &path, "").await? {
            (StatusCode::OK, _, note) => Ok(Some(note)),
            (StatusCode::NOT_FOUND, ..) => Ok(None),
            (status, ..) => Err(ClientError::Nonsense(format!("status {}", status.as_u16()))),
        }
    }

    async fn exchange(
        &mut self,
        method: Method,
        path: &str,
        body: &str,
    ) -> Result<(StatusCode, String, String), ClientError> {
        let HttpAnswer { status, media_type, body } =
            self.0.exchange(method, path, body, ANSWER_BYTES_MAX).await?;
        let body = String::from_utf8(body.into());
        let body = body.map_err(|_| ClientError::Nonsense("an answer that is not UTF-8".into()))?;
        Ok((status, media_type, body))
    }
}
