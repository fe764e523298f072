//! Objects as the provisioner and cert-manager make them.

use api_types::cert_manager::{Certificate, IssuerCondition};
use api_types::vocabulary::PAUSED_BY;
use api_types::{PetSet, Postgres, PostgresVersion};
use blueprint::{Children, Inputs, KeyPair, LiveFacts, MemberTls, RoleLogin, Roles, TlsInputs};
use testkit::authority::Authority;

pub fn build(
    postgres: &Postgres,
    version: &PostgresVersion,
    tls: TlsInputs,
    pet_set: Option<&PetSet>,
    user_conf: Option<&str>,
) -> Children {
    let mut postgres = postgres.clone();
    postgres
        .metadata
        .annotations
        .get_or_insert_default()
        .remove(PAUSED_BY);
    let mut live = LiveFacts::from_pet_set(pet_set).with_superuser(Some("postgres".into()));
    live.member_tls = Some(member_tls());
    let inputs = Inputs {
        postgres: &postgres,
        version,
        user_conf,
        tls,
        live,
    };
    blueprint::build(&blueprint::resolve(&inputs).expect("a valid Postgres"))
}

/// What the internal CA issued for members.
pub fn member_tls() -> MemberTls {
    MemberTls {
        ca: "the internal CA".into(),
        identity: "a member's certificate and key".into(),
        roles: roles().of_member(),
    }
}

/// Passwords of the roles of ours.
pub fn roles() -> Roles {
    let login = |name: &str| RoleLogin {
        password: format!("password of {name}"),
        verifier: format!("SCRAM-SHA-256$4096:verifier of {name}"),
    };
    Roles {
        operator: login("operator"),
        replication: login("replication"),
        rewind: login("rewind"),
    }
}

pub fn set_issuing(certificate: &mut Certificate) {
    let conditions = &mut certificate.status.get_or_insert_default().conditions;
    conditions.retain(|c| c.type_ != "Issuing");
    conditions.push(condition_of("Issuing"));
}

pub fn condition_of(type_: &str) -> IssuerCondition {
    IssuerCondition {
        type_: type_.to_owned(),
        status: "True".to_owned(),
        ..IssuerCondition::default()
    }
}

/// What an issuer gives for a Certificate, valid from this day on (year, month, day).
pub fn issue(
    authority: &Authority,
    spec: &api_types::cert_manager::CertificateSpec,
    from: Option<(i32, u8, u8)>,
) -> KeyPair {
    let common_name = spec.common_name.as_deref().unwrap_or_default();
    let issued = match from {
        Some(day) => authority.leaf_from(common_name, &spec.names(), day),
        None => authority.leaf(common_name, &spec.names()),
    };
    KeyPair {
        ca: authority.pem_text().to_owned(),
        certificate: issued.certificate,
        key: issued.key,
    }
}
