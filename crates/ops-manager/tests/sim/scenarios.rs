//! Requests of every type, for the suite that all types go through.

use api_types::ops_request::{ConfigurationSettings, OpsRequestPhase, ResourceSettings};
use api_types::postgres::PostgresSpec;
use api_types::rows::LastPrimary;

use crate::cluster::{Cluster, Cure};
use crate::run::{CALM, Run};
use crate::{OPERATIONS, by_reload};

/// A request of one type, and the database that it is made for.
pub struct Scenario {
    pub name: String,
    /// The type and its section.
    pub spec: String,
    pub cluster: fn() -> Cluster,
}

/// Requests of types that a database of this kind has nothing for: they are skipped.
pub const SKIPPED: [&str; 1] = ["type: SetRaftKeyPair, setRaftKeyPair: {keyPair: {a: b}}"];

/// With at least one request for every other type in the registry.
pub fn all() -> Vec<Scenario> {
    let plain: fn() -> Cluster = || Cluster::new(3);
    let mut all = vec![scenario("restart", "type: Restart", plain)];
    for (name, tls) in OPERATIONS {
        let cluster: fn() -> Cluster = if name == "add" {
            plain
        } else {
            || crate::with_tls(3)
        };
        all.push(scenario(name, &by_reload(tls, "true"), cluster));
        all.push(scenario(
            &format!("auto-{name}"),
            &by_reload(tls, "auto"),
            cluster,
        ));
    }
    let scaling = |count: i32| format!("type: HorizontalScaling, horizontalScaling: {{replicas: {count}}}");
    all.push(scenario("scale-3-5", &scaling(5), plain));
    all.push(scenario("scale-5-3", &scaling(3), || led_by(5, "pg-0")));
    all.push(scenario("scale-3-1", &scaling(1), plain));
    all.push(scenario("scale-1-3", &scaling(3), || Cluster::new(1)));
    all.push(scenario("scale-3-1-primary-leaves", &scaling(1), || {
        led_by(3, "pg-2")
    }));
    all.push(scenario("scale-5-2-with-tls", &scaling(2), || {
        let mut cluster = crate::with_tls(5);
        cluster.leader = "pg-4".into();
        cluster
    }));
    let reconnect = "type: ReconnectStandby, reconnectStandby: {readyTimeOut: 10s}";
    all.push(scenario("reconnect-nothing", reconnect, plain));
    all.push(scenario("reconnect-by-restart", reconnect, || {
        broken(Cure::Restart)
    }));
    let force =
        |candidates: &str| format!("type: ForceFailOver, forceFailOver: {{candidates: [{candidates}]}}");
    all.push(scenario("force-best", "type: ForceFailOver", without_primary));
    all.push(scenario("force-named", &force("pg-1"), without_primary));
    all.push(scenario("force-next", &force("pg-0, pg-2"), without_primary));
    let expansion = "type: VolumeExpansion, volumeExpansion: {mode: Online, postgres: 4Gi}";
    all.push(scenario("expand", expansion, plain));
    all.push(scenario("expand-1", expansion, || Cluster::new(1)));
    all.push(scenario("expand-with-tls", expansion, || crate::with_tls(3)));
    let offline = "type: VolumeExpansion, volumeExpansion: {mode: Offline, postgres: 4Gi}";
    all.push(scenario("expand-offline", offline, || offline_storage(3, "pg-0")));
    all.push(scenario("expand-offline-1", offline, || {
        offline_storage(1, "pg-0")
    }));
    all.push(scenario("expand-offline-last-leads", offline, || {
        offline_storage(3, "pg-2")
    }));
    all.push(scenario("expand-offline-with-tls", offline, || {
        crate::with_tls(3)
    }));
    let own = "type: RotateAuth, authentication: {secretRef: {kind: Secret, name: mine}}";
    all.push(scenario("rotate-auth", "type: RotateAuth", plain));
    all.push(scenario("rotate-auth-1", "type: RotateAuth", || Cluster::new(1)));
    all.push(scenario("rotate-auth-own", own, plain));
    all.push(scenario("rotate-auth-same-password", own, || {
        let mut cluster = Cluster::new(3);
        cluster.auth.is_one_password = true;
        cluster
    }));
    all.push(scenario("rotate-auth-named", "type: RotateAuth", || {
        Cluster::of(3, |spec| {
            spec.auth_secret = serde_yaml::from_str("{name: pg-auth}").ok();
        })
    }));
    all.push(scenario("rotate-auth-after", "type: RotateAuth", || {
        Cluster::of(3, |spec| {
            spec.auth_secret = serde_yaml::from_str("{name: pg-auth, rotateAfter: 720h}").ok();
        })
    }));
    all.extend(resizes());
    all.extend(updates());
    all.extend(reconfigurations());
    all
}

