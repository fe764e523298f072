//! What a CA may issue, and what a leaf must have.

use super::*;

pub fn constraints(lab: &Lab) -> Vec<Case> {
    let critical = "basicConstraints=critical,CA:TRUE";
    let usage = "keyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash";
    let mut all = Vec::new();
    let mut root = |what, verdict, extensions: &str| {
        let root = lab.make(Order {
            extensions,
            ..Order::root("Root")
        });
        let extensions = match extensions.contains("subjectKeyIdentifier") {
            true => leaf(&root).extensions,
            false => "extendedKeyUsage=serverAuth\nsubjectAltName=DNS:pg.shop.svc\n",
        };
        let end = lab.make(Order {
            extensions,
            ..leaf(&root)
        });
        all.push(case(what, verdict, &[&end], &[&root]));
    };
    let not_ca = Bad("may not issue certificates");
    root(
        "a root without key usage",
        Good,
        &format!("{critical}\nsubjectKeyIdentifier=hash\n"),
    );
    root(
        "a root without basic constraints but with cert sign",
        Good,
        &format!("{usage}\n"),
    );
    root(
        "a root without basic constraints and key usage",
        not_ca,
        "subjectKeyIdentifier=hash\n",
    );
    root("a root of the first version", Good, "");
    root(
        "a root that says it is no CA",
        not_ca,
        &format!("basicConstraints=CA:FALSE\n{usage}\n"),
    );
    root(
        "a root that may not sign certificates",
        not_ca,
        &format!("{critical}\nkeyUsage=digitalSignature\nsubjectKeyIdentifier=hash\n"),
    );
    root(
        "a root for clients only",
        Bad("extended key usage of its CA"),
        &format!("{CA}extendedKeyUsage=clientAuth\n"),
    );
    root(
        "a root for servers and clients",
        Good,
        &format!("{CA}extendedKeyUsage=serverAuth,clientAuth\n"),
    );
    root(
        "a path length of zero",
        Good,
        &format!("{critical},pathlen:0\n{usage}\n"),
    );
    let names = Bad("name constraints");
    root(
        "names that are permitted",
        Good,
        &format!("{CA}nameConstraints=critical,permitted;DNS:shop.svc\n"),
    );
    root(
        "names that are not permitted",
        names,
        &format!("{CA}nameConstraints=critical,permitted;DNS:bank.svc\n"),
    );
    root(
        "names that are excluded",
        names,
        &format!("{CA}nameConstraints=critical,excluded;DNS:svc\n"),
    );
    root(
        "other names that are excluded",
        Good,
        &format!("{CA}nameConstraints=critical,excluded;DNS:bank.svc\n"),
    );
    root(
        "addresses that are permitted only",
        Good,
        &format!("{CA}nameConstraints=critical,permitted;IP:10.0.0.0/255.0.0.0\n"),
    );
    root(
        "a critical extension that nobody knows",
        Bad("critical extension 1.2.3.4"),
        &format!("{CA}1.2.3.4=critical,ASN1:NULL\n"),
    );

    let mut middle = |what, verdict, root: &str, extensions: &str| {
        let root = lab.make(Order {
            extensions: root,
            ..Order::root("Root")
        });
        let middle = lab.make(Order {
            extensions,
            ..intermediate("Issuing CA", &root)
        });
        let end = lab.make(leaf(&middle));
        all.push(case(what, verdict, &[&end, &middle], &[&root]));
        all.push(case(what, verdict, &[&end], &[&middle, &root]));
    };
    let good = format!("{CA}{KEY_ID}");
    middle(
        "a path length that suffices",
        Good,
        &format!("{critical},pathlen:1\n{usage}\n"),
        &good,
    );
    middle(
        "a path length that is too short",
        Bad("path length"),
        &format!("{critical},pathlen:0\n{usage}\n"),
        &good,
    );
    middle(
        "an intermediate without basic constraints",
        not_ca,
        CA,
        &format!("{usage}\n{KEY_ID}"),
    );
    middle(
        "an intermediate that may not sign",
        not_ca,
        CA,
        &format!("{critical}\nkeyUsage=digitalSignature\nsubjectKeyIdentifier=hash\n"),
    );
    middle(
        "an intermediate without key usage",
        Good,
        CA,
        &format!("{critical}\nsubjectKeyIdentifier=hash\n"),
    );
    middle(
        "names that a root does not permit",
        names,
        &format!("{CA}nameConstraints=permitted;DNS:bank.svc\n"),
        &good,
    );
    middle(
        "names that an intermediate does not permit",
        names,
        CA,
        &format!("{good}nameConstraints=permitted;DNS:bank.svc\n"),
    );
    middle(
        "an intermediate for clients only",
        Bad("key usage"),
        CA,
        &format!("{good}extendedKeyUsage=clientAuth\n"),
    );
    middle(
        "a critical extension in the middle that nobody knows",
        Bad("critical extension 1.2.3.4"),
        CA,
        &format!("{good}1.2.3.4=critical,ASN1:NULL\n"),
    );
    all
}

