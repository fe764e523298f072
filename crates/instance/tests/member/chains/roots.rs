//! Where a chain ends, and several roots.

use super::*;

pub fn where_the_chain_ends(lab: &Lab) -> Vec<Case> {
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

pub fn several_roots(lab: &Lab) -> Vec<Case> {
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
