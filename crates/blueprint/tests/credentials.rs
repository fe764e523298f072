//! Which passwords and user names are accepted: those that every reader takes as they are.
//!
//! The readers here are models of what was measured with PostgreSQL 15 and Patroni 4.1: `initdb`, Patroni's statement that sets the
//! password, its password file as libpq reads it, the connection string of a standby, HTTP Basic, a shell's `$(…)`.

use blueprint::{CredentialFault, Credentials, credentials, usable_credentials};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;

fn secret(username: &[u8], password: &[u8]) -> Secret {
    let entry = |key: &str, value: &[u8]| (key.to_owned(), ByteString(value.to_vec()));
    Secret {
        data: Some([entry("username", username), entry("password", password)].into()),
        ..Secret::default()
    }
}

fn of_password(password: &[u8]) -> Result<(), CredentialFault> {
    usable_credentials(&secret(b"postgres", password)).map(drop)
}

fn of_name(name: &[u8]) -> Result<(), CredentialFault> {
    usable_credentials(&secret(name, b"secret")).map(drop)
}

/// The line that Patroni writes into the password file, as libpq reads it back.
fn by_password_file(password: &str) -> Option<String> {
    let escaped = password.replace('\\', "\\\\").replace(':', "\\:");
    let file = format!("pg-0.pg-pods:5432:*:postgres:{escaped}\n");
    let line = file.split('\n').next()?.trim_end_matches('\r');
    let rest = line.strip_prefix("pg-0.pg-pods:5432:*:postgres:")?;
    let (mut found, mut characters) = (String::new(), rest.chars());
    while let Some(c) = characters.next() {
        found.extend(if c == '\\' { characters.next() } else { Some(c) });
    }
    Some(found)
}

/// Patroni's `DO $$ … PASSWORD '…' … $$`, whose literal is quoted for ASCII only.
fn by_statement(password: &str) -> Option<String> {
    (password.is_ascii() && !password.contains("$$")).then(|| password.to_owned())
}

fn by_shell(password: &str) -> Option<String> {
    Some(password.trim_end_matches('\n').to_owned())
}

fn by_environment(password: &str) -> Option<String> {
    (!password.contains('\0')).then(|| password.to_owned())
}

#[test]
fn what_is_accepted_is_the_same_for_every_reader() {
    let readers = [by_password_file, by_statement, by_shell, by_environment];
    let characters = (0..=0x2100).filter_map(char::from_u32);
    for character in characters {
        for password in [
            format!("a{character}b"),
            format!("{character}ab"),
            format!("ab{character}"),
            format!("{character}"),
            format!("{character}{character}"),
        ] {
            let is_accepted = of_password(password.as_bytes()).is_ok();
            let is_same = readers
                .iter()
                .all(|read| read(&password).as_deref() == Some(&password));
            assert!(is_same || !is_accepted, "{password:?}");
            let is_printable = password.chars().all(|c| (' '..='~').contains(&c));
            assert_eq!(is_accepted, is_printable && password != "$$", "{password:?}");
        }
    }
}

#[test]
fn passwords_of_every_length_and_form_are_accepted_or_refused_by_what_is_wrong() {
    for length in [1, 8, 16, 63, 64, 100, 128, 199, 200, 1024] {
        assert_eq!(of_password("x".repeat(length).as_bytes()), Ok(()), "{length}");
    }
    for good in [
        " ",
        "  a  ",
        "a b",
        "%s",
        "100%",
        "$",
        "a$b",
        "$(POSTGRES_USER)",
        "${X}",
        "`id`",
        "\"",
        "'",
        "\\",
        "\\n",
        "';--",
        "{}",
        "#x",
        "*",
        "12:30",
        "yes",
        "null",
        "~",
        "- a",
        "a: b",
        "@/?&=#",
        "[a]",
        "!tag",
        "|",
        ">",
        "%41",
    ] {
        assert_eq!(of_password(good.as_bytes()), Ok(()), "{good:?}");
    }
    let table: [(&[u8], CredentialFault); 17] = [
        (b"", CredentialFault::Missing("password")),
        (b"secret\n", CredentialFault::EndsInLineBreak("password")),
        (b"secret\r\n", CredentialFault::EndsInLineBreak("password")),
        (b"secret\r", CredentialFault::EndsInLineBreak("password")),
        (b"secret\n\n", CredentialFault::EndsInLineBreak("password")),
        (b"\n", CredentialFault::EndsInLineBreak("password")),
        (b"\nsecret", CredentialFault::ManyLines("password")),
        (b"one\ntwo\n", CredentialFault::ManyLines("password")),
        (b"one\rtwo", CredentialFault::ManyLines("password")),
        (b"se\0cret", CredentialFault::ControlCharacter("password")),
        (b"se\tcret", CredentialFault::ControlCharacter("password")),
        (b"secret\x7f", CredentialFault::ControlCharacter("password")),
        (b"\xff\xfe\x00", CredentialFault::NotText("password")),
        (b"\xc3", CredentialFault::NotText("password")),
        ("pässword".as_bytes(), CredentialFault::NotAscii("password")),
        ("\u{feff}secret".as_bytes(), CredentialFault::NotAscii("password")),
        (b"a$$b", CredentialFault::DoubleDollar),
    ];
    for (password, fault) in table {
        assert_eq!(of_password(password), Err(fault), "{password:?}");
    }
    assert_eq!(of_password(&[b'x'; 1025]), Err(CredentialFault::PasswordTooLong));
}

