//! Parameters of TLS that leave clients, standbys or the operators no way to connect.

use api_types::Major;

use super::combined::Combined;
use crate::pg::ciphers;

/// How the keys of a database's certificates sign, in the terms of `openssl ciphers -v`: cert-manager makes ECDSA keys.
const KEY: &str = "ECDSA";
/// Suites of TLS 1.2 that fit such a key and that the operators support.
const SUITES: [&str; 3] = [
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
];
/// Suites of TLS 1.3 that the operators support.
const SUITES_1_3: [&str; 3] = [
    "TLS_AES_128_GCM_SHA256",
    "TLS_AES_256_GCM_SHA384",
    "TLS_CHACHA20_POLY1305_SHA256",
];
/// Groups of the key exchange that the operators support, by OpenSSL's names for them; before PostgreSQL 18 one curve, by
/// the name that `openssl ecparam` has for it.
const GROUPS: [&str; 6] = ["X25519", "P-256", "prime256v1", "secp256r1", "P-384", "secp384r1"];
const CURVES: [&str; 2] = ["prime256v1", "secp384r1"];
/// The other groups that OpenSSL 3 knows.
const OTHER_GROUPS: [&str; 21] = [
    "P-521",
    "secp521r1",
    "X448",
    "ffdhe2048",
    "ffdhe3072",
    "ffdhe4096",
    "ffdhe6144",
    "ffdhe8192",
    "brainpoolP256r1",
    "brainpoolP384r1",
    "brainpoolP512r1",
    "brainpoolP256r1tls13",
    "brainpoolP384r1tls13",
    "brainpoolP512r1tls13",
    "secp256k1",
    "X25519MLKEM768",
    "SecP256r1MLKEM768",
    "SecP384r1MLKEM1024",
    "MLKEM512",
    "MLKEM768",
    "MLKEM1024",
];
/// The highest security level that keys of P-256 pass (`SSL_CTX_set_security_level(3)`: 128 bits).
const HIGHEST_LEVEL: u32 = 3;

/// TLS versions in their order.
const VERSIONS: [&str; 4] = ["TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"];
/// Place of TLS 1.2 in [`VERSIONS`]: older ones are off in OpenSSL's security level 2, which Debian sets.
const OLDEST: usize = 2;
/// Place of TLS 1.3.
const NEWEST: usize = 3;

pub(super) fn check(combined: &mut Combined<'_>) {
    if combined.input.spec.tls.is_none() {
        return;
    }
    let version = |text: &str| VERSIONS.iter().position(|known| known.eq_ignore_ascii_case(text));
    let least = combined
        .text("ssl_min_protocol_version")
        .and_then(version)
        .unwrap_or(OLDEST);
    let most = combined
        .text("ssl_max_protocol_version")
        .and_then(version)
        .unwrap_or(NEWEST);
    if most < OLDEST {
        combined.refuse(
            "ssl_max_protocol_version",
            "no client speaks so old a version any more; write TLSv1.2 or TLSv1.3",
        );
    } else if least > most {
        combined.refuse(
            "ssl_min_protocol_version",
            "it is above ssl_max_protocol_version; write a version that is not",
        );
    }
    if let Some(why) = combined
        .text("ssl_ciphers")
        .and_then(|list| unfit_ciphers(list, most))
    {
        combined.refuse("ssl_ciphers", &why);
    }
    for name in ["ssl_ecdh_curve", "ssl_groups"] {
        let major = combined.input.major;
        if let Some(why) = combined.text(name).and_then(|list| unfit_groups(list, major)) {
            combined.refuse(name, &why);
        }
    }
    if let Some(why) = combined
        .text("ssl_tls13_ciphers")
        .and_then(|list| unfit_suites(list, least))
    {
        combined.refuse("ssl_tls13_ciphers", &why);
    }
}

/// Why no session can be made under a list of suites of TLS 1.2, when TLS 1.3 is no way out.
fn unfit_ciphers(list: &str, most: usize) -> Option<String> {
    let selected = ciphers::selected(list);
    let only = if most < NEWEST {
        format!(
            ", and ssl_max_protocol_version = {} leaves no other way",
            VERSIONS[most]
        )
    } else {
        String::new()
    };
    if selected.is_empty() {
        return Some("OpenSSL knows none of these ciphers, so PostgreSQL would not start with TLS; write for example HIGH:!aNULL".to_owned());
    }
    if ciphers::security_level(list).is_some_and(|level| level > HIGHEST_LEVEL) {
        return Some(format!(
            "the {KEY} P-256 keys of this database's certificates are below this security level; write @SECLEVEL={HIGHEST_LEVEL} or less"
        ));
    }
    if most >= NEWEST {
        return None;
    }
    if !selected.iter().any(|suite| suite.authentication == KEY) {
        return Some(format!(
            "none of these ciphers fits the {KEY} keys of this database's certificates{only}; add {}",
            SUITES[1]
        ));
    }
    (!selected.iter().any(|suite| SUITES.contains(&suite.name))).then(|| {
        format!(
            "the operators speak none of these ciphers{only}; add one of {}",
            SUITES.join(", ")
        )
    })
}

/// Why no session can be made with these groups of the key exchange.
fn unfit_groups(list: &str, major: Major) -> Option<String> {
    if !major.has_tls_groups() {
        return (!CURVES.contains(&list)).then(|| {
            format!(
                "PostgreSQL {major} and the operators have no such curve in common; write {}",
                CURVES.join(" or ")
            )
        });
    }
    let names = || {
        list.split([':', '/'])
            .map(|name| name.trim().trim_start_matches(['?', '*', '-']))
    };
    let is_of = |known: &[&str], name: &str| known.iter().any(|it| it.eq_ignore_ascii_case(name));
    if let Some(name) = names().find(|name| !is_of(&GROUPS, name) && !is_of(&OTHER_GROUPS, name)) {
        return Some(format!(
            "OpenSSL has no group {name:?}, so PostgreSQL would not start with TLS; write for example X25519:P-256"
        ));
    }
    (!names().any(|name| is_of(&GROUPS, name))).then(|| {
        format!(
            "the operators speak none of these groups; add one of {}",
            GROUPS.join(", ")
        )
    })
}

/// Why no session can be made with these suites of TLS 1.3, where nothing older is allowed.
fn unfit_suites(list: &str, least: usize) -> Option<String> {
    let list = list.trim();
    if list.is_empty() || least < NEWEST || list.split(':').any(|suite| SUITES_1_3.contains(&suite.trim())) {
        return None;
    }
    Some(format!(
        "the operators speak none of these suites; add one of {}",
        SUITES_1_3.join(", ")
    ))
}
