//! Chains as companies hand them out. What the preflight says of each is compared with what OpenSSL says, and a real libpq
//! and our own client log in to a real PostgreSQL that serves it.

use std::{sync::OnceLock, time::Duration};

use instance::{Login, Password, Purpose, Session, TlsMode, examine};
use jiff::{SignedDuration, Timestamp};

use crate::lab::{CA, KEY_ID, LONG, Lab, Made, OVER, Order, SERVER};
use crate::postgres::{PASSWORD, Postgres};
use testkit::authority::Issued;

const HOST: &str = "pg.shop.svc";

/// What is expected of a chain.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Verdict {
    /// OpenSSL, libpq and the preflight take it.
    Good,
    /// OpenSSL and the preflight refuse it; ours says this.
    Bad(&'static str),
    /// `openssl verify` takes it, libpq does not log in; ours says this.
    NoLogin(&'static str),
    /// OpenSSL and libpq take it, and we do not, for the reason that is said.
    Stricter(&'static str),
    /// libpq takes it by a rule of its own; OpenSSL and ours do not.
    Lax(&'static str),
    /// Two versions of OpenSSL, or two orders of the bundle, may differ.
    Luck(&'static str),
}
use Verdict::{Bad, Good, Lax, Luck, NoLogin, Stricter};

struct Case {
    what: &'static str,
    chain: String,
    key: String,
    ca: String,
    host: &'static str,
    verdict: Verdict,
}

fn case(what: &'static str, verdict: Verdict, chain: &[&Made], ca: &[&Made]) -> Case {
    let text = |all: &[&Made]| all.iter().map(|made| made.certificate.as_str()).collect();
    Case {
        what,
        chain: text(chain),
        key: chain[0].key.clone(),
        ca: text(ca),
        host: HOST,
        verdict,
    }
}

impl Case {
    fn host(self, host: &'static str) -> Self {
        Self { host, ..self }
    }

    fn with_ca(self, change: impl FnOnce(String) -> String) -> Self {
        Self {
            ca: change(self.ca),
            ..self
        }
    }

    fn with_chain(self, change: impl FnOnce(String) -> String) -> Self {
        Self {
            chain: change(self.chain),
            ..self
        }
    }

    fn faults(&self) -> Result<(), String> {
        let names = [self.host.to_owned()];
        let purpose = Purpose::Server { names: &names };
        let examined = examine(&self.chain, &self.key, &self.ca, purpose, Timestamp::now());
        examined.map(drop).map_err(|faults| {
            let all: Vec<String> = faults.iter().map(ToString::to_string).collect();
            all.join("; ")
        })
    }
}

fn leaf<'a>(issuer: &'a Made) -> Order<'a> {
    Order {
        extensions: "keyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth\nsubjectAltName=DNS:pg.shop.svc\n\
            authorityKeyIdentifier=keyid\n",
        ..Order::root("server").by(issuer)
    }
}

fn intermediate<'a>(name: &'a str, issuer: &'a Made) -> Order<'a> {
    Order {
        extensions: "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash\n\
            authorityKeyIdentifier=keyid\n",
        ..Order::root(name).by(issuer)
    }
}

/// A leaf, its intermediate and its root.
struct Three {
    root: Made,
    middle: Made,
    leaf: Made,
}

impl Three {
    fn of(lab: &Lab, root: Order<'_>, middle: Change) -> Self {
        let root = lab.make(root);
        let middle = lab.make(middle(intermediate("Issuing CA", &root)));
        let leaf = lab.make(leaf(&middle));
        Self { root, middle, leaf }
    }

    fn plain(lab: &Lab) -> Self {
        Self::of(lab, Order::root("Root"), |order| order)
    }
}

fn where_the_chain_ends(lab: &Lab) -> Vec<Case> {
    let Three {
        root,
        middle,
        leaf: end,
    } = Three::plain(lab);
    let deeper = lab.make(intermediate("Deeper CA", &middle));
    let deep = lab.make(leaf(&deeper));
    let elsewhere = lab.make(Order::root("Elsewhere"));
    let twin = lab.make(Order::root("Root"));
    let own = lab.make(Order {
        extensions: "subjectAltName=DNS:pg.shop.svc\n",
        ..Order::root("server")
    });
    let no_root = Bad("append the root to tls.crt of its Secret, or write it to ca.crt there");
    let foreign = Bad("was not issued by a CA of the bundle");
    vec![
        case("the root as ca.crt", Good, &[&end, &middle], &[&root]),
        case("the whole chain as ca.crt", Good, &[&end], &[&middle, &root]),
        case(
            "the whole chain twice",
            Good,
            &[&end, &middle, &root],
            &[&root, &middle, &middle, &root],
        ),
        case("an intermediate as ca.crt", no_root, &[&end], &[&middle]),
        case(
            "an intermediate as ca.crt, which is served too",
            no_root,
            &[&end, &middle],
            &[&middle],
        ),
        case(
            "an intermediate as ca.crt, its root served",
            no_root,
            &[&end, &middle, &root],
            &[&middle],
        ),
        case(
            "the lower of two intermediates as ca.crt",
            no_root,
            &[&deep, &deeper],
            &[&deeper],
        ),
        case(
            "the upper of two intermediates as ca.crt",
            no_root,
            &[&deep, &deeper],
            &[&middle],
        ),
        case(
            "two intermediates as ca.crt",
            no_root,
            &[&deep],
            &[&deeper, &middle],
        ),
        case(
            "two intermediates, one served",
            Good,
            &[&deep, &deeper],
            &[&middle, &root],
        ),
        case("an intermediate is missing", foreign, &[&deep, &deeper], &[&root]),
        case("another root", foreign, &[&end, &middle], &[&elsewhere]),
        case(
            "another root, its own served",
            foreign,
            &[&end, &middle, &root],
            &[&elsewhere],
        ),
        case(
            "another root of the same name",
            foreign,
            &[&end, &middle],
            &[&twin],
        ),
        case(
            "mixed order",
            Good,
            &[&deep, &root, &middle, &elsewhere, &deeper],
            &[&elsewhere, &root],
        ),
        case(
            "the leaf served twice",
            Good,
            &[&end, &end, &middle, &middle],
            &[&root],
        ),
        case("a leaf that signed itself", Good, &[&own], &[&own]),
        case(
            "a leaf that signed itself, another as ca.crt",
            foreign,
            &[&own],
            &[&root],
        ),
    ]
}

fn several_roots(lab: &Lab) -> Vec<Case> {
    let (old, new) = (lab.make(Order::root("Root")), lab.make(Order::root("Root")));
    let of_new = lab.make(leaf(&new));
    let no_ids = "keyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth\nsubjectAltName=DNS:pg.shop.svc\n\
        authorityKeyIdentifier=none\n";
    let nameless = lab.make(Order {
        extensions: no_ids,
        ..leaf(&new)
    });
    let rsa = lab.make(Order {
        kind: "rsa:2048",
        ..Order::root("Root")
    });
    let of_rsa = lab.make(Order {
        extensions: no_ids,
        ..leaf(&rsa)
    });
    // The same key under a new certificate, and another root that vouches for the same key.
    let renewed = lab.make(Order {
        key: Some(&old.key),
        ..Order::root("Root")
    });
    let expired = lab.make(Order {
        key: Some(&old.key),
        validity: OVER,
        ..Order::root("Root")
    });
    let unrelated = lab.make(Order {
        validity: OVER,
        ..Order::root("Retired")
    });
    let of_old = lab.make(leaf(&old));
    let elder = lab.make(Order::root("Elder"));
    let crossed = lab.make(Order {
        key: Some(&old.key),
        ..intermediate("Root", &elder)
    });
    let stale = lab.make(Order {
        key: Some(&old.key),
        validity: OVER,
        ..intermediate("Root", &elder)
    });
    let luck = Luck("no key identifier says which of them signed it");
    vec![
        case("two roots of one name", Good, &[&of_new], &[&old, &new]),
        case(
            "two roots of one name, the other way round",
            Good,
            &[&of_new],
            &[&new, &old],
        ),
        case(
            "two roots of one name, no key identifiers",
            luck,
            &[&nameless],
            &[&old, &new],
        ),
        case(
            "two roots of one name, no key identifiers, the other way round",
            luck,
            &[&nameless],
            &[&new, &old],
        ),
        case(
            "two roots of one name, told apart by the kind of key",
            Good,
            &[&of_rsa],
            &[&old, &rsa],
        ),
        case(
            "a root that was renewed with its key",
            Good,
            &[&of_old],
            &[&renewed],
        ),
        case("both generations of it", Good, &[&of_old], &[&old, &renewed]),
        case("its expired generation too", Good, &[&of_old], &[&expired, &old]),
        case(
            "an expired root of others too",
            Good,
            &[&of_old],
            &[&unrelated, &old],
        ),
        case(
            "cross-signed, the elder root as ca.crt",
            Good,
            &[&of_old, &crossed],
            &[&elder],
        ),
        case(
            "cross-signed, the younger root as ca.crt",
            Good,
            &[&of_old, &crossed],
            &[&old],
        ),
        case(
            "cross-signed, and the cross is over",
            Good,
            &[&of_old, &stale],
            &[&old],
        ),
        case(
            "cross-signed, both as ca.crt",
            Good,
            &[&of_old, &crossed],
            &[&old, &elder],
        ),
        case(
            "cross-signed, the cross without its root as ca.crt",
            Bad("up to a root"),
            &[&of_old],
            &[&crossed],
        ),
    ]
}

const PSS: &[&str] = &[
    "-sigopt",
    "rsa_padding_mode:pss",
    "-sigopt",
    "rsa_pss_saltlen:digest",
];
const LONG_SALT: &[&str] = &["-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:64"];

/// What is different in an order.
type Change = for<'x> fn(Order<'x>) -> Order<'x>;

fn keys_and_signatures(lab: &Lab) -> Vec<Case> {
    let binding = NoLogin("no channel binding");
    let cannot = Stricter("of a kind that the operators can't verify");
    let mut all = Vec::new();
    let mut add = |what, verdict, root: Order<'_>, change: Change| {
        let root = lab.make(root);
        let end = lab.make(change(leaf(&root)));
        all.push(case(what, verdict, &[&end], &[&root]));
    };
    let root = |kind, hash| Order {
        kind,
        hash,
        ..Order::root("Root")
    };
    let same: Change = |order| order;
    add("P-384", Good, root("ec:P-384", "sha384"), same);
    add("P-521", Good, root("ec:P-521", "sha512"), |order| Order {
        hash: "sha512",
        ..order
    });
    add("P-521 with SHA-256", Good, root("ec:P-521", "sha256"), same);
    add("P-521 with SHA-384", Good, root("ec:P-521", "sha384"), |order| {
        Order {
            hash: "sha384",
            ..order
        }
    });
    add("P-256 with SHA-512", Good, root("ec:P-256", "sha512"), |order| {
        Order {
            hash: "sha512",
            ..order
        }
    });
    add("P-384 with SHA-512", Good, root("ec:P-384", "sha512"), |order| {
        Order {
            hash: "sha512",
            ..order
        }
    });
    add("RSA 2048", Good, root("rsa:2048", "sha256"), same);
    add(
        "RSA 3072 with SHA-512",
        Good,
        root("rsa:3072", "sha512"),
        |order| Order {
            hash: "sha512",
            ..order
        },
    );
    add(
        "RSA 2048, the leaf too",
        Good,
        root("rsa:2048", "sha256"),
        |order| Order {
            kind: "rsa:2048",
            ..order
        },
    );
    add("RSA-PSS", Good, root("rsa:2048", "sha256"), |order| Order {
        options: PSS,
        ..order
    });
    add(
        "RSA-PSS with SHA-512",
        Good,
        root("rsa:2048", "sha512"),
        |order| Order {
            hash: "sha512",
            options: PSS,
            ..order
        },
    );
    add(
        "RSA-PSS with another salt",
        cannot,
        root("rsa:2048", "sha256"),
        |order| Order {
            options: LONG_SALT,
            ..order
        },
    );
    add("an RSA-PSS key", cannot, root("pss:2048", "sha256"), |order| {
        Order {
            options: PSS,
            ..order
        }
    });
    add("Ed25519", binding, root("ed25519", "default"), |order| Order {
        hash: "default",
        ..order
    });
    add("Ed448", binding, root("ed448", "default"), |order| Order {
        hash: "default",
        ..order
    });
    add(
        "Ed25519 for all",
        NoLogin("its key is Ed25519"),
        root("ed25519", "default"),
        |order| Order {
            kind: "ed25519",
            hash: "default",
            ..order
        },
    );
    add(
        "a leaf on P-521",
        Stricter("write privateKey"),
        root("ec:P-256", "sha256"),
        |order| Order {
            kind: "ec:P-521",
            ..order
        },
    );
    add(
        "RSA 1024",
        Bad("RSA of 1024 bits"),
        root("rsa:1024", "sha256"),
        same,
    );
    add(
        "SHA-1",
        Bad("signed with SHA-1"),
        root("rsa:2048", "sha256"),
        |order| Order {
            hash: "sha1",
            ..order
        },
    );
    add("a root signed with SHA-1", Good, root("rsa:2048", "sha1"), same);

    let mut add = |what, verdict, root: Order<'_>, middle: Change| {
        let Three { root, middle, leaf } = Three::of(lab, root, middle);
        all.push(case(what, verdict, &[&leaf, &middle], &[&root]));
    };
    add(
        "a root with Ed25519 above an intermediate with ECDSA",
        Good,
        root("ed25519", "default"),
        |order| Order {
            hash: "default",
            ..order
        },
    );
    add(
        "a root with Ed448 above an intermediate with ECDSA",
        cannot,
        root("ed448", "default"),
        |order| Order {
            hash: "default",
            ..order
        },
    );
    add(
        "a root on P-521 above an intermediate with RSA",
        Good,
        root("ec:P-521", "sha512"),
        |order| Order {
            kind: "rsa:2048",
            hash: "sha512",
            ..order
        },
    );
    add(
        "an intermediate with Ed25519",
        binding,
        root("ec:P-256", "sha256"),
        |order| Order {
            kind: "ed25519",
            ..order
        },
    );
    add(
        "an intermediate with RSA 1024",
        Bad("RSA of 1024 bits"),
        root("ec:P-256", "sha256"),
        |order| Order {
            kind: "rsa:1024",
            ..order
        },
    );
    add(
        "an intermediate signed with SHA-1",
        Bad("signed with SHA-1"),
        root("rsa:2048", "sha256"),
        |order| Order {
            hash: "sha1",
            ..order
        },
    );
    all
}

