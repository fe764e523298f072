//! A bundle of CA certificates in PEM.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";

/// CA certificates in the order in which they were added, each one once (compared by DER).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CaBundle {
    ders: Vec<Vec<u8>>,
}

/// Text that is no PEM bundle of certificates.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the CA bundle is not PEM: {0}; put whole `BEGIN CERTIFICATE` blocks there")]
pub struct InvalidBundle(pub String);

impl CaBundle {
    /// Reads every `CERTIFICATE` block of `pem`; text between blocks is ignored.
    ///
    /// # Errors
    /// A block without an end, or whose content is not base64.
    pub fn from_pem(pem: &str) -> Result<Self, InvalidBundle> {
        let mut bundle = Self::default();
        let mut rest = pem;
        while let Some(start) = rest.find(BEGIN) {
            let body = &rest[start + BEGIN.len()..];
            let end = body
                .find(END)
                .ok_or_else(|| InvalidBundle("a certificate has no end".into()))?;
            let text: String = body[..end].split_whitespace().collect();
            let der = STANDARD
                .decode(text)
                .map_err(|error| InvalidBundle(error.to_string()))?;
            bundle.push(der);
            rest = &body[end + END.len()..];
        }
        Ok(bundle)
    }

    /// This bundle, then what `other` has besides.
    pub fn union(mut self, other: &Self) -> Self {
        for der in &other.ders {
            self.push(der.clone());
        }
        self
    }

    /// PEM text, one block per certificate; empty for an empty bundle.
    pub fn to_pem(&self) -> String {
        self.ders.iter().map(|der| pem_block(der)).collect()
    }

    /// The certificates in DER.
    pub fn ders(&self) -> &[Vec<u8>] {
        &self.ders
    }

    /// Number of certificates.
    pub fn len(&self) -> usize {
        self.ders.len()
    }

    /// Whether there is no certificate.
    pub fn is_empty(&self) -> bool {
        self.ders.is_empty()
    }

    /// Whether every certificate of `other` is here too.
    pub fn contains_all(&self, other: &Self) -> bool {
        other.ders.iter().all(|der| self.ders.contains(der))
    }

    fn push(&mut self, der: Vec<u8>) {
        if !self.ders.contains(&der) {
            self.ders.push(der);
        }
    }
}

fn pem_block(der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let mut block = format!("{BEGIN}\n");
    for line in text.as_bytes().chunks(64) {
        // base64 is ASCII, so every chunk is UTF-8.
        block.push_str(&String::from_utf8_lossy(line));
        block.push('\n');
    }
    block.push_str(END);
    block.push('\n');
    block
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pem(content: &[u8]) -> String {
        pem_block(content)
    }

    #[test]
    fn a_certificate_is_kept_once_and_in_order() {
        let text = format!("# a comment\n{}{}{}", pem(b"one"), pem(b"two"), pem(b"one"));
        let bundle = CaBundle::from_pem(&text).unwrap();
        assert_eq!(bundle.ders(), [b"one".to_vec(), b"two".to_vec()]);
        assert_eq!(bundle.to_pem(), format!("{}{}", pem(b"one"), pem(b"two")));
    }

    #[test]
    fn line_ends_and_wrapping_make_no_difference() {
        let crlf = pem(&[7; 100]).replace('\n', "\r\n");
        assert_eq!(CaBundle::from_pem(&crlf), CaBundle::from_pem(&pem(&[7; 100])));
    }

    #[test]
    fn union_appends_what_is_new() {
        let old = CaBundle::from_pem(&pem(b"old")).unwrap();
        let new = CaBundle::from_pem(&pem(b"new")).unwrap();
        let both = old.clone().union(&new).union(&old);
        assert_eq!(both.len(), 2);
        assert!(both.contains_all(&old) && both.contains_all(&new));
        assert!(!old.contains_all(&new));
    }

    #[test]
    fn damaged_blocks_are_errors() {
        assert!(CaBundle::from_pem("-----BEGIN CERTIFICATE-----\nAAAA").is_err());
        assert!(CaBundle::from_pem(&pem(b"x").replace('=', "?")).is_err());
        assert!(CaBundle::from_pem("").unwrap().is_empty());
    }
}