/// A standby does not run until this is done.
pub fn broken(cure: Cure) -> Cluster {
    let mut cluster = Cluster::new(3);
    cluster.broken = Some("pg-1");
    cluster.cure = cure;
    cluster
}

/// The primary does not run any more, and its standbys lack some of what it wrote.
pub fn without_primary() -> Cluster {
    let mut cluster = broken(Cure::Nothing);
    cluster.broken = Some("pg-0");
    cluster.lacks = [("pg-1".to_owned(), 300), ("pg-2".to_owned(), 100)].into();
    cluster.postgres.status.get_or_insert_default().last_primary = Some(LastPrimary {
        pod: "pg-0".into(),
        timeline: 1,
        position: Some(instance::lsn_text(1000)),
    });
    cluster
}

/// A database whose storage driver enlarges no volume that a Pod uses.
pub fn offline_storage(replicas: i32, leader: &str) -> Cluster {
    let mut cluster = led_by(replicas, leader);
    cluster.storage.is_offline = true;
    cluster
}

/// A database with these parameters inline.
pub fn configured(replicas: i32, conf: &str) -> Cluster {
    Cluster::of(replicas, |spec| {
        let settings = ConfigurationSettings {
            inline: [("user.conf".to_owned(), conf.to_owned())].into(),
            ..ConfigurationSettings::default()
        };
        settings.write(spec);
    })
}

/// PostgreSQL's parameters change.
fn reconfigurations() -> Vec<Scenario> {
    let request = |section: &str| format!("type: Reconfigure, configuration: {{{section}}}");
    let apply = |conf: &str| request(&format!("applyConfig: {{user.conf: '{conf}'}}"));
    let plain: fn() -> Cluster = || Cluster::new(3);
    let many: fn() -> Cluster = || led_with(configured(3, "max_connections = 200\nwork_mem = 8MB"), "pg-1");
    let of_secret: fn() -> Cluster = || {
        Cluster::of(3, |spec| {
            spec.configuration =
                serde_yaml::from_str("{secretName: pg-configuration}").expect("a configuration");
        })
    };
    let lowered: fn() -> Cluster = || {
        let mut cluster = configured(3, "max_connections = 200");
        lower(&mut cluster);
        cluster
    };
    let restarting = |section: &str, restart: &str| request(&format!("{section}, restart: '{restart}'"));
    let low = "applyConfig: {user.conf: max_connections = 60}";
    vec![
        scenario("reconfigure-reload", &apply("work_mem = 8MB"), plain),
        scenario("reconfigure-raise", &apply("max_connections = 200"), plain),
        scenario("reconfigure-1", &apply("max_connections = 200"), || {
            Cluster::new(1)
        }),
        scenario("reconfigure-lower", &request(low), many),
        scenario("reconfigure-with-tls", &apply("shared_buffers = 128MB"), || {
            crate::with_tls(3)
        }),
        scenario("reconfigure-remove", &request("removeCustomConfig: true"), many),
        scenario(
            "reconfigure-secret",
            &request("configSecret: {name: new-pg-configuration}"),
            of_secret,
        ),
        scenario("reconfigure-all-pods", &restarting(low, "true"), many),
        scenario(
            "reconfigure-tuning",
            &request("tuning: {profile: web, maxConnections: 150}"),
            plain,
        ),
        scenario("reconfigure-never", &restarting(low, "false"), many),
        scenario("restart-lowered", "type: Restart", lowered),
    ]
}

/// The spec was edited, members have read it, and the parameter waits for a restart.
fn lower(cluster: &mut Cluster) {
    let spec = "type: Reconfigure, configuration: {restart: 'false', applyConfig: {user.conf: max_connections = 50}}";
    let mut run = Run::new("before", spec, 0);
    assert_eq!(
        run.run(cluster, CALM),
        OpsRequestPhase::Successful,
        "{:#?}",
        run.log
    );
    cluster.now = run.now;
}

fn led_with(mut cluster: Cluster, leader: &str) -> Cluster {
    cluster.leader = leader.into();
    cluster
}

