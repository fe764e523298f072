//! A certificate authority that issues what tests need.

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};

/// An issuer.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
    /// What is sent with a leaf: the authority itself, if it is no root.
    sent: String,
}

/// What it issued, in PEM.
#[derive(Clone, Debug)]
pub struct Issued {
    /// The leaf.
    pub certificate: String,
    /// Its private key.
    pub key: String,
}

impl Authority {
    /// A CA of this common name, with a key of its own.
    pub fn new(name: &str) -> Self {
        Self::with(name, |_| {})
    }

    /// An authority with something changed.
    pub fn with(name: &str, change: impl FnOnce(&mut CertificateParams)) -> Self {
        Self::with_key(name, KeyPair::generate().expect("a key can be made"), change)
    }

    /// An authority with this key, and something changed.
    pub fn with_key(name: &str, key: KeyPair, change: impl FnOnce(&mut CertificateParams)) -> Self {
        let params = Self::params(name, change);
        let pem = params.self_signed(&key).expect("a CA can be made").pem();
        Self {
            issuer: Issuer::new(params, key),
            pem,
            sent: String::new(),
        }
    }

    /// An authority whose certificate this one signs. Its leaves come with that certificate.
    pub fn intermediate(&self, name: &str) -> Self {
        let key = KeyPair::generate().expect("a key can be made");
        let mut params = Self::params(name, |_| {});
        params.use_authority_key_identifier_extension = true;
        let pem = params
            .signed_by(&key, &self.issuer)
            .expect("a CA can be made")
            .pem();
        Self {
            issuer: Issuer::new(params, key),
            sent: pem.clone(),
            pem,
        }
    }

    fn params(name: &str, change: impl FnOnce(&mut CertificateParams)) -> CertificateParams {
        let mut params = CertificateParams::new(Vec::new()).expect("no names are good names");
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        change(&mut params);
        params
    }

    /// The CA in PEM.
    pub fn pem(&self) -> &[u8] {
        self.pem.as_bytes()
    }

    /// The same as text.
    pub fn pem_text(&self) -> &str {
        &self.pem
    }

    /// A server's certificate for these names.
    pub fn server(&self, names: &[&str]) -> Issued {
        self.issue("server", names, ExtendedKeyUsagePurpose::ServerAuth, |_| {})
    }

    /// A server's certificate with a key that was made elsewhere.
    pub fn server_with_key(&self, names: &[&str], key_pem: &str) -> Issued {
        let key = KeyPair::from_pem(key_pem).expect("a key in PEM");
        self.sign("server", names, ExtendedKeyUsagePurpose::ServerAuth, key, |_| {})
    }

    /// A server's certificate that ended in 2021.
    pub fn expired_server(&self, names: &[&str]) -> Issued {
        self.issue("server", names, ExtendedKeyUsagePurpose::ServerAuth, |params| {
            params.not_before = date_time_ymd(2020, 1, 1);
            params.not_after = date_time_ymd(2021, 1, 1);
        })
    }

    /// A client's certificate for this role.
    pub fn client(&self, role: &str) -> Issued {
        self.issue(role, &[], ExtendedKeyUsagePurpose::ClientAuth, |_| {})
    }

    /// A leaf of this common name for these DNS names and IP addresses, for servers and clients.
    pub fn leaf(&self, common_name: &str, names: &[String]) -> Issued {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        self.issue(common_name, &names, ExtendedKeyUsagePurpose::Any, |params| {
            params.extended_key_usages.clear();
        })
    }

    /// As [`Authority::leaf`], valid from this day on (year, month, day; midnight UTC).
    pub fn leaf_from(
        &self,
        common_name: &str,
        names: &[String],
        (year, month, day): (i32, u8, u8),
    ) -> Issued {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        self.issue(common_name, &names, ExtendedKeyUsagePurpose::Any, |params| {
            params.extended_key_usages.clear();
            params.not_before = date_time_ymd(year, month, day);
        })
    }

    /// Any certificate.
    pub fn issue(
        &self,
        name: &str,
        names: &[&str],
        usage: ExtendedKeyUsagePurpose,
        change: impl FnOnce(&mut CertificateParams),
    ) -> Issued {
        self.sign(
            name,
            names,
            usage,
            KeyPair::generate().expect("a key can be made"),
            change,
        )
    }

    /// Any certificate with this key.
    pub fn sign(
        &self,
        name: &str,
        names: &[&str],
        usage: ExtendedKeyUsagePurpose,
        key: KeyPair,
        change: impl FnOnce(&mut CertificateParams),
    ) -> Issued {
        let names: Vec<String> = names.iter().map(|n| (*n).to_owned()).collect();
        let mut params = CertificateParams::new(names).expect("names that can be in a certificate");
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages = vec![usage];
        // As cert-manager does: OpenSSL needs it to distinguish two CAs of one name.
        params.use_authority_key_identifier_extension = true;
        change(&mut params);
        let certificate = params
            .signed_by(&key, &self.issuer)
            .expect("a leaf can be made")
            .pem();
        Issued {
            certificate: certificate + &self.sent,
            key: key.serialize_pem(),
        }
    }
}
