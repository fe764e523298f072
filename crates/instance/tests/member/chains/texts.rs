//! Validity, and how the PEM is written.

use super::*;

pub fn times(lab: &Lab) -> Vec<Case> {
    let root = lab.make(Order::root("Root"));
    let soon = |seconds| {
        (Timestamp::now() + SignedDuration::from_secs(seconds))
            .strftime("%Y%m%d%H%M%SZ")
            .to_string()
    };
    let (past, soon_over, year) = (soon(-60), soon(1_800), soon(31_536_000));
    let brief = lab.make(Order {
        validity: (&past, &soon_over),
        ..leaf(&root)
    });
    let early = lab.make(Order {
        validity: (&year, LONG.1),
        ..leaf(&root)
    });
    let over = lab.make(Order {
        validity: OVER,
        ..leaf(&root)
    });
    let ending = lab.make(Order {
        validity: (LONG.0, &soon_over),
        ..Order::root("Ending")
    });
    let outlives = lab.make(leaf(&ending));
    let ended = lab.make(Order {
        validity: OVER,
        ..Order::root("Ended")
    });
    let later = lab.make(Order {
        validity: (&year, LONG.1),
        ..Order::root("Later")
    });
    let (of_ended, of_later) = (lab.make(leaf(&ended)), lab.make(leaf(&later)));
    let stale = lab.make(Order {
        validity: OVER,
        ..intermediate("Stale CA", &root)
    });
    let of_stale = lab.make(leaf(&stale));
    let fresh = lab.make(Order {
        key: Some(&stale.key),
        ..intermediate("Stale CA", &root)
    });
    let renew = Bad("renew the CA of the issuer first");
    vec![
        case("a life of minutes", Good, &[&brief], &[&root]),
        case("a leaf that outlives its CA", Good, &[&outlives], &[&ending]),
        case(
            "a leaf that has not begun",
            Bad("it is not valid before"),
            &[&early],
            &[&root],
        ),
        case("a leaf that is over", Bad("it expired at"), &[&over], &[&root]),
        case("a root that is over", renew, &[&of_ended], &[&ended]),
        case("a root that has not begun", renew, &[&of_later], &[&later]),
        case(
            "an intermediate that is over",
            renew,
            &[&of_stale, &stale],
            &[&root],
        ),
        case(
            "an intermediate that is over, in ca.crt",
            renew,
            &[&of_stale],
            &[&stale, &root],
        ),
        case(
            "an intermediate that was renewed",
            Good,
            &[&of_stale, &stale, &fresh],
            &[&root],
        ),
        case(
            "an intermediate that was renewed, in ca.crt",
            Good,
            &[&of_stale, &stale],
            &[&fresh, &root],
        ),
    ]
}

pub fn texts(lab: &Lab) -> Vec<Case> {
    let Three { root, middle, leaf } = Three::plain(lab);
    let plain = |what, verdict| case(what, verdict, &[&leaf, &middle], &[&root]);
    let both = |what, verdict| case(what, verdict, &[&leaf], &[&middle, &root]);
    let crlf = |text: String| text.replace('\n', "\r\n");
    let commented = |text: String| format!("subject=Root\n# of the company\n\n{text}\nthe end\n");
    let one_line = |text: String| {
        let body = |t: &str| t.replace('\n', "");
        text.split_inclusive("-----END CERTIFICATE-----\n")
            .filter(|t| !t.is_empty())
            .map(|t| {
                let inner = t
                    .trim_start_matches("-----BEGIN CERTIFICATE-----\n")
                    .trim_end_matches("-----END CERTIFICATE-----\n");
                format!(
                    "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n",
                    body(inner)
                )
            })
            .collect()
    };
    let glued = |text: String| {
        text.replace(
            "-----END CERTIFICATE-----\n-----BEGIN",
            "-----END CERTIFICATE----------BEGIN",
        )
    };
    let no_end = |text: String| text.trim_end().to_owned();
    let boundary = Bad("does not read as a boundary of PEM");
    vec![
        plain("CRLF in ca.crt", Good).with_ca(crlf),
        plain("CRLF in tls.crt", Good).with_chain(crlf),
        plain("text around ca.crt", Good).with_ca(commented),
        plain("text around tls.crt", Good).with_chain(commented),
        plain("no last line feed", Good)
            .with_ca(no_end)
            .with_chain(no_end),
        both("one line of base64", Good).with_ca(one_line),
        both("spaces at the ends of lines", Good).with_ca(|text| text.replace("-----\n", "-----  \n")),
        both(
            "two certificates put together without a line feed in ca.crt",
            boundary,
        )
        .with_ca(glued),
        plain(
            "two certificates put together without a line feed in tls.crt",
            boundary,
        )
        .with_chain(glued),
        both("lines that end in a carriage return only", boundary).with_ca(|text| text.replace('\n', "\r")),
        both("a certificate that is cut off", Bad("ca.crt"))
            .with_ca(|text| text[..text.len() - 100].to_owned()),
        both("no PEM", Bad("ca.crt")).with_ca(|_| "root".to_owned()),
        plain("a key in tls.crt too", Good).with_chain(|text| format!("{text}{}", leaf.key)),
    ]
}
