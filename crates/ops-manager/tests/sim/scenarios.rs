//! Requests of every type, for the suite that all types go through.

use crate::cluster::{Cluster, Cure};
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
    all
}

/// A standby does not run until this is done.
pub fn broken(cure: Cure) -> Cluster {
    let mut cluster = Cluster::new(3);
    cluster.broken = Some("pg-1");
    cluster.cure = cure;
    cluster
}

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
