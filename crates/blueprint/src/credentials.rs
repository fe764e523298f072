//! The superuser's name and password in the auth Secret, and the forms of them that some reader would misread.
//!
//! Readers are: the environment of a container (no NUL), `initdb` and Patroni (which puts the password into a `DO $$` block, and
//! does not quote what is not ASCII), libpq's password file of a standby (one line, without a line break at its end), connection
//! URIs (no colon in a name), drivers that prepare passwords by RFC 4013 (no control characters), the metrics exporter (no blank
//! or quote in a name), the client certificate's common name, shells. A form that all of them read alike is accepted, so members,
//! standbys, clients and operators use the same password.

use std::fmt;

use k8s_openapi::api::core::v1::Secret;

/// Key of the role's name.
pub const USERNAME: &str = "username";
/// Key of its password.
pub const PASSWORD: &str = "password";

/// Longest name of a role, in bytes (PostgreSQL's `NAMEDATALEN` less one).
const LONGEST_NAME: usize = 63;
/// Longest password, in characters. Poolers take no longer one than 2048; a key with more is a file put there by mistake.
const LONGEST_PASSWORD: usize = 1024;
/// Names that PostgreSQL does not let a role have (manual, `CREATE ROLE` and `initdb`).
const RESERVED_NAMES: [&str; 2] = ["none", "public"];

/// A role's name and its password. `Debug` leaves the password out.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Credentials<'a> {
    /// Role name.
    pub username: &'a str,
    /// Its password.
    pub password: &'a str,
}

impl fmt::Debug for Credentials<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("username", &self.username)
            .finish_non_exhaustive()
    }
}

/// What is wrong with a key of the auth Secret. It never shows the value of the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CredentialFault {
    /// The key is missing or empty.
    #[error("key {0} is missing or empty; add it")]
    Missing(&'static str),
    /// The key's bytes are not UTF-8.
    #[error("key {0} is not text; write ASCII characters")]
    NotText(&'static str),
    /// `echo` and editors end a file with a line break.
    #[error(
        "key {0} ends in a line break, which clients send and standbys leave out; write the value without it \
         (printf instead of echo, or kubectl create secret generic --from-literal)"
    )]
    EndsInLineBreak(&'static str),
    /// More than one line.
    #[error("key {0} has more than one line; write one line")]
    ManyLines(&'static str),
    /// Any other character below the blank, or DEL.
    #[error("key {0} has a control character; write printable characters")]
    ControlCharacter(&'static str),
    /// Outside of ASCII.
    #[error("key {0} has a character that is not ASCII, which Patroni can't set; write ASCII characters")]
    NotAscii(&'static str),
    /// Ends the quoting of the statement by which Patroni sets the password.
    #[error(
        "key password has two dollar signs side by side ($$), which Patroni can't set; write another password"
    )]
    DoubleDollar,
    /// Longer than [`LONGEST_PASSWORD`].
    #[error("key password has more than 1024 characters; write a shorter password")]
    PasswordTooLong,
    /// Longer than [`LONGEST_NAME`].
    #[error("key username has more than 63 characters; write a shorter name")]
    NameTooLong,
    /// A role of ours.
    #[error(
        "key username has a name that roles of the members' own have (sealwright, and what begins with sealwright_); write another name"
    )]
    RoleOfOurs,
    /// Reserved by PostgreSQL.
    #[error(
        "key username has a name that PostgreSQL reserves (none, public, and what begins with pg_); write another name"
    )]
    ReservedName,
    /// A character that some reader of the name does not take.
    #[error(
        "key username has a character that a name can't have here; write letters, digits, _ . @ + and single dashes, \
         beginning with a letter, a digit or _"
    )]
    BadName,
}

/// The credentials, as long as both keys have text in them: enough to log in to a database that runs.
pub fn credentials(secret: &Secret) -> Option<Credentials<'_>> {
    Some(Credentials {
        username: text(secret, USERNAME).ok()?,
        password: text(secret, PASSWORD).ok()?,
    })
}

/// The credentials, if all their readers read them alike.
///
/// # Errors
/// The first [`CredentialFault`].
pub fn usable_credentials(secret: &Secret) -> Result<Credentials<'_>, CredentialFault> {
    let (username, password) = (text(secret, USERNAME)?, text(secret, PASSWORD)?);
    check_characters(USERNAME, username)?;
    check_name(username)?;
    check_characters(PASSWORD, password)?;
    if password.contains("$$") {
        return Err(CredentialFault::DoubleDollar);
    }
    if password.len() > LONGEST_PASSWORD {
        return Err(CredentialFault::PasswordTooLong);
    }
    Ok(Credentials { username, password })
}

fn text<'a>(secret: &'a Secret, key: &'static str) -> Result<&'a str, CredentialFault> {
    let bytes = secret.data.as_ref().and_then(|data| data.get(key));
    let bytes = bytes
        .filter(|bytes| !bytes.0.is_empty())
        .ok_or(CredentialFault::Missing(key))?;
    std::str::from_utf8(&bytes.0).map_err(|_| CredentialFault::NotText(key))
}

fn check_characters(key: &'static str, value: &str) -> Result<(), CredentialFault> {
    let is_break = |c: char| c == '\n' || c == '\r';
    if value.trim_end_matches(is_break).contains(is_break) {
        return Err(CredentialFault::ManyLines(key));
    }
    if value.ends_with(is_break) {
        return Err(CredentialFault::EndsInLineBreak(key));
    }
    if value.contains(|c: char| c.is_ascii_control()) {
        return Err(CredentialFault::ControlCharacter(key));
    }
    if !value.is_ascii() {
        return Err(CredentialFault::NotAscii(key));
    }
    Ok(())
}

fn check_name(name: &str) -> Result<(), CredentialFault> {
    if name.len() > LONGEST_NAME {
        return Err(CredentialFault::NameTooLong);
    }
    if RESERVED_NAMES.contains(&name) || name.starts_with("pg_") {
        return Err(CredentialFault::ReservedName);
    }
    if api_types::roles::is_reserved(name) {
        return Err(CredentialFault::RoleOfOurs);
    }
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let is_allowed = |c: char| is_plain(c) || ".@+-".contains(c);
    // initdb writes the name into SQL, where two dashes begin a comment.
    if name.starts_with(is_plain) && name.chars().all(is_allowed) && !name.contains("--") {
        Ok(())
    } else {
        Err(CredentialFault::BadName)
    }
}
