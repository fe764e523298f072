//! `status`: reads what there is about a database.

use std::time::Duration;

use api_types::PostgresOpsRequest;
use api_types::cert_manager::Certificate as CertManagerCertificate;
use api_types::names;
use api_types::tls::CertificateAlias;
use api_types::version::PostgresVersion;
use futures::future::join_all;
use jiff::Timestamp;
use kube::Api;
use kube::api::ListParams;

use crate::cli::{Format, StatusArgs};
use crate::cluster::{Seen, Target, reason};
use crate::exit::{Error, Exit};
use crate::members::{self, Member};
use crate::report::status::{Handshake, Input, status, text};
use crate::report::{self, Certificate};
use crate::style::{self, Paint};

const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

pub(super) async fn run(target: &Target, args: &StatusArgs) -> Result<Exit, Error> {
    let input = observe(target, &args.database, args.verify).await?;
    let now = Timestamp::now();
    let status = status(&input, now);
    style::print(&match args.output {
        Format::Json => report::json(&status)?,
        Format::Text => text(&status, now, Paint::for_stdout()),
    })?;
    Ok(Exit::Done)
}

/// Everything that `status` reports.
pub(super) async fn observe(target: &Target, database: &str, handshakes: bool) -> Result<Input, Error> {
    let postgres = target.database(database).await?;
    let members = members::members(&members::pods(target, database).await?);
    let certificates = match postgres.spec.tls {
        Some(_) => certificates(target, database).await,
        None => Vec::new(),
    };
    let handshakes = match handshakes {
        true => Some(ask(target, &members).await),
        false => None,
    };
    Ok(Input {
        requests: requests(target).await,
        runs: runs(target, &postgres.spec.version).await,
        handshakes,
        certificates,
        members,
        postgres,
    })
}

/// The requests of the namespace.
pub(super) async fn requests(target: &Target) -> Seen<Vec<PostgresOpsRequest>> {
    let list = target
        .api::<PostgresOpsRequest>()
        .list(&ListParams::default())
        .await;
    match list {
        Ok(list) => Seen::Present(list.items),
        Err(error) => Seen::Unknown(reason(&error)),
    }
}

/// What a version of the catalog runs; the catalog belongs to the cluster, and not everybody may read it.
async fn runs(target: &Target, version: &str) -> Option<String> {
    let versions: Api<PostgresVersion> = Api::all(target.client.clone());
    Some(versions.get(version).await.ok()?.spec.version)
}

async fn certificates(
    target: &Target,
    database: &str,
) -> Vec<(CertificateAlias, Seen<CertManagerCertificate>)> {
    let looks = CertificateAlias::ALL.into_iter().map(|alias| async move {
        let name = names::certificate(database, alias);
        (alias, target.look::<CertManagerCertificate>(&name).await)
    });
    join_all(looks).await
}

async fn ask(target: &Target, members: &[Member]) -> Vec<Handshake> {
    let asked = members.iter().map(|member| async {
        let answer = members::handshake(target, &member.name, HANDSHAKE_TIMEOUT).await;
        (member.name.clone(), answer.map(|answer| Certificate::of(&answer)))
    });
    join_all(asked).await
}
