//! `verify`: a TLS handshake with every member, and how clients would judge the result.

use api_types::cert_manager::Certificate;
use api_types::ops_request::OpsRequestPhase;
use api_types::tls::CertificateAlias;
use api_types::{AppBinding, Postgres, names};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::future::join_all;
use instance::CertificateFacts;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;

use super::status;
use crate::cli::{Format, VerifyArgs};
use crate::cluster::{Seen, Target};
use crate::exit::{Error, Exit};
use crate::members;
use crate::report;
use crate::report::verify::{Authorities, Evidence, Grade, judge, text};
use crate::style::{self, Paint};

pub(super) async fn run(target: &Target, args: &VerifyArgs) -> Result<Exit, Error> {
    let evidence = gather(target, args).await?;
    let now = Timestamp::now();
    let verdict = judge(&evidence, now);
    style::print(&match args.output {
        Format::Json => report::json(&verdict)?,
        Format::Text => text(&verdict, now, Paint::for_stdout()),
    })?;
    Ok(exit(verdict.verdict))
}

fn exit(grade: Grade) -> Exit {
    match grade {
        Grade::Ok | Grade::Note => Exit::Done,
        Grade::Unknown => Exit::Failure,
        Grade::Problem => Exit::Problem,
    }
}

async fn gather(target: &Target, args: &VerifyArgs) -> Result<Evidence, Error> {
    let database = &args.database;
    let given = args.ca_file.as_ref().map(|path| {
        std::fs::read(path).map_err(|source| Error::File {
            path: path.display().to_string(),
            doing: "read",
            source,
        })
    });
    let given = given.transpose()?;
    let postgres = target.database(database).await?;
    let pods = members::members(&members::pods(target, database).await?);
    let governing = names::governing_service(database);
    let asked = pods.iter().map(|member| async {
        let host = format!("{}.{governing}.{}.svc", member.name, target.namespace);
        let answer = members::handshake(target, &member.name, args.deadline).await;
        (member.name.clone(), vec![host], answer)
    });
    let certificate = names::certificate(database, CertificateAlias::Server);
    let secret_name = secret_name(&postgres, &certificate);
    let authorities = match given {
        Some(pem) => Seen::Present(Authorities {
            pem,
            from: "the file given".to_owned(),
        }),
        None => of_app_binding(target.look::<AppBinding>(database).await),
    };
    let mut hosts = vec![format!("{database}.{}.svc", target.namespace)];
    hosts.extend(args.host.iter().cloned());
    Ok(Evidence {
        namespace: target.namespace.clone(),
        database: database.clone(),
        wants_tls: postgres.spec.tls.is_some(),
        replicas: usize::try_from(postgres.spec.replicas.unwrap_or(1)).unwrap_or(0),
        operation: running(target, database).await,
        members: join_all(asked).await,
        authorities,
        hosts,
        asked_names: target
            .look::<Certificate>(&certificate)
            .await
            .map(|c| c.spec.names()),
        secret: leaf(target.look::<Secret>(&secret_name).await, &secret_name),
        secret_name,
        issuer_ca_changed: postgres.replaced_ca_sentence(),
    })
}

/// `<db>-server-cert`, unless the spec names another.
fn secret_name(postgres: &Postgres, default: &str) -> String {
    let certificates = postgres.spec.tls.iter().flat_map(|tls| &tls.certificates);
    certificates
        .filter(|certificate| certificate.alias == CertificateAlias::Server.as_str())
        .find_map(|certificate| certificate.secret_name.clone().filter(|name| !name.is_empty()))
        .unwrap_or_else(|| default.to_owned())
}

/// What the AppBinding makes applications trust.
fn of_app_binding(binding: Seen<AppBinding>) -> Seen<Authorities> {
    let binding = match binding {
        Seen::Present(binding) => binding,
        Seen::Absent => return Seen::Unknown("the database has no AppBinding".to_owned()),
        Seen::Unknown(why) => return Seen::Unknown(why),
    };
    let from = format!("the AppBinding {}", binding.name_any());
    match binding
        .spec
        .client_config
        .ca_bundle
        .map(|bundle| STANDARD.decode(bundle))
    {
        None => Seen::Unknown(format!("{from} has no caBundle")),
        Some(Err(error)) => Seen::Unknown(format!("the caBundle of {from} is not base64: {error}")),
        Some(Ok(pem)) => Seen::Present(Authorities { pem, from }),
    }
}

/// Only the public certificate is taken.
fn leaf(secret: Seen<Secret>, name: &str) -> Seen<CertificateFacts> {
    let secret = match secret {
        Seen::Present(secret) => secret,
        Seen::Absent => return Seen::Absent,
        Seen::Unknown(why) => return Seen::Unknown(why),
    };
    let data = secret.data.unwrap_or_default();
    let Some(pem) = data.get("tls.crt") else {
        return Seen::Unknown(format!("the Secret {name} has no tls.crt"));
    };
    match instance::facts_of_pem(&pem.0) {
        Ok(facts) => Seen::Present(facts),
        Err(error) => Seen::Unknown(error.to_string()),
    }
}

/// The operation that runs; one that can't be read does not excuse anything.
async fn running(target: &Target, database: &str) -> Option<String> {
    let requests = status::requests(target).await;
    let running = requests.present()?.iter().find(|request| {
        request.spec.database_ref.name == database
            && request.status.as_ref().and_then(|s| s.phase) == Some(OpsRequestPhase::Progressing)
    });
    running.map(ResourceExt::name_any)
}