fn constraints(lab: &Lab) -> Vec<Case> {
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

fn leaves(lab: &Lab) -> Vec<Case> {
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

fn times(lab: &Lab) -> Vec<Case> {
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

fn texts(lab: &Lab) -> Vec<Case> {
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

/// All of them; made once, since each takes several processes.
fn all() -> &'static [Case] {
    static ALL: OnceLock<Vec<Case>> = OnceLock::new();
    ALL.get_or_init(|| {
        let lab = Lab::new("chains");
        let kinds = [
            where_the_chain_ends,
            several_roots,
            keys_and_signatures,
            constraints,
            leaves,
            times,
            texts,
        ];
        kinds.iter().flat_map(|cases| cases(&lab)).collect()
    })
}

#[test]
fn the_preflight_agrees_with_openssl() {
    let lab = Lab::new("preflight");
    let mut wrong = Vec::new();
    for case in all() {
        let (openssl, ours) = (lab.verify(&case.chain, &case.ca, case.host), case.faults());
        let openssl_is_right = match case.verdict {
            Good | NoLogin(_) | Stricter(_) => openssl.is_ok(),
            Bad(_) | Lax(_) => openssl.is_err(),
            Luck(_) => true,
        };
        let we_are_right = match (case.verdict, &ours) {
            (Good, ours) => ours.is_ok(),
            (Bad(why) | NoLogin(why) | Stricter(why) | Lax(why) | Luck(why), Err(ours)) => ours.contains(why),
            (_, Ok(())) => false,
        };
        let chain = instance::chain_of_pem(case.chain.as_bytes()).unwrap_or_default();
        let is_clear = instance::unambiguous(&chain, case.ca.as_bytes(), Timestamp::now()).is_ok();
        if !openssl_is_right || !we_are_right || is_clear == matches!(case.verdict, Luck(_)) {
            wrong.push(format!(
                "{} ({:?}):\n  OpenSSL: {openssl:?}\n  ours: {ours:?}",
                case.what, case.verdict
            ));
        }
    }
    assert!(wrong.is_empty(), "{} chains:\n{}", wrong.len(), wrong.join("\n"));
}

/// A server that has this chain, and nothing of another's log.
fn serve(postgres: &Postgres, case: &Case) -> Result<(), String> {
    postgres.write("log", "");
    postgres.write("ca.crt", &case.ca);
    postgres.serve(&Issued {
        certificate: case.chain.clone(),
        key: case.key.clone(),
    });
    // The CAs of clients are not what this is about, and PostgreSQL does not start with a file that it can't read.
    postgres.try_start(
        "ssl = on\nssl_ca_file = ''",
        "hostssl all all 127.0.0.1/32 scram-sha-256\n",
    )
}

async fn our_login(postgres: &Postgres, case: &Case) -> Result<(), String> {
    let login = Login {
        user: "postgres".to_owned(),
        password: Some(Password::new(PASSWORD)),
        database: "postgres".to_owned(),
        application_name: "test".to_owned(),
        tls: TlsMode::VerifyFull {
            ca: case.ca.clone().into_bytes(),
            server_name: case.host.to_owned(),
        },
        identity: None,
        major: None,
    };
    let opened = Session::connect("127.0.0.1", postgres.port, &login, Duration::from_secs(10)).await;
    opened.map(drop).map_err(|error| error.to_string())
}

#[tokio::test]
async fn real_clients_log_in_to_what_the_preflight_takes() {
    let Some(postgres) = Postgres::prepare("chains") else {
        return;
    };
    let lab = Lab::new("logins");
    let mut wrong = Vec::new();
    // Where OpenSSL refuses the chain, one kind is enough to show that libpq does.
    let mut is_first_kind = true;
    for case in all() {
        is_first_kind &= case.what != "two roots of one name";
        if matches!(case.verdict, Bad(_)) && !is_first_kind {
            continue;
        }
        let ca = lab.write("psql.ca", &case.ca);
        let options = format!(
            "host={} sslmode=verify-full sslrootcert={ca} channel_binding=require",
            case.host
        );
        let started = serve(&postgres, case);
        let (libpq, ours) = match &started {
            Ok(()) => (postgres.psql(&options), our_login(&postgres, case).await),
            Err(log) => (Err(log.clone()), Err(log.clone())),
        };
        postgres.stop();
        let is_right = match case.verdict {
            Good => libpq.is_ok() && ours.is_ok(),
            Bad(_) | NoLogin(_) => libpq.is_err() && ours.is_err(),
            // What our client takes less strictly than the preflight does no harm.
            Stricter(_) | Lax(_) => libpq.is_ok(),
            Luck(_) => ours.is_err(),
        };
        if !is_right {
            wrong.push(format!(
                "{} ({:?}):\n  libpq: {libpq:?}\n  ours: {ours:?}",
                case.what, case.verdict
            ));
        }
    }
    assert!(wrong.is_empty(), "{} chains:\n{}", wrong.len(), wrong.join("\n"));
}
