//! Chains as companies hand them out. What the preflight says of each is compared with what OpenSSL says, and a real libpq
//! and our own client log in to a real PostgreSQL that serves it.

mod constraints;
mod keys;
mod roots;
mod texts;

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

/// What is different in an order.
type Change = for<'x> fn(Order<'x>) -> Order<'x>;

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

/// All of them; made once, since each takes several processes.
fn all() -> &'static [Case] {
    static ALL: OnceLock<Vec<Case>> = OnceLock::new();
    ALL.get_or_init(|| {
        let lab = Lab::new("chains");
        let kinds = [
            roots::where_the_chain_ends,
            roots::several_roots,
            keys::keys_and_signatures,
            constraints::constraints,
            constraints::leaves,
            texts::times,
            texts::texts,
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
