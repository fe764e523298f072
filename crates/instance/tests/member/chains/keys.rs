//! Kinds of keys and of signatures.

use super::*;

const PSS: &[&str] = &[
    "-sigopt",
    "rsa_padding_mode:pss",
    "-sigopt",
    "rsa_pss_saltlen:digest",
];
const LONG_SALT: &[&str] = &["-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:64"];

pub fn keys_and_signatures(lab: &Lab) -> Vec<Case> {
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
