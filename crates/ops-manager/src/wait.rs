//! Waits for the dependency of a step by watching that alone: another full observation costs the API server some twenty
//! requests, and cert-manager the processor that it needs.

use std::time::Duration;

use api_types::cert_manager::Certificate;
use api_types::tls::CertificateAlias;
use api_types::{Postgres, names};
use futures::future::try_join_all;
use kube::runtime::wait::{Error, await_condition};
use kube::{Api, Client};

use crate::operation::Operation;
use crate::step::WakeOn;
use crate::tls::certificates::is_issued;
use crate::world::{Observed, World};

/// After this time the operator observes everything again, whatever the watch reported.
const WATCH_TIMEOUT: Duration = Duration::from_secs(1);

/// Returns when there is something new for the due step, or after a second. Returns whether there was something to wait for
/// after this observation and, perhaps, effects that it did not show yet.
pub async fn until_new(
    client: &Client,
    op: &Operation,
    wakes_on: WakeOn,
    world: &World,
    acted: bool,
) -> bool {
    let waiting = async {
        match wakes_on {
            WakeOn::PauseAcknowledged => {
                until_database(client, op, |pg| pg.acknowledged_holder() == Some(op.holder())).await
            }
            WakeOn::PauseReleased => {
                let own = Some(op.holder());
                let is_given_back =
                    |pg: &Postgres| pg.pause_holder() != own && pg.acknowledged_holder() != own;
                until_database(client, op, is_given_back).await
            }
            WakeOn::CertificatesIssued if acted || is_to_come(world) => until_issued(client, op).await,
            WakeOn::CertificatesIssued | WakeOn::Time => Ok(false),
        }
    };
    match tokio::time::timeout(WATCH_TIMEOUT, waiting).await {
        Ok(Ok(waited)) => waited,
        // A watch that fails reports nothing: observe as if there was no watch.
        Ok(Err(_)) => false,
        Err(_) => true,
    }
}

/// Whether cert-manager is still at it. When it is not, a step waits for something else, and what is issued already would end
/// every wait at once.
fn is_to_come(world: &World) -> bool {
    let certificates = world.tls.iter().flat_map(|tls| tls.certificates.values());
    let mut seen = certificates.filter_map(Observed::present);
    seen.any(|certificate| !is_issued(certificate))
}

async fn until_database(
    client: &Client,
    op: &Operation,
    holds: impl Fn(&Postgres) -> bool,
) -> Result<bool, Error> {
    let api: Api<Postgres> = Api::namespaced(client.clone(), &op.namespace);
    await_condition(api, &op.database, |pg: Option<&Postgres>| pg.is_none_or(&holds)).await?;
    Ok(true)
}

async fn until_issued(client: &Client, op: &Operation) -> Result<bool, Error> {
    let api: Api<Certificate> = Api::namespaced(client.clone(), &op.namespace);
    let each = CertificateAlias::ALL.map(|alias| {
        let name = names::certificate(&op.database, alias);
        let api = api.clone();
        async move {
            let settled = |certificate: Option<&Certificate>| certificate.is_none_or(is_issued);
            await_condition(api, &name, settled).await
        }
    });
    try_join_all(each).await?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::tls::world::TlsWorld;

    fn certificate(conditions: &[(&str, &str)]) -> Observed<Certificate> {
        let conditions: Vec<_> = conditions
            .iter()
            .map(|(type_, status)| json!({"type": type_, "status": status, "observedGeneration": 2}))
            .collect();
        let certificate = json!({
            "apiVersion": "cert-manager.io/v1", "kind": "Certificate",
            "metadata": {"name": "pg-server-cert", "generation": 2},
            "spec": {"secretName": "pg-server-cert", "issuerRef": {"name": "ca"}},
            "status": {"conditions": conditions},
        });
        Observed::Present(serde_json::from_value(certificate).expect("a Certificate"))
    }

    #[test]
    fn what_is_issued_or_not_there_is_not_waited_for() {
        let ready = ("Ready", "True");
        let table = [
            (certificate(&[ready]), false, "issued"),
            (certificate(&[ready, ("Issuing", "True")]), true, "being reissued"),
            (certificate(&[("Ready", "False")]), true, "not issued yet"),
            (Observed::Absent, false, "not there"),
            (Observed::Unknown("denied".into()), false, "not known"),
        ];
        for (seen, is_waited_for, what) in table {
            let tls = TlsWorld {
                certificates: [(CertificateAlias::Server, seen)].into(),
                ..TlsWorld::default()
            };
            let world = World {
                tls: Some(tls),
                ..World::default()
            };
            assert_eq!(is_to_come(&world), is_waited_for, "{what}");
        }
    }
}
