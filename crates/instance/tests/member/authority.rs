//! A certificate authority for tests.

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};

pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

pub struct Issued {
    pub certificate: String,
    pub key: String,
}

impl Authority {
    pub fn new(name: &str) -> Self {
        Self::with(name, |_| {})
    }

    /// An authority with something changed.
    pub fn with(name: &str, change: impl FnOnce(&mut CertificateParams)) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self {
            issuer: Issuer::new(params, key),
            pem,
        }
    }

    /// The CA bundle.
    pub fn pem(&self) -> &[u8] {
        self.pem.as_bytes()
    }

    /// A server's certificate for these names.
    pub fn server(&self, names: &[&str]) -> Issued {
        self.issue("server", names, ExtendedKeyUsagePurpose::ServerAuth, |_| {})
    }

    /// A server's certificate with a key that was made elsewhere.
    pub fn server_with_key(&self, names: &[&str], key_pem: &str) -> Issued {
        let key = KeyPair::from_pem(key_pem).unwrap();
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

    /// Any certificate.
    pub fn issue(
        &self,
        name: &str,
        names: &[&str],
        usage: ExtendedKeyUsagePurpose,
        change: impl FnOnce(&mut CertificateParams),
    ) -> Issued {
        self.sign(name, names, usage, KeyPair::generate().unwrap(), change)
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
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages = vec![usage];
        change(&mut params);
        let certificate = params.signed_by(&key, &self.issuer).unwrap().pem();
        Issued {
            certificate,
            key: key.serialize_pem(),
        }
    }
}
