//! Certificates of every kind, made by OpenSSL's command line: what no library of ours makes, and what none of them would.

use std::{cell::Cell, fs, path::PathBuf, process::Command};

/// Extensions of a CA as most issuers make it.
pub const CA: &str =
    "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash\n";
/// Extensions of a server's certificate; its names are added.
pub const SERVER: &str = "keyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth\n";
/// Names the key of the issuer.
pub const KEY_ID: &str = "authorityKeyIdentifier=keyid\n";

/// Validity from a year ago until in ten.
pub const LONG: (&str, &str) = ("20250101000000Z", "20450101000000Z");
pub const OVER: (&str, &str) = ("20200101000000Z", "20210101000000Z");

/// A folder in which certificates are made; gone with it.
pub struct Lab {
    folder: PathBuf,
    made: Cell<usize>,
}

/// A certificate and its key, PEM.
#[derive(Clone, Debug)]
pub struct Made {
    pub certificate: String,
    pub key: String,
}

/// A certificate to be made.
#[derive(Clone, Copy)]
pub struct Order<'a> {
    /// Common name of the subject.
    pub name: &'a str,
    /// Kind of the key, as in `ec:P-256`, `rsa:2048`, `pss:2048`, `ed25519`; ignored when there is a key.
    pub kind: &'a str,
    /// A key that is there already.
    pub key: Option<&'a str>,
    pub extensions: &'a str,
    /// Hash of the signature.
    pub hash: &'a str,
    pub validity: (&'a str, &'a str),
    /// Who signs; itself when none.
    pub issuer: Option<&'a Made>,
    /// Options of the signature.
    pub options: &'a [&'a str],
}

impl<'a> Order<'a> {
    /// A root on P-256.
    pub fn root(name: &'a str) -> Self {
        Self {
            name,
            kind: "ec:P-256",
            key: None,
            extensions: CA,
            hash: "sha256",
            validity: LONG,
            issuer: None,
            options: &[],
        }
    }

    pub fn by(self, issuer: &'a Made) -> Self {
        Self {
            issuer: Some(issuer),
            ..self
        }
    }
}

impl Lab {
    pub fn new(test: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("sealwright-lab-{test}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let configuration = "[ca]\ndefault_ca=lab\n[lab]\ndatabase=index\nnew_certs_dir=.\npolicy=any\nunique_subject=no\n\
            default_md=sha256\nemail_in_dn=no\nserial=serial\nrand_serial=yes\n[any]\ncommonName=supplied\n[req]\ndistinguished_name=name\n[name]\n";
        let lab = Self {
            folder,
            made: Cell::new(0),
        };
        lab.write("cnf", configuration);
        lab.write("index", "");
        lab
    }

    pub fn path(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }

    pub fn write(&self, name: &str, content: &str) -> String {
        fs::write(self.folder.join(name), content).unwrap();
        self.path(name)
    }

    /// The output of `openssl` with these arguments; the error when it failed.
    pub fn openssl(&self, arguments: &[&str]) -> Result<String, String> {
        let run = Command::new("openssl")
            .current_dir(&self.folder)
            .args(arguments)
            .output();
        let output = run.expect("openssl is installed");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if output.status.success() {
            Ok(text(&output.stdout))
        } else {
            Err(text(&output.stdout) + &text(&output.stderr))
        }
    }

    pub fn key(&self, kind: &str) -> String {
        let (algorithm, size) = kind.split_once(':').unwrap_or((kind, ""));
        let curve = format!("ec_paramgen_curve:{size}");
        let bits = format!("rsa_keygen_bits:{size}");
        let arguments: &[&str] = match algorithm {
            "ec" => &["-algorithm", "EC", "-pkeyopt", &curve],
            "rsa" => &["-algorithm", "RSA", "-pkeyopt", &bits],
            "pss" => &["-algorithm", "RSA-PSS", "-pkeyopt", &bits],
            other => &["-algorithm", other],
        };
        self.openssl(&[&["genpkey"], arguments].concat()).unwrap()
    }

    pub fn make(&self, order: Order<'_>) -> Made {
        let number = self.made.get();
        self.made.set(number + 1);
        let file = |what: &str, content: &str| self.write(&format!("{number}.{what}"), content);
        let key = order.key.map_or_else(|| self.key(order.kind), str::to_owned);
        let key_file = file("key", &key);
        let request = self.path(&format!("{number}.csr"));
        let subject = format!("/CN={}", order.name);
        let ask = [
            "req", "-new", "-config", "cnf", "-key", &key_file, "-subj", &subject, "-out", &request,
        ];
        self.openssl(&ask).unwrap();
        let (from, to) = order.validity;
        let mut sign = vec!["ca", "-batch", "-config", "cnf", "-in", &request, "-notext"];
        sign.extend(["-md", order.hash, "-startdate", from, "-enddate", to]);
        let extensions = file("ext", order.extensions);
        if !order.extensions.is_empty() {
            sign.extend(["-extfile", &extensions]);
        }
        let issuer = order
            .issuer
            .map(|issuer| (file("ca", &issuer.certificate), file("cakey", &issuer.key)));
        match &issuer {
            Some((certificate, key)) => sign.extend(["-cert", certificate, "-keyfile", key]),
            None => sign.extend(["-selfsign", "-keyfile", &key_file]),
        }
        sign.extend(order.options);
        let certificate = self
            .openssl(&sign)
            .unwrap_or_else(|error| panic!("{}: {error}", order.name));
        Made { certificate, key }
    }

    /// What `openssl verify` says of a served chain (PEM, leaf first) at Debian's security level, as libpq calls it: with
    /// this CA bundle only.
    pub fn verify(&self, chain: &str, ca: &str, name: &str) -> Result<(), String> {
        let (chain, ca) = (self.write("verify.crt", chain), self.write("verify.ca", ca));
        let name = match name.parse::<std::net::IpAddr>() {
            Ok(_) => ["-verify_ip", name],
            Err(_) => ["-verify_hostname", name],
        };
        let bundle = ["-no-CApath", "-no-CAstore", "-CAfile", &ca, "-untrusted", &chain];
        let rules = ["-purpose", "sslserver", "-auth_level", "2"];
        let arguments = [&["verify"], &bundle[..], &rules, &name, &[&chain]].concat();
        self.openssl(&arguments).map(drop)
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}
