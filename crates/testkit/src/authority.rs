//! A certificate authority that issues what tests ask for.

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

/// An issuer.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// What it issued, in PEM.
#[derive(Clone, Debug)]
pub struct Issued {
    /// The CA.
    pub ca: String,
    /// The leaf.
    pub certificate: String,
    /// Its private key.
    pub key: String,
}

impl Authority {
    /// A CA of this common name, with a key of its own.
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names are good names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().expect("a key can be made");
        Self {
            issuer: CertifiedIssuer::self_signed(params, key).expect("a CA can be made"),
        }
    }

    /// The CA in PEM.
    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// A leaf of this common name for these DNS names and IP addresses, for servers and clients.
    pub fn issue(&self, common_name: &str, names: &[String]) -> Issued {
        let mut params = CertificateParams::new(names.to_vec()).expect("names that can be in a certificate");
        params.distinguished_name.push(DnType::CommonName, common_name);
        let key = KeyPair::generate().expect("a key can be made");
        let certificate = params.signed_by(&key, &self.issuer).expect("a leaf can be made");
        Issued {
            ca: self.pem(),
            certificate: certificate.pem(),
            key: key.serialize_pem(),
        }
    }
}
