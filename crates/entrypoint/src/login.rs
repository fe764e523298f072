//! A real login through the Unix socket, up to the server's first response.

use std::io::{self, ErrorKind};
use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::time::timeout;

/// Protocol 3.0 (PostgreSQL manual, "Message Formats", StartupMessage).
const PROTOCOL: [u8; 4] = [0, 3, 0, 0];
/// As the sessions of the operators begin; monitoring leaves them out.
const APPLICATION_NAME: &str = "sealwright-entrypoint";

/// What a login came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The server responded: whatever the response, a process of it was started. "Too many clients" and "the database system is
    /// starting up" are responses.
    Answered,
    /// The server took the connection, or left it in its queue, and sent nothing.
    Silent,
    /// There is no server: it has not started, or has ended, which Patroni sees by itself.
    Absent,
}

/// Logs in as this user, to the database `postgres`, and waits this long for a response.
pub async fn attempt(socket: &Path, user: &str, deadline: Duration) -> Answer {
    let answer = timeout(deadline, async {
        let mut stream = UnixStream::connect(socket).await?;
        stream.write_all(&startup(user)).await?;
        // An end of the stream is a response, too: of a process that ends.
        stream.read(&mut [0; 1]).await
    });
    match answer.await {
        Ok(Ok(_)) => Answer::Answered,
        Ok(Err(error)) => of_error(&error),
        Err(_) => Answer::Silent,
    }
}

/// A full queue of connections belongs to a server that accepts none.
fn of_error(error: &io::Error) -> Answer {
    match error.kind() {
        ErrorKind::WouldBlock => Answer::Silent,
        ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => Answer::Answered,
        _ => Answer::Absent,
    }
}

fn startup(user: &str) -> Vec<u8> {
    let mut body = PROTOCOL.to_vec();
    for text in [
        "user",
        user,
        "database",
        "postgres",
        "application_name",
        APPLICATION_NAME,
    ] {
        body.extend(text.as_bytes());
        body.push(0);
    }
    body.push(0);
    let length = u32::try_from(body.len() + 4).unwrap_or(u32::MAX);
    [length.to_be_bytes().as_slice(), &body].concat()
}

#[cfg(test)]
mod tests {
    use tokio::net::UnixListener;

    use super::*;

    const LOGIN_TIMEOUT: Duration = Duration::from_millis(200);

    #[test]
    fn the_packet_has_its_length_the_protocol_and_the_user() {
        let packet = startup("postgres");
        assert_eq!(
            usize::try_from(u32::from_be_bytes(packet[..4].try_into().unwrap())).unwrap(),
            packet.len()
        );
        assert_eq!(packet[4..8], PROTOCOL);
        assert!(packet[8..].starts_with(b"user\0postgres\0database\0postgres\0"));
        assert!(packet.ends_with(b"\0\0"));
    }

    #[tokio::test]
    async fn any_answer_counts_and_silence_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let listener = UnixListener::bind(&path).unwrap();
        // No process accepts the connection: the kernel does, as for a postmaster that is stopped.
        assert_eq!(attempt(&path, "postgres", LOGIN_TIMEOUT).await, Answer::Silent);
        let server = tokio::spawn(async move {
            // The one that was given up waits first.
            drop(listener.accept().await.unwrap());
            for answer in [b"E".as_slice(), b"R", b""] {
                let (mut stream, _) = listener.accept().await.unwrap();
                stream.write_all(answer).await.unwrap();
            }
        });
        for _ in 0..3 {
            assert_eq!(
                attempt(&path, "postgres", Duration::from_secs(10)).await,
                Answer::Answered
            );
        }
        server.await.unwrap();
        assert_eq!(attempt(&path, "postgres", LOGIN_TIMEOUT).await, Answer::Absent);
    }

    #[tokio::test]
    async fn without_a_socket_there_is_no_server() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(
            attempt(&folder.path().join("s"), "postgres", LOGIN_TIMEOUT).await,
            Answer::Absent
        );
    }

    #[test]
    fn a_full_queue_is_silence() {
        assert_eq!(of_error(&ErrorKind::WouldBlock.into()), Answer::Silent);
    }
}
