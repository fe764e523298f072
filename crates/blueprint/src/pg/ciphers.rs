//! What a cipher list selects (OpenSSL, `openssl-ciphers(1)`), as far as a server with one kind of key goes.

use std::sync::LazyLock;

/// A cipher suite, as `openssl ciphers -v` describes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Suite {
    pub name: &'static str,
    pub protocol: &'static str,
    key_exchange: &'static str,
    pub authentication: &'static str,
    encryption: &'static str,
    digest: &'static str,
    /// Words of a list that select it and that nothing else here shows.
    groups: &'static str,
}

/// Suites of TLS 1.3 are chosen by other means than the cipher list.
const TLS_1_3: &str = "TLSv1.3";

/// Every suite that OpenSSL knows.
pub(crate) fn all() -> &'static [Suite] {
    static ALL: LazyLock<Vec<Suite>> = LazyLock::new(|| {
        let text = include_str!("catalog/ciphers.tsv");
        text.lines()
            .filter(|line| !line.starts_with('#'))
            .filter_map(suite)
            .collect()
    });
    &ALL
}

fn suite(row: &'static str) -> Option<Suite> {
    let columns: Vec<&'static str> = row.split('\t').collect();
    let [
        name,
        protocol,
        key_exchange,
        authentication,
        encryption,
        digest,
        groups,
    ] = columns.as_slice()
    else {
        return None;
    };
    Some(Suite {
        name,
        protocol,
        key_exchange,
        authentication,
        encryption,
        digest,
        groups,
    })
}

/// The suites of TLS 1.2 and below that a cipher list leaves, in no order. An empty result is one that OpenSSL refuses.
pub(crate) fn selected(list: &str) -> Vec<&'static Suite> {
    let list = match list {
        "SUITEB128ONLY" | "SUITEB128C2" => "ECDHE-ECDSA-AES128-GCM-SHA256",
        "SUITEB128" => "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384",
        "SUITEB192" => "ECDHE-ECDSA-AES256-GCM-SHA384",
        other => other,
    };
    let below_1_3 = || all().iter().filter(|suite| suite.protocol != TLS_1_3);
    below_1_3().filter(|suite| leaves(list, suite)).collect()
}

/// Whether the list leaves this suite on at its end.
fn leaves(list: &str, suite: &Suite) -> bool {
    let (mut is_on, mut is_banned) = (false, false);
    let rest = match list.strip_prefix("DEFAULT") {
        Some(rest) => {
            is_on = is_in(suite, "DEFAULT");
            rest
        }
        None => list,
    };
    for word in rest
        .split([':', ' ', ';', ','])
        .filter(|word| !word.is_empty() && !word.starts_with('@'))
    {
        let (sign, tags) = match word.strip_prefix(['!', '-', '+']) {
            Some(tags) => (word.chars().next(), tags),
            None => (None, word),
        };
        if !tags.split('+').all(|tag| has_tag(suite, tag)) {
            continue;
        }
        match sign {
            Some('!') => is_banned = true,
            Some('-') => is_on = false,
            // The order is of no interest here.
            Some(_) => {}
            None => is_on = true,
        }
    }
    is_on && !is_banned
}

fn is_in(suite: &Suite, group: &str) -> bool {
    suite.groups.split(',').any(|known| known == group)
}

fn has_tag(suite: &Suite, tag: &str) -> bool {
    let bits = |bits: &str| suite.encryption.ends_with(&format!("({bits})"));
    let cipher = |name: &str| suite.encryption.starts_with(name);
    let (exchange, authentication) = (suite.key_exchange, suite.authentication);
    match tag {
        "ALL" => suite.encryption != "None",
        "COMPLEMENTOFALL" | "eNULL" | "NULL" => suite.encryption == "None",
        "COMPLEMENTOFDEFAULT" => suite.encryption != "None" && !is_in(suite, "DEFAULT"),
        "HIGH" | "MEDIUM" | "FIPS" => is_in(suite, tag),
        "aNULL" => authentication == "None",
        "aRSA" => authentication == "RSA",
        "aDSS" | "DSS" => authentication == "DSS",
        "aECDSA" | "ECDSA" => authentication == "ECDSA",
        "aPSK" => authentication == "PSK",
        "aSRP" => authentication == "SRP",
        "kRSA" => exchange == "RSA",
        "RSA" => exchange == "RSA" && authentication == "RSA",
        "kDHE" | "kEDH" | "DH" => exchange == "DH",
        "DHE" | "EDH" => exchange == "DH" && authentication != "None",
        "ADH" => exchange == "DH" && authentication == "None",
        "kECDHE" | "kEECDH" | "ECDH" => exchange == "ECDH",
        "ECDHE" | "EECDH" => exchange == "ECDH" && authentication != "None",
        "AECDH" => exchange == "ECDH" && authentication == "None",
        "PSK" => exchange.ends_with("PSK"),
        "kPSK" => exchange == "PSK",
        "kRSAPSK" => exchange == "RSAPSK",
        "kDHEPSK" => exchange == "DHEPSK",
        "kECDHEPSK" => exchange == "ECDHEPSK",
        "kSRP" | "SRP" => exchange == "SRP",
        "AES" => cipher("AES"),
        "AES128" => cipher("AES") && bits("128"),
        "AES256" => cipher("AES") && bits("256"),
        "AESGCM" => cipher("AESGCM"),
        "AESCCM" => cipher("AESCCM"),
        "AESCCM8" => cipher("AESCCM8"),
        "ARIA" | "ARIAGCM" => cipher("ARIA"),
        "ARIA128" => cipher("ARIA") && bits("128"),
        "ARIA256" => cipher("ARIA") && bits("256"),
        "CAMELLIA" => cipher("Camellia"),
        "CAMELLIA128" => cipher("Camellia") && bits("128"),
        "CAMELLIA256" => cipher("Camellia") && bits("256"),
        "CHACHA20" => cipher("CHACHA20"),
        "MD5" => suite.digest == "MD5",
        "SHA1" | "SHA" => suite.digest == "SHA1",
        "SHA256" => suite.digest == "SHA256",
        "SHA384" => suite.digest == "SHA384",
        "SSLv3" | "TLSv1" | "TLSv1.2" => suite.protocol == tag,
        "TLSv1.0" => suite.protocol == "TLSv1",
        name => suite.name == name,
    }
}

