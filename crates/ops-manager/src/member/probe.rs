//! Probes a database port: the certificate that it serves, the CAs that it accepts client certificates of, and whether
//! it goes on in plaintext. The probe sends no credentials and holds no connection slot afterwards.

use std::collections::BTreeSet;
use std::time::Duration;

use instance::Answer;
use runtime::error_chain;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::world::{ServedLeaf, TlsProbe};

/// Protocol version 3.0 of the startup message.
const PROTOCOL: i32 = 196_608;
/// `invalid_authorization_specification`: no line of `pg_hba.conf` suits.
const REFUSED_BY_HBA: &[u8] = b"C28000";

/// Probes one member.
///
/// # Errors
/// In a few words, why nothing is known.
pub async fn look(host: &str, port: u16, user: &str, within: Duration) -> Result<TlsProbe, String> {
    let both = async {
        let (tls, plaintext) = tokio::join!(
            ask_for_tls(host, port, within),
            ask_in_plaintext(host, port, user)
        );
        let (served, trusted_subjects) = tls?;
        Ok(TlsProbe {
            served,
            trusted_subjects,
            plaintext: plaintext.ok().flatten(),
        })
    };
    tokio::time::timeout(within, both)
        .await
        .unwrap_or_else(|_| Err(format!("no answer within {within:?}")))
}

async fn ask_for_tls(
    host: &str,
    port: u16,
    within: Duration,
) -> Result<(Option<ServedLeaf>, BTreeSet<Vec<u8>>), String> {
    let answer = instance::probe_tcp(host, port, None, within).await;
    let served = match answer.map_err(|error| error_chain(&error))? {
        Answer::Plaintext => return Ok((None, BTreeSet::new())),
        Answer::Tls(served) => served,
    };
    let leaf = ServedLeaf {
        fingerprint: served.leaf.fingerprint,
        issuer: served.leaf.issuer,
        serial: served.leaf.serial,
        not_after: served.leaf.not_after,
        // As PostgreSQL writes it in `pg_stat_ssl`.
        protocol: served.protocol.replace('_', "."),
    };
    Ok((Some(leaf), served.authorities))
}

/// `Some(true)`: the server requests authentication or admits the client; `Some(false)`: no line of `pg_hba.conf`
/// admits plaintext.
async fn ask_in_plaintext(host: &str, port: u16, user: &str) -> Result<Option<bool>, std::io::Error> {
    let mut stream = TcpStream::connect((host, port)).await?;
    stream.write_all(&startup_message(user)).await?;
    let kind = stream.read_u8().await?;
    let length = usize::try_from(stream.read_i32().await?.saturating_sub(4))
        .unwrap_or(0)
        .min(4096);
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    // The probe sends nothing more: PostgreSQL logs a client that responds to a password request otherwise, and logs
    // nothing about one that disconnects.
    drop(stream);
    Ok(match kind {
        b'R' => Some(true),
        b'E' if body.split(|byte| *byte == 0).any(|field| field == REFUSED_BY_HBA) => Some(false),
        // Starting, shutting down, out of connections: plaintext remains unknown.
        _ => None,
    })
}

fn startup_message(user: &str) -> Vec<u8> {
    let mut body = PROTOCOL.to_be_bytes().to_vec();
    for word in [
        "user",
        user,
        "database",
        "postgres",
        "application_name",
        "sealwright-ops-manager",
    ] {
        body.extend_from_slice(word.as_bytes());
        body.push(0);
    }
    body.push(0);
    let length = i32::try_from(body.len() + 4).unwrap_or(i32::MAX);
    [length.to_be_bytes().to_vec(), body].concat()
}
