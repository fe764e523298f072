//! `pg_hba.conf`: who may connect how.

use api_types::roles::{self, OPERATOR, REPLICATION, REWIND};
use api_types::tls::ClientAuthMode;

use crate::resolved::Resolved;
use crate::tls::TlsPhase;

/// Everybody over the Unix socket, which only the Pod's own containers reach.
const LOCAL: [&str; 2] = ["local all all trust", "local replication all trust"];

/// Addresses of the Pod itself.
const LOOPBACK: [&str; 2] = ["127.0.0.1/32", "::1/128"];

/// All addresses.
const EVERYWHERE: [&str; 2] = ["0.0.0.0/0", "::/0"];

/// Roles of ours that are refused from the network wherever no line before lets them in.
fn ours(resolved: &Resolved) -> Vec<String> {
    // Always by a password: nothing of ours depends on the certificates of the user's clients.
    let (kind, method) = match resolved.tls.phase {
        TlsPhase::Off | TlsPhase::Accept => ("host", "scram-sha-256"),
        TlsPhase::Enforce => ("hostssl", "scram-sha-256"),
    };
    let all = roles::ALL.join(",");
    let lines = EVERYWHERE.iter().map(|address| {
        [
            format!("{kind} all,replication {REPLICATION} {address} {method}"),
            format!("{kind} all {OPERATOR},{REWIND} {address} {method}"),
            format!("host all,replication {all} {address} reject"),
        ]
    });
    lines.flatten().collect()
}

/// Databases of a line: `all` does not contain the pseudo-database `replication`.
const DATABASES: [&str; 2] = ["all", "replication"];

/// The lines of `pg_hba.conf`, first match wins.
///
/// While TLS is accepted but not enforced, every client that could connect before still can. On the way to TLS, a
/// connection over TLS requires the password even where certificates will be required later. On the way back, it requires
/// the certificate for as long as it is possible, since clients may have no password.
pub fn lines(resolved: &Resolved) -> Vec<String> {
    let password = password_method(resolved.client_auth_mode);
    let mut lines: Vec<String> = LOCAL.map(str::to_owned).into();
    lines.extend(ours(resolved));
    match resolved.tls.phase {
        TlsPhase::Off => lines.extend(plaintext(resolved, password)),
        TlsPhase::Accept => {
            let method = if resolved.tls.removing_tls {
                enforced_method(resolved)
            } else {
                password.to_owned()
            };
            lines.extend(everywhere("hostssl", &method));
            lines.extend(plaintext(resolved, password));
        }
        TlsPhase::Enforce => {
            lines.extend(everywhere("hostssl", &enforced_method(resolved)));
        }
    }
    lines
}

/// The method for a password. Under `md5` PostgreSQL uses SCRAM for passwords that are stored so, as all of ours are.
fn password_method(mode: ClientAuthMode) -> &'static str {
    match mode {
        ClientAuthMode::Md5 => "md5",
        ClientAuthMode::Scram | ClientAuthMode::Cert => "scram-sha-256",
    }
}

/// The method of clients that come over TLS once TLS is enforced.
fn enforced_method(resolved: &Resolved) -> String {
    match resolved.client_auth_mode {
        ClientAuthMode::Cert => "cert clientcert=verify-full".to_owned(),
        mode => password_method(mode).to_owned(),
    }
}

/// Lines for plaintext: the Pod itself is trusted (KubeDB's rule), everybody else gives a password.
fn plaintext(resolved: &Resolved, password: &str) -> Vec<String> {
    let mut lines = Vec::new();
    // On the host's network, loopback is every process of the node.
    if resolved.pod.spec.host_network != Some(true) {
        for address in LOOPBACK {
            lines.extend(DATABASES.map(|database| format!("host {database} all {address} trust")));
        }
    }
    lines.extend(everywhere("host", password));
    lines
}

fn everywhere(kind: &str, method: &str) -> Vec<String> {
    EVERYWHERE
        .iter()
        .flat_map(|address| DATABASES.map(|database| format!("{kind} {database} all {address} {method}")))
        .collect()
}