#[test]
fn user_names_are_those_that_every_reader_takes() {
    for good in [
        "postgres",
        "admin",
        "Admin",
        "my-app",
        "a.b@example.com",
        "_x",
        "1",
        "all",
        "user",
        "PG_X",
        "NONE",
        "a+b",
        "a-",
    ] {
        assert_eq!(of_name(good.as_bytes()), Ok(()), "{good:?}");
    }
    assert_eq!(of_name("a".repeat(63).as_bytes()), Ok(()));
    let table: [(&str, CredentialFault); 22] = [
        ("", CredentialFault::Missing("username")),
        ("postgres\n", CredentialFault::EndsInLineBreak("username")),
        ("a\nb", CredentialFault::ManyLines("username")),
        ("a\tb", CredentialFault::ControlCharacter("username")),
        ("jürgen", CredentialFault::NotAscii("username")),
        ("pg_monitor", CredentialFault::ReservedName),
        ("none", CredentialFault::ReservedName),
        ("public", CredentialFault::ReservedName),
        ("a:b", CredentialFault::BadName),
        ("a b", CredentialFault::BadName),
        (" a", CredentialFault::BadName),
        ("a ", CredentialFault::BadName),
        ("a'b", CredentialFault::BadName),
        ("a\"b", CredentialFault::BadName),
        ("a\\b", CredentialFault::BadName),
        ("a$b", CredentialFault::BadName),
        ("a,b", CredentialFault::BadName),
        ("a--b", CredentialFault::BadName),
        ("-a", CredentialFault::BadName),
        ("*", CredentialFault::BadName),
        ("a=b", CredentialFault::BadName),
        ("a/b", CredentialFault::BadName),
    ];
    for (name, fault) in table {
        assert_eq!(of_name(name.as_bytes()), Err(fault), "{name:?}");
    }
    assert_eq!(
        of_name("a".repeat(64).as_bytes()),
        Err(CredentialFault::NameTooLong)
    );
}

#[test]
fn every_name_that_is_accepted_stands_unquoted_in_a_connection_string_and_in_yaml() {
    for character in (0..128_u8).map(char::from) {
        for name in [
            format!("a{character}b"),
            format!("{character}ab"),
            format!("ab{character}"),
        ] {
            if of_name(name.as_bytes()).is_err() {
                continue;
            }
            assert!(!name.contains([' ', '\'', '"', '\\', ':', ',', '=']), "{name}");
            let json = serde_json::to_string(&name).expect("JSON");
            let read: String = serde_yaml::from_str(&json).expect("YAML");
            assert_eq!(read, name);
        }
    }
}

#[test]
fn no_fault_tells_what_the_secret_contains() {
    for password in ["hunter2\n", "hunter2\0", "hünter2", "hunter2$$"] {
        let fault = of_password(password.as_bytes()).expect_err("a fault");
        assert!(!format!("{fault} {fault:?}").contains("nter2"), "{fault}");
        assert!(fault.to_string().contains("key password"), "{fault}");
    }
    let debug = format!(
        "{:?}",
        Credentials {
            username: "u",
            password: "hunter2"
        }
    );
    assert!(!debug.contains("hunter2"), "{debug}");
}

/// A database that runs goes on with what opens it.
#[test]
fn what_opens_a_running_database_is_still_read() {
    let found = secret(b"a b", b"secret\n");
    let expected = Credentials {
        username: "a b",
        password: "secret\n",
    };
    assert_eq!(credentials(&found), Some(expected));
    assert_eq!(credentials(&Secret::default()), None);
    assert_eq!(credentials(&secret(b"a", b"\xff")), None);
}