/// The words that set a security level, `@SECLEVEL=<n>`: the highest of them.
pub(crate) fn security_level(list: &str) -> Option<u32> {
    let mut levels = list
        .split([':', ' ', ';', ','])
        .filter_map(|word| word.strip_prefix("@SECLEVEL=")?.parse().ok());
    levels.next_back()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many suites `openssl ciphers <list>@SECLEVEL=0` prints, without those of TLS 1.3, and how many of them sign by ECDSA.
    #[test]
    fn lists_select_what_openssl_selects() {
        for (list, suites, ecdsa) in TABLE {
            let found = selected(list);
            let signed = found
                .iter()
                .filter(|suite| suite.authentication == "ECDSA")
                .count();
            assert_eq!((found.len(), signed), (suites, ecdsa), "{list}");
        }
    }

    #[test]
    fn the_last_level_counts() {
        assert_eq!(security_level("HIGH:@SECLEVEL=1:!aNULL:@SECLEVEL=4"), Some(4));
        assert_eq!(security_level("HIGH"), None);
    }

    const TABLE: [(&str, usize, usize); 43] = [
        ("HIGH:MEDIUM:+3DES:!aNULL", 125, 15),
        ("DEFAULT", 57, 7),
        ("DEFAULT:!aECDSA", 50, 0),
        ("ALL", 137, 15),
        ("ALL:!ECDSA", 122, 0),
        ("HIGH:!aNULL:!MD5", 125, 15),
        ("ECDHE-RSA-AES256-GCM-SHA384", 1, 0),
        (
            "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-RSA-AES128-GCM-SHA256:DHE-RSA-AES256-GCM-SHA384",
            3,
            0,
        ),
        ("ECDHE-ECDSA-AES256-GCM-SHA384", 1, 1),
        ("ECDHE+AESGCM", 4, 2),
        ("EECDH+AESGCM:EDH+AESGCM", 8, 2),
        ("ECDHE+aRSA", 12, 0),
        ("aRSA", 64, 0),
        ("kRSA+AES", 10, 0),
        ("ECDHE:-ECDSA", 12, 0),
        ("ECDHE:-ECDSA:ECDSA", 28, 16),
        ("!ECDSA:ECDHE", 12, 0),
        ("AES256-SHA:AES128-SHA", 2, 0),
        ("TLSv1.2", 86, 13),
        ("TLSv1.2+ECDSA", 13, 13),
        ("SSLv3", 33, 0),
        ("CHACHA20", 7, 1),
        ("AESCCM", 20, 4),
        ("CAMELLIA", 28, 2),
        ("SHA384", 16, 2),
        ("FIPS", 60, 6),
        ("PSK", 60, 0),
        ("NULL", 18, 1),
        ("COMPLEMENTOFALL", 18, 1),
        ("COMPLEMENTOFDEFAULT", 80, 8),
        ("ECDH", 31, 16),
        ("ECDHE-ECDSA-AES128-SHA256 ECDHE-RSA-AES128-SHA256", 2, 1),
        ("nonsense:ECDHE-RSA-AES128-SHA256", 1, 0),
        ("nonsense", 0, 0),
        ("SUITEB128", 2, 2),
        ("SUITEB192", 1, 1),
        ("TLS_AES_256_GCM_SHA384", 0, 0),
        ("kECDHE+ECDSA+CHACHA20", 1, 1),
        ("HIGH:!kRSA:!ECDHE", 95, 0),
        ("LOW", 0, 0),
        ("ARIA", 16, 2),
        ("DHE", 29, 0),
        ("RSA", 19, 0),
    ];
}