/// The members' containers get other resources.
fn resizes() -> Vec<Scenario> {
    let postgres = |section: &str| format!("type: VerticalScaling, verticalScaling: {{{section}}}");
    let more = postgres(MORE);
    let large: fn() -> Cluster = || {
        Cluster::of(3, |spec| {
            let resources = "{postgres: {requests: {cpu: 2, memory: 4Gi}, limits: {cpu: 2, memory: 4Gi}}}";
            let resources: ResourceSettings = serde_yaml::from_str(resources).expect("resources");
            resources.write(spec);
        })
    };
    let tuned: fn() -> Cluster = || Cluster::of(3, |spec| tune(spec, "{profile: oltp}"));
    let tuned_large: fn() -> Cluster = || {
        Cluster::of(3, |spec| {
            tune(spec, "{profile: dw}");
            let resources = "{postgres: {requests: {cpu: 16, memory: 4Gi}, limits: {cpu: 16, memory: 4Gi}}}";
            let resources: ResourceSettings = serde_yaml::from_str(resources).expect("resources");
            resources.write(spec);
        })
    };
    let monitored: fn() -> Cluster = || {
        Cluster::of(3, |spec| {
            spec.monitor = serde_yaml::from_str("{agent: prometheus.io}").expect("a monitor");
        })
    };
    vec![
        scenario("resize", &more, || Cluster::new(3)),
        scenario("resize-1", &more, || Cluster::new(1)),
        scenario("resize-with-tls", &more, || crate::with_tls(3)),
        scenario("resize-down", &postgres(LESS), large),
        scenario(
            "resize-in-place",
            &postgres(&format!("mode: InPlace, coordinator: {{}}, {MORE}")),
            || led_by(3, "pg-1"),
        ),
        scenario(
            "resize-in-place-1",
            &postgres(&format!("mode: InPlace, {MORE}")),
            || Cluster::new(1),
        ),
        scenario(
            "resize-in-place-down",
            &postgres(&format!("mode: InPlace, {LESS}")),
            large,
        ),
        scenario(
            "resize-in-place-tuned",
            &postgres(&format!("mode: InPlace, {MORE}")),
            tuned,
        ),
        scenario("resize-tuned-down", &postgres(LESS), tuned_large),
        scenario(
            "resize-exporter",
            &postgres("exporter: {resources: {limits: {memory: 300Mi}}}"),
            monitored,
        ),
    ]
}

fn tune(spec: &mut PostgresSpec, tuning: &str) {
    let settings = ConfigurationSettings {
        tuning: Some(serde_yaml::from_str(tuning).expect("a tuning")),
        ..ConfigurationSettings::default()
    };
    settings.write(spec);
}

/// The members run another minor version.
fn updates() -> Vec<Scenario> {
    let to = |name: &str| format!("type: UpdateVersion, updateVersion: {{targetVersion: '{name}'}}");
    let edited: fn() -> Cluster = || {
        let mut cluster = led_by(3, "pg-1");
        cluster.postgres.spec.version = "17.13".into();
        cluster
    };
    // Another name of the image that runs.
    let renamed: fn() -> Cluster = || {
        let mut cluster = Cluster::new(3);
        let mut alias = crate::cluster::catalog::postgres_version("17.4", "postgres");
        alias.spec.version = "17.12".into();
        cluster.other_versions.push(alias);
        cluster
    };
    // The catalog has another image under the name by now.
    let refreshed: fn() -> Cluster = || {
        let mut cluster = Cluster::new(3);
        cluster.version.spec.db.image = "postgres:rebuilt".into();
        cluster
    };
    vec![
        scenario("update-version", &to("17.13"), || Cluster::new(3)),
        scenario("update-version-1", &to("17.13"), || Cluster::new(1)),
        scenario("update-version-down", &to("17.10"), || led_by(3, "pg-2")),
        scenario("update-version-with-tls", &to("17.13"), || crate::with_tls(3)),
        scenario("update-version-edited", &to("17.13"), edited),
        scenario("update-version-renamed", &to("17.4"), renamed),
        scenario("update-version-refreshed", &to("17.12"), refreshed),
    ]
}

/// Resources of the container `postgres` that are more than KubeDB's defaults.
pub const MORE: &str =
    "postgres: {resources: {requests: {cpu: 700m, memory: 2Gi}, limits: {cpu: 1, memory: 2Gi}}}";
/// Resources that are less than 4Gi.
const LESS: &str =
    "postgres: {resources: {requests: {cpu: 2, memory: 1Gi}, limits: {cpu: 2, memory: 1536Mi}}}";

fn scenario(name: &str, spec: &str, cluster: fn() -> Cluster) -> Scenario {
    Scenario {
        name: name.into(),
        spec: spec.into(),
        cluster,
    }
}

fn led_by(replicas: i32, leader: &str) -> Cluster {
    let mut cluster = Cluster::new(replicas);
    cluster.leader = leader.into();
    cluster
}
