//! The internal CA of a database, and the passwords of its own roles: makes keys, signs, and computes verifiers. What is to be
//! issued is decided in `decide::members_tls`.

use blueprint::{MembersTls, RoleLogin, Roles};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use rand::Rng;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SerialNumber, date_time_ymd,
};

/// Years that the CA's certificate is valid.
const CA_YEARS: i16 = 10;
/// Years that certificates of members and operators are valid.
pub const LEAF_YEARS: i16 = 2;
/// Bytes of a serial number (RFC 5280, 4.1.2.2: at most 20, positive). Patroni identifies certificates by it.
const SERIAL: usize = 16;

/// Random bytes of a password.
const PASSWORD: usize = 24;

/// What is to be issued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// The CA that signs.
    pub ca: CaOrder,
    /// DNS names of the members' certificate.
    pub names: Vec<String>,
    /// What members have from a CA whose key is lost. Members trust that CA until they have read the new one, so the operators
    /// go on with a certificate of it.
    pub former: Option<blueprint::MemberTls>,
    /// The passwords of the database's own roles; new ones when none.
    pub roles: Option<Roles>,
}

/// The CA of an [`Order`]. `Debug` shows no key.
#[derive(Clone, PartialEq, Eq)]
pub enum CaOrder {
    /// A new one.
    New,
    /// The present one.
    Keep {
        /// Its certificate, PEM.
        certificate: String,
        /// Its common name.
        name: String,
        /// Its private key, PEM.
        key: String,
    },
    /// The present one, with a certificate that ends later. Name and key stay, so what it signed before stays valid.
    Renew {
        /// Its common name.
        name: String,
        /// Its private key, PEM.
        key: String,
    },
}

impl std::fmt::Debug for CaOrder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::New => "a new CA",
            Self::Keep { .. } => "the present CA",
            Self::Renew { .. } => "the present CA with a new certificate",
        })
    }
}

/// Something could not be signed.
#[derive(Debug, thiserror::Error)]
#[error("cannot issue the certificates of members and operators; delete the Secret {secret} if this lasts")]
pub struct IssueError {
    /// Name of the Secret that they were for.
    pub secret: String,
    /// Why not.
    #[source]
    pub source: rcgen::Error,
}

/// Carries an order out.
///
/// # Errors
/// When the CA's key can't be read, or something can't be signed.
pub fn issue(order: &Order, now: Timestamp) -> Result<MembersTls, rcgen::Error> {
    let today = now.to_zoned(TimeZone::UTC).date();
    let ca = authority(&order.ca, today)?;
    let member = leaf(&ca.issuer, "sealwright-member", &order.names, today)?;
    let (trusted, operator) = match &order.former {
        Some(former) => (
            format!("{}{}", ca.certificate, former.ca),
            former.identity.clone(),
        ),
        None => {
            let operator = leaf(&ca.issuer, "sealwright-operator", &[], today)?;
            (ca.certificate, operator)
        }
    };
    Ok(MembersTls {
        ca: trusted,
        ca_key: ca.key,
        member,
        operator,
        roles: order.roles.clone().unwrap_or_else(new_roles),
    })
}

fn new_roles() -> Roles {
    Roles {
        operator: new_login(),
        replication: new_login(),
        rewind: new_login(),
    }
}

fn new_login() -> RoleLogin {
    let password = random_hex::<PASSWORD>();
    RoleLogin {
        verifier: postgres_protocol::password::scram_sha_256(password.as_bytes()),
        password,
    }
}

struct Authority {
    certificate: String,
    key: String,
    issuer: Issuer<'static, KeyPair>,
}

fn authority(order: &CaOrder, today: Date) -> Result<Authority, rcgen::Error> {
    let (name, key) = match order {
        // A name of its own: two CAs of one name in a bundle would be taken for each other.
        CaOrder::New => (
            format!("sealwright-members-{}", random_hex::<4>()),
            KeyPair::generate()?,
        ),
        CaOrder::Keep { name, key, .. } | CaOrder::Renew { name, key } => {
            (name.clone(), KeyPair::from_pem(key)?)
        }
    };
    let mut params = params(&name, &[], CA_YEARS, today)?;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let certificate = match order {
        CaOrder::Keep { certificate, .. } => certificate.clone(),
        CaOrder::New | CaOrder::Renew { .. } => params.self_signed(&key)?.pem(),
    };
    Ok(Authority {
        certificate,
        key: key.serialize_pem(),
        issuer: Issuer::new(params, key),
    })
}

/// Certificate and private key in one PEM text. For servers and clients: members call each other.
fn leaf(
    issuer: &Issuer<'static, KeyPair>,
    name: &str,
    names: &[String],
    today: Date,
) -> Result<String, rcgen::Error> {
    let key = KeyPair::generate()?;
    let mut params = params(name, names, LEAF_YEARS, today)?;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    if !names.is_empty() {
        params
            .extended_key_usages
            .push(ExtendedKeyUsagePurpose::ServerAuth);
    }
    // Python verifies strictly by RFC 5280 since 3.13, and wants it.
    params.use_authority_key_identifier_extension = true;
    let certificate = params.signed_by(&key, issuer)?;
    Ok(format!("{}{}", certificate.pem(), key.serialize_pem()))
}

/// Valid from yesterday, for clocks that are behind.
fn params(name: &str, names: &[String], years: i16, today: Date) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(names.to_vec())?;
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.serial_number = Some(SerialNumber::from(random_serial().to_vec()));
    let day = |date: Date| {
        let part = |number: i8| number.unsigned_abs();
        date_time_ymd(i32::from(date.year()), part(date.month()), part(date.day()))
    };
    params.not_before = day(today.saturating_sub(Span::new().days(1)));
    params.not_after = day(today.saturating_add(Span::new().years(years)));
    Ok(params)
}

fn random_serial() -> [u8; SERIAL] {
    let mut serial: [u8; SERIAL] = rand::rng().random();
    // Positive, and no byte shorter.
    serial[0] = serial[0] & 0x3f | 0x40;
    serial
}

fn random_hex<const BYTES: usize>() -> String {
    let bytes: [u8; BYTES] = rand::rng().random();
    bytes.map(|byte| format!("{byte:02x}")).concat()
}
