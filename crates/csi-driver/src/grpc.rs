//! gRPC as far as kubelet and the CSI sidecars use it: one message there, one message back, over HTTP/2 on a Unix socket.
//!
//! tonic does the same, and would switch HTTP/2 on in the HTTP stack that the operators are built with.

use std::path::Path;
use std::sync::Arc;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use h2::server::SendResponse;
use http::{HeaderMap, HeaderValue, Request, Response};
use prost::Message;
use tokio::net::{UnixListener, UnixStream};

/// Bytes before a message: one for whether it is compressed, four with its length.
const PREFIX: usize = 5;
/// The largest message that is taken; those of this driver have a few hundred bytes.
const LARGEST: usize = 1 << 20;

/// The status codes of this driver's responses (gRPC's status codes).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// The request makes no sense.
    InvalidArgument = 3,
    /// There is no such volume.
    NotFound = 5,
    /// There is one of this name that is different.
    AlreadyExists = 6,
    /// Not as things are now.
    FailedPrecondition = 9,
    /// A size that the volume can't have.
    OutOfRange = 11,
    /// There is no such call.
    Unimplemented = 12,
    /// Something on this machine failed.
    Internal = 13,
}

/// A failed call.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Status {
    /// What kind of reason.
    pub code: Code,
    /// The reason, for the object's Events.
    pub message: String,
}

impl Status {
    /// A reason in words.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }
}

impl From<std::io::Error> for Status {
    fn from(error: std::io::Error) -> Self {
        Self::new(Code::Internal, error.to_string())
    }
}

/// What serves calls.
pub trait Service: Send + Sync + 'static {
    /// Serves the call with this path (`/package.Service/Method`).
    fn answer(&self, path: &str, message: &[u8]) -> impl Future<Output = Result<Vec<u8>, Status>> + Send;
}

/// Reads the request of a call, and writes its response.
///
/// # Errors
/// Those of the call; [`Code::InvalidArgument`] when the request can't be read.
pub async fn unary<Q, A>(
    message: &[u8],
    call: impl AsyncFnOnce(Q) -> Result<A, Status>,
) -> Result<Vec<u8>, Status>
where
    Q: Message + Default,
    A: Message,
{
    let request =
        Q::decode(message).map_err(|error| Status::new(Code::InvalidArgument, error.to_string()))?;
    Ok(call(request).await?.encode_to_vec())
}

/// Listens on a socket, in place of one that an earlier process left.
///
/// # Errors
/// When the socket can't be made.
pub fn listen(path: &Path) -> std::io::Result<UnixListener> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => UnixListener::bind(path),
    }
}

/// Serves calls for as long as the process lives.
///
/// # Errors
/// When no more connections can be taken.
pub async fn serve(listener: UnixListener, service: Arc<impl Service>) -> std::io::Result<()> {
    loop {
        let (socket, _) = listener.accept().await?;
        let service = service.clone();
        tokio::spawn(async move {
            if let Err(error) = connection(socket, service).await {
                tracing::debug!(%error, "a connection ended");
            }
        });
    }
}

async fn connection(socket: UnixStream, service: Arc<impl Service>) -> Result<(), h2::Error> {
    let mut connection = h2::server::handshake(socket).await?;
    while let Some(call) = connection.accept().await {
        let (request, respond) = call?;
        let service = service.clone();
        tokio::spawn(async move {
            if let Err(error) = call_once(request, respond, &*service).await {
                tracing::debug!(%error, "a call was broken off");
            }
        });
    }
    Ok(())
}

async fn call_once(
    request: Request<h2::RecvStream>,
    respond: SendResponse<Bytes>,
    service: &impl Service,
) -> Result<(), h2::Error> {
    let path = request.uri().path().to_owned();
    let outcome = match message(request.into_body()).await? {
        Ok(message) => service.answer(&path, &message).await,
        Err(status) => Err(status),
    };
    match &outcome {
        Ok(_) => tracing::info!(path, "answered"),
        Err(status) => tracing::warn!(path, code = ?status.code, why = status.message, "refused"),
    }
    send(respond, outcome)
}

/// The one message of a request.
async fn message(mut body: h2::RecvStream) -> Result<Result<Bytes, Status>, h2::Error> {
    let mut read = BytesMut::new();
    while let Some(chunk) = body.data().await {
        let chunk = chunk?;
        body.flow_control().release_capacity(chunk.len())?;
        read.extend_from_slice(&chunk);
        if read.len() > LARGEST {
            return Ok(Err(Status::new(
                Code::InvalidArgument,
                "the message is too large",
            )));
        }
    }
    Ok(unframed(read.freeze()))
}

fn unframed(mut read: Bytes) -> Result<Bytes, Status> {
    let is_whole = read.len() >= PREFIX && {
        let (compressed, length) = (read.get_u8(), read.get_u32());
        compressed == 0 && usize::try_from(length) == Ok(read.len())
    };
    is_whole
        .then_some(read)
        .ok_or_else(|| Status::new(Code::InvalidArgument, "not one uncompressed message"))
}

fn framed(message: &[u8]) -> Bytes {
    let mut frame = BytesMut::with_capacity(PREFIX + message.len());
    frame.put_u8(0);
    frame.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
    frame.put_slice(message);
    frame.freeze()
}

fn send(mut respond: SendResponse<Bytes>, outcome: Result<Vec<u8>, Status>) -> Result<(), h2::Error> {
    let mut head = Response::new(());
    let grpc = HeaderValue::from_static("application/grpc");
    head.headers_mut().insert("content-type", grpc);
    let mut body = respond.send_response(head, false)?;
    let mut trailers = HeaderMap::new();
    match outcome {
        Ok(message) => {
            body.send_data(framed(&message), false)?;
            trailers.insert("grpc-status", HeaderValue::from_static("0"));
        }
        Err(status) => {
            trailers.insert("grpc-status", HeaderValue::from(status.code as u16));
            let message = HeaderValue::from_str(&escaped(&status.message));
            trailers.extend(
                message
                    .ok()
                    .map(|it| (http::HeaderName::from_static("grpc-message"), it)),
            );
        }
    }
    body.send_trailers(trailers)
}

/// A message as a header can carry it: percent-encoded where it is not printable ASCII (gRPC over HTTP/2, `Status-Message`).
fn escaped(message: &str) -> String {
    let byte = |byte: u8| match byte {
        b' '..=b'~' if byte != b'%' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    message.bytes().map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_read_as_it_was_written() {
        assert_eq!(unframed(framed(b"abc")), Ok(Bytes::from_static(b"abc")));
        for broken in [&b""[..], b"\0\0\0\0", b"\0\0\0\0\x04abc", b"\x01\0\0\0\x03abc"] {
            assert!(unframed(Bytes::copy_from_slice(broken)).is_err(), "{broken:?}");
        }
    }

    #[test]
    fn a_reason_is_told_in_ascii() {
        assert_eq!(escaped("5 % → full\n"), "5 %25 %E2%86%92 full%0A");
    }
}
