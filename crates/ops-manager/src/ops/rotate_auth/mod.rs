//! `RotateAuth`: the superuser gets another password, made by the operator or brought in a Secret. Nothing restarts, and open sessions
//! go on.
//!
//! The role gets a SCRAM verifier, not the password. Every member is seen to open with the new password and not with the former one
//! before the request is Successful. Until then the way back is the former verifier.

mod steps;

use api_types::Postgres;
use api_types::ops_request::{
    AuthPlan, AuthSettings, CredentialsRef, OperationProgress, OpsRequestType, PlannedMember, PlannedRestart,
    PostgresOpsRequestSpec,
};
use api_types::postgres::AuthSecret;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::admit::{self, Admission};
use crate::auth::observe::secret_of;
use crate::auth::perform::may_write;
use crate::operation::Operation;
use crate::request_type::{AuthReads, Description, Proposal, Reads, RequestType};
use crate::step::{Step, StepResult};
use crate::world::{Observed, World};
use steps::{FINISH, GENERATE, REFERENCE, RESTORE};

/// Gives the superuser another password.
pub struct RotateAuth;

impl RequestType for RotateAuth {
    fn kind(&self) -> OpsRequestType {
        OpsRequestType::RotateAuth
    }

    fn begun(&self) -> &'static str {
        "Postgres ops request has started to rotate auth for postgres"
    }

    fn succeeded(&self) -> &'static str {
        "Successfully Rotated Postgres Auth secret"
    }

    fn check(&self, spec: &PostgresOpsRequestSpec) -> Result<(), String> {
        match named(spec) {
            Some(secret)
                if secret.kind != "Secret"
                    || secret.api_group.as_deref().is_some_and(|it| !it.is_empty()) =>
            {
                Err(format!(
                    "spec.authentication.secretRef names a {}, which can't be read; name a Secret with keys username and password",
                    secret.kind
                ))
            }
            _ => Ok(()),
        }
    }

    fn due_at(&self, postgres: &Postgres) -> Option<Timestamp> {
        let auth = postgres.spec.auth_secret.as_ref()?;
        let after: SignedDuration = auth.rotate_after.as_deref()?.parse().ok()?;
        let since = auth.active_from.as_ref();
        let since = since.or(postgres.metadata.creation_timestamp.as_ref())?.0;
        // A password that only the user writes is the user's to change.
        let is_ours = may_write(postgres) && after.is_positive();
        is_ours.then(|| since.saturating_add(after).ok()).flatten()
    }

    fn is_admitted_by_secrets(&self, spec: &PostgresOpsRequestSpec) -> bool {
        named(spec).is_some()
    }

    fn reads(&self, op: &Operation, postgres: &Postgres) -> Reads {
        Reads {
            auth: Some(AuthReads {
                secret: secret_of(op, postgres),
            }),
            ..Reads::default()
        }
    }

    fn plan(
        &self,
        op: &Operation,
        proposal: &Proposal<'_>,
        progress: &mut OperationProgress,
    ) -> Result<(), Admission> {
        let world = proposal.world;
        let postgres = world.postgres.require("the Postgres").map_err(admit::wait_for)?;
        let secret = secret_of(op, postgres);
        let generated = named(&op.spec).is_none();
        if generated {
            can_be_written(postgres, &secret).map_err(Admission::Refuse)?;
        } else {
            can_be_taken(world, postgres, &secret)?;
        }
        let found = AuthSettings::of(&postgres.spec);
        let mut after = found.clone();
        let auth = after
            .auth_secret
            .get_or_insert_with(|| AuthSecret::named(&secret));
        auth.name.clone_from(&secret);
        if auth.rotate_after.is_some() {
            // The same in every proposal, so that what was approved is what is done.
            auth.active_from = Some(Time(whole_seconds(op.requested.unwrap_or(proposal.now))));
        }
        progress.change.rotate_auth = Some(AuthPlan {
            found,
            after,
            secret,
            generated,
        });
        Ok(())
    }

    fn recipe(&self, op: &Operation) -> Vec<Step> {
        let change = if named(&op.spec).is_none() {
            GENERATE
        } else {
            REFERENCE
        };
        vec![change, FINISH]
    }

    fn restore(&self) -> Option<Step> {
        Some(RESTORE)
    }

    fn describe(&self, op: &Operation, world: &World) -> StepResult<Description> {
        let plan = steps::plan(op)?;
        world.all_seen()?;
        let source = if plan.generated {
            format!(
                "a password is made and written into Secret {}, which keeps the former one as password.prev",
                plan.secret
            )
        } else {
            format!("the password is that of Secret {}", plan.secret)
        };
        let member = |pod: &String| PlannedMember {
            name: pod.clone(),
            role: None,
            restart: PlannedRestart::Never,
            reason: "it gets the new password by replication; open sessions go on".into(),
        };
        Ok(Description {
            aim: "would give the superuser another password".into(),
            changes: vec![
                source,
                "clients that log in with the former password are refused from then on".into(),
            ],
            members: world.members().keys().map(member).collect(),
            ..Description::default()
        })
    }
}

/// `metav1.Time` has whole seconds, and the spec is compared with the plan when it has been written.
fn whole_seconds(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

fn named(spec: &PostgresOpsRequestSpec) -> Option<&CredentialsRef> {
    spec.authentication.as_ref()?.secret_ref.as_ref()
}

fn can_be_written(postgres: &Postgres, secret: &str) -> Result<(), String> {
    if may_write(postgres) {
        return Ok(());
    }
    Err(format!(
        "Secret {secret} is externally managed (spec.authSecret.externallyManaged), so no password is written there; write the new \
         one into a Secret and name that in spec.authentication.secretRef"
    ))
}

/// Whether the Secret that the request names has credentials that members and clients can use.
fn can_be_taken(world: &World, postgres: &Postgres, name: &str) -> Result<(), Admission> {
    let refuse = |why: String| Err(Admission::Refuse(why));
    let auth = world.auth.as_ref();
    let offered = match auth.map(|auth| &auth.offered) {
        Some(Observed::Present(offered)) => offered,
        Some(Observed::Absent) => {
            return refuse(format!(
                "Secret {name} of spec.authentication.secretRef does not exist; create it with keys username and password, then the \
                 request again"
            ));
        }
        Some(Observed::Unknown(why)) => {
            return Err(admit::wait(
                admit::reasons::DEPENDENCY,
                format!("Secret {name} could not be read: {why}"),
            ));
        }
        None => {
            return Err(admit::wait(
                admit::reasons::DEPENDENCY,
                format!("Secret {name} was not read"),
            ));
        }
    };
    if let Some(fault) = &offered.fault {
        return refuse(format!("Secret {name}: {fault}"));
    }
    let superuser = world
        .superuser
        .require("the auth Secret")
        .map_err(admit::wait_for)?;
    if offered.username != *superuser {
        return refuse(format!(
            "database username cannot be changed: it is {superuser}, and key username of Secret {name} is another; write {superuser}"
        ));
    }
    if offered.is_in_force && postgres.auth_secret_name() == name {
        return Err(Admission::NothingToDo(format!(
            "Nothing to change: the password of Secret {name} opens the database already"
        )));
    }
    Ok(())
}
