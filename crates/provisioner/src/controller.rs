//! The provisioner's table of contents: what wakes it, and the five steps of a pass.

use std::sync::Arc;
use std::time::{Duration, Instant};

use api_types::vocabulary::{INSTANCE_LABEL, NAME_LABEL, NAME_VALUE};
use api_types::{PetSet, Postgres, PostgresVersion};
use futures::StreamExt;
use futures::channel::mpsc;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Pod, Service};
use kube::core::DeserializeGuard;
use kube::runtime::controller::{Action, Controller};
use kube::runtime::reflector::{ObjectRef, Store};
use kube::runtime::watcher;
use kube::{Api, Client, ResourceExt};
use runtime::{Process, Recorder, run_controller};

use crate::args::Access;
use crate::auth_watch::AuthWatches;
use crate::cert_manager::certificates;
use crate::decide::decide;
use crate::error::Error;
use crate::health::Watchers;
use crate::metrics::DatabaseMetrics;
use crate::observe::observe;
use crate::pause_throttle::PauseThrottle;
use crate::perform::perform;
use crate::report::report;
use crate::watch_filter::changes;
use crate::world::World;

/// Longest time between two passes: of Secrets only the auth Secret is watched.
const RESYNC_INTERVAL: Duration = Duration::from_secs(60);

/// Name of the controller in metrics, spans and /readyz.
const CONTROLLER: &str = "postgres";

/// A Postgres that may not be readable by this version of the operator.
type Guarded = DeserializeGuard<Postgres>;

/// What every pass needs.
pub struct Context {
    /// Client of the API server.
    pub client: Client,
    /// Publishes Events.
    pub recorder: Recorder,
    /// The health tasks.
    pub watchers: Watchers,
    /// The watches of auth Secrets.
    pub auth_watches: AuthWatches,
    /// When paused databases were observed.
    pub pause_throttle: PauseThrottle,
    /// Gauges per database.
    pub metrics: DatabaseMetrics,
    /// How this process reaches Secrets.
    pub access: Access,
}

/// Runs until shutdown.
///
/// # Errors
/// When a metric can't be registered.
pub async fn operate(process: Process, access: Access) -> Result<(), runtime::prometheus::Error> {
    let (wake, woken) = mpsc::unbounded();
    let context = Arc::new(Context {
        client: process.client.clone(),
        recorder: process.recorder.clone(),
        watchers: Watchers::new(wake.clone()),
        auth_watches: AuthWatches::new(process.client.clone(), wake),
        pause_throttle: PauseThrottle::default(),
        metrics: DatabaseMetrics::register(&process.metrics)?,
        access,
    });
    let controller = Controller::new(process.api::<Guarded>(), watcher::Config::default())
        .owns(process.api::<PetSet>(), watcher::Config::default())
        .owns(process.api::<Service>(), of_databases())
        .watches_stream(changes(process.api::<Pod>(), of_databases()), |pod| {
            database_of(&pod)
        })
        .watches_stream(certificates(process.api(), of_databases()), |certificate| {
            database_of(&certificate)
        });
    let store = controller.store();
    let versions: Api<PostgresVersion> = Api::all(process.client.clone());
    let controller = controller
        .watches(versions, watcher::Config::default(), move |version| {
            users_of(&store, &version)
        })
        .reconcile_on(woken.map(|database| {
            ObjectRef::new(&database.name).within(database.namespace.as_deref().unwrap_or_default())
        }));
    run_controller(&process, CONTROLLER, controller, context, reconcile).await;
    Ok(())
}

/// One pass over one database.
async fn reconcile(postgres: Arc<Guarded>, context: Arc<Context>) -> Result<Action, Error> {
    let postgres = match &postgres.0 {
        Ok(postgres) => Arc::new(postgres.clone()),
        Err(invalid) => {
            tracing::warn!(
                error = invalid.error,
                "can't read this Postgres; correct the field that the error names"
            );
            return Ok(Action::await_change());
        }
    };
    let health = context
        .watchers
        .latest(postgres.metadata.uid.as_deref().unwrap_or_default());
    let mut world = World::of_object_alone(postgres.clone(), health, Timestamp::now());
    // Otherwise the status that is written wakes the controller for an ordinary pass.
    if !world.is_awaited() {
        if let Some(later) = wait_while_paused(&context, &world) {
            return Ok(Action::requeue(later));
        }
        world = observe(&context, postgres).await?;
    } else if world.has_unacknowledged_pause() {
        context.pause_throttle.begin(world.uid(), Instant::now());
    }
    let plan = decide(&world);
    let look_again = plan.look_again.unwrap_or(RESYNC_INTERVAL);
    let done = perform(&context, &world, &plan.actions).await;
    report(&context, &world, plan, &done).await?;
    done.map(|_| Action::requeue(look_again))
}

/// How long to wait before the next observation of a paused database.
fn wait_while_paused(context: &Context, world: &World) -> Option<Duration> {
    if world.paused_by().is_none() || world.is_deleting() {
        context.pause_throttle.forget(world.uid());
        return None;
    }
    context.pause_throttle.wait(world.uid(), Instant::now())
}

/// Objects that carry the labels of some database.
fn of_databases() -> watcher::Config {
    watcher::Config::default().labels(&format!("{NAME_LABEL}={NAME_VALUE}"))
}

/// A Pod's owner is its PetSet, so the database of an object is found by label.
fn database_of(object: &impl ResourceExt) -> Option<ObjectRef<Guarded>> {
    let name = object.labels().get(INSTANCE_LABEL)?;
    Some(ObjectRef::new(name).within(&object.namespace()?))
}

/// Databases that name a version.
fn users_of(store: &Store<Guarded>, version: &PostgresVersion) -> Vec<ObjectRef<Guarded>> {
    let name = version.name_any();
    let all = store.state();
    let users = all
        .iter()
        .filter(|guarded| guarded.0.as_ref().is_ok_and(|pg| pg.spec.version == name));
    users
        .map(|guarded| ObjectRef::from_obj(guarded.as_ref()))
        .collect()
}