pub fn leaves(lab: &Lab) -> Vec<Case> {
    let root = lab.make(Order::root("Root"));
    let with = |extensions: &str| {
        lab.make(Order {
            extensions,
            ..leaf(&root)
        })
    };
    let named = |names: &str| with(&format!("{SERVER}{KEY_ID}subjectAltName={names}\n"));
    let one = |what, verdict, made: &Made| case(what, verdict, &[made], &[&root]);
    let constrained = lab.make(Order {
        extensions: &format!(
            "{CA}nameConstraints=critical,permitted;IP:127.0.0.0/255.0.0.0,permitted;DNS:shop.svc\n"
        ),
        ..Order::root("Constrained")
    });
    let inside = lab.make(Order {
        extensions: "subjectAltName=IP:127.0.0.1,DNS:pg.shop.svc\nextendedKeyUsage=serverAuth\n",
        ..leaf(&constrained)
    });
    let outside = lab.make(Order {
        extensions: "subjectAltName=IP:10.1.2.3,DNS:pg.shop.svc\nextendedKeyUsage=serverAuth\n",
        ..leaf(&constrained)
    });
    let purpose = Bad("its key usage does not allow this use");
    vec![
        one(
            "a leaf without extended key usage",
            Good,
            &with("keyUsage=digitalSignature\nsubjectAltName=DNS:pg.shop.svc\n"),
        ),
        one(
            "a leaf without key usage",
            Good,
            &with("extendedKeyUsage=serverAuth\nsubjectAltName=DNS:pg.shop.svc\n"),
        ),
        one(
            "a leaf for clients",
            purpose,
            &with("extendedKeyUsage=clientAuth\nsubjectAltName=DNS:pg.shop.svc\n"),
        ),
        one(
            "a leaf for any use",
            purpose,
            &with("extendedKeyUsage=2.5.29.37.0\nsubjectAltName=DNS:pg.shop.svc\n"),
        ),
        one(
            "a leaf for any use and servers",
            Good,
            &with("extendedKeyUsage=2.5.29.37.0,serverAuth\nsubjectAltName=DNS:pg.shop.svc\n"),
        ),
        one(
            "a leaf that may encipher keys only",
            Stricter("lacks digital signature"),
            &with("keyUsage=keyEncipherment\nsubjectAltName=DNS:pg.shop.svc\n"),
        ),
        one(
            "a leaf that is a CA",
            Stricter("one of a CA"),
            &with(
                "basicConstraints=CA:TRUE\nkeyUsage=digitalSignature,keyCertSign\nsubjectAltName=DNS:pg.shop.svc\n",
            ),
        ),
        one(
            "a critical extension in the leaf that nobody knows",
            Bad("can't be verified"),
            &with("1.2.3.4=critical,ASN1:NULL\nsubjectAltName=DNS:pg.shop.svc\n"),
        ),
        one("a wildcard", Good, &named("DNS:*.shop.svc")),
        one(
            "a wildcard that stands for two labels",
            Bad("is not for pg.shop.svc"),
            &named("DNS:*.svc"),
        ),
        one(
            "another name",
            Bad("is not for pg.shop.svc"),
            &named("DNS:pg.bank.svc"),
        ),
        one(
            "a name in the common name only",
            Bad("is not for"),
            &with(&format!("{SERVER}{KEY_ID}")),
        ),
        one("an address", Good, &named("IP:127.0.0.1")).host("127.0.0.1"),
        one(
            "an address of the sixth version",
            Good,
            &named("IP:fd00:0:0:0:0:0:0:1"),
        )
        .host("fd00::1"),
        one(
            "an address as a name",
            Lax("is not for 127.0.0.1"),
            &named("DNS:127.0.0.1"),
        )
        .host("127.0.0.1"),
        one(
            "another domain than cluster.local",
            Good,
            &named("DNS:pg.shop.svc.k8s.example.corp"),
        )
        .host("pg.shop.svc.k8s.example.corp"),
        one("capital letters", Good, &named("DNS:PG.Shop.svc")),
        case(
            "an address that the CA permits",
            Good,
            &[&inside],
            &[&constrained],
        ),
        case(
            "an address that the CA does not permit",
            Bad("name constraints"),
            &[&outside],
            &[&constrained],
        ),
    ]
}
