//! Command lines that are read, and those that are refused.

use clap::CommandFactory;

use super::*;

#[test]
fn the_definition_is_sound() {
    Cli::command().debug_assert();
}

#[test]
fn times() {
    assert_eq!(duration("90s"), Ok(Duration::from_secs(90)));
    assert_eq!(duration("1h"), Ok(Duration::from_secs(3600)));
    for wrong in [
        "",
        "5",
        "m",
        "1d",
        "-1s",
        "99999999999999999999s",
        "9999999999999999999h",
    ] {
        assert!(duration(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn every_word_of_a_mode_is_itself() {
    for word in ["allow", "prefer", "require", "verify-ca", "verify-full"] {
        let cli = Cli::parse_from(["x", "tls", "update", "db", "--ssl-mode", word]);
        let Command::Tls(command) = cli.command else {
            panic!("another command");
        };
        let TlsCommand::Update { modes, .. } = *command else {
            panic!("another change");
        };
        assert_eq!(modes.ssl_mode.map(SslMode::as_str), Some(word));
    }
    for word in ["md5", "scram", "cert"] {
        let cli = Cli::parse_from(["x", "tls", "update", "db", "--client-auth-mode", word]);
        let Command::Tls(command) = cli.command else {
            panic!("another command");
        };
        let TlsCommand::Update { modes, .. } = *command else {
            panic!("another change");
        };
        assert_eq!(modes.client_auth_mode.map(ClientAuthMode::as_str), Some(word));
    }
    let wrong = Cli::try_parse_from(["x", "tls", "remove", "db", "--client-auth-mode", "cert"]);
    assert_eq!(wrong.expect_err("needs TLS").exit_code(), 2);
}
