//! Larger volumes: what is refused before anything is touched, a driver that refuses one member, and the way on from there.

use api_types::ops_request::{OpsRequestPhase, VolumeSize};
use api_types::postgres::DatabasePhase;
use ops_manager::admit::Admission;
use ops_manager::world::Observed;
use ops_manager::{approval, operation};

use crate::cluster::Cluster;
use crate::plan::planned;
use crate::run::{CALM, Disturbance, Run, world_with_issuers};

const GIB: i64 = 1 << 30;

fn expansion(size: &str) -> String {
    format!("type: VolumeExpansion, volumeExpansion: {{mode: Online, postgres: {size}}}")
}

fn size(cluster: &Cluster) -> String {
    let size = VolumeSize::of(&cluster.postgres.spec).storage;
    size.map(|size| size.0).unwrap_or_default()
}

fn admission(cluster: &Cluster, spec: &str) -> Admission {
    let run = Run::new("expand", spec, 0);
    let op = operation::parse(&run.request).expect("a request that makes sense by itself");
    approval::admit(&run.request, &op, &[], &world_with_issuers(cluster), run.now)
}

fn refusal(cluster: &Cluster, spec: &str) -> String {
    match admission(cluster, spec) {
        Admission::Refuse(why) | Admission::NothingToDo(why) => why,
        other => panic!("{spec}: {other:?}"),
    }
}

#[test]
fn an_expansion_takes_the_steps_that_are_written_down() {
    let mut cluster = Cluster::new(3);
    let spec = "type: VolumeExpansion, volumeExpansion: {mode: Online, postgres: 2Gi, arbiter: 2Gi}";
    let mut plan = planned(&mut cluster, spec);
    plan.sessions.counted_at = None;
    let text = serde_yaml::to_string(&plan).expect("YAML");
    expectorate::assert_contents("tests/golden/plan-expand.yaml", &text);
    let before = cluster.uids();
    let mut run = Run::new("expand", spec, 0);
    run.now = cluster.now;
    assert_eq!(run.run(&mut cluster, CALM), OpsRequestPhase::Successful);
    expectorate::assert_contents("tests/golden/expand-3.log", &(run.log.join("\n") + "\n"));
    assert_eq!(cluster.capacities(), [2 * GIB; 3]);
    assert_eq!(cluster.uids(), before, "no Pod was touched");
    assert_eq!(size(&cluster), "2Gi");
    assert!(
        run.said("NotActedOn").contains("arbiter"),
        "{}",
        run.said("NotActedOn")
    );
}

/// The usual reason: the disk is full, PostgreSQL is down, and nobody can log in anywhere.
#[test]
fn volumes_grow_while_no_member_answers() {
    for broken in ["pg-0", "pg-1"] {
        let mut cluster = Cluster::new(1);
        if broken == "pg-1" {
            cluster = Cluster::new(3);
        }
        cluster.broken = Some("pg-0");
        cluster.postgres.status.get_or_insert_default().phase = Some(DatabasePhase::NotReady);
        let mut run = Run::new("expand", &expansion("2Gi"), 0);
        let phase = run.run(&mut cluster, CALM);
        assert_eq!(phase, OpsRequestPhase::Successful, "{:#?}", run.log);
        assert!(cluster.capacities().iter().all(|bytes| *bytes == 2 * GIB));
    }
}

/// The driver has no room for the volume of `pg-1`: the others grow, and the request fails with the driver's reason.
pub fn fails_for_one(run: &mut Run, cluster: &mut Cluster, disturbance: Disturbance) {
    cluster.storage.full_disk = Some(("pg-1", GIB + GIB / 2));
    let phase = run.run(cluster, disturbance);
    assert_eq!(phase, OpsRequestPhase::Failed, "{:#?}", run.log);
    assert_eq!(cluster.capacities(), [2 * GIB, GIB, 2 * GIB]);
    let failed = run.said("Failed");
    for words in ["pg-1", "the disk is full", "The volumes of pg-0, pg-2 have 2Gi"] {
        assert!(failed.contains(words), "{failed}");
    }
}

/// The others get what they need; the request fails with the driver's reason, and the database goes on as it is.
#[test]
fn a_driver_that_refuses_one_member_does_not_keep_the_others_small() {
    for disturbance in [CALM, Disturbance::killed_after(Some(1))] {
        let mut cluster = Cluster::new(3);
        let before = cluster.uids();
        let mut run = Run::new("expand", &expansion("2Gi"), 0);
        fails_for_one(&mut run, &mut cluster, disturbance);
        assert_eq!(size(&cluster), "1Gi", "the spec was not written");
        assert_eq!(cluster.provisioner_would_change(), Vec::<&str>::new());
        assert_eq!((cluster.uids(), cluster.world().holder()), (before, None));
        // What the driver has room for is taken next; volumes that have more stay as they are.
        let mut lower = Run::new("lower", &expansion("1280Mi"), 0);
        lower.now = run.now;
        assert_eq!(
            lower.run(&mut cluster, disturbance),
            OpsRequestPhase::Successful,
            "{:#?}",
            lower.log
        );
        assert_eq!(cluster.capacities(), [2 * GIB, GIB + GIB / 4, 2 * GIB]);
        assert_eq!(size(&cluster), "1280Mi");
    }
}

#[test]
fn what_would_fail_later_is_refused_with_what_to_write() {
    let cluster = Cluster::new(3);
    let less = refusal(&cluster, &expansion("512Mi"));
    assert!(less.contains("have 1Gi; write 1Gi or more"), "{less}");
    let same = refusal(&cluster, &expansion("1024Mi"));
    assert!(same.contains("Nothing to change"), "{same}");
    let mut fixed = Cluster::new(3);
    fixed.storage.is_fixed = true;
    let class = refusal(&fixed, &expansion("2Gi"));
    assert!(class.contains("allowVolumeExpansion: true"), "{class}");
    let ephemeral = refusal(&Cluster::ephemeral(3), &expansion("2Gi"));
    assert!(ephemeral.contains("storageType: Ephemeral"), "{ephemeral}");
    let mut going = Cluster::new(3);
    going.terminating.insert("data-pg-1");
    let deleted = refusal(&going, &expansion("2Gi"));
    assert!(deleted.contains("data-pg-1 is being deleted"), "{deleted}");
}

#[test]
fn a_quota_counts_what_all_members_would_ask_for() {
    let cluster = Cluster::new(3);
    let run = Run::new("expand", &expansion("2Gi"), 0);
    let op = operation::parse(&run.request).expect("a request");
    for (resource, most, is_refused) in [
        ("requests.storage", 5 * GIB, true),
        ("requests.storage", 6 * GIB, false),
        ("fast.storageclass.storage.k8s.io/requests.storage", 5 * GIB, true),
        (
            "slow.storageclass.storage.k8s.io/requests.storage",
            5 * GIB,
            false,
        ),
    ] {
        let mut world = world_with_issuers(&cluster);
        let quota = ops_manager::volumes::world::Quota {
            name: "team".into(),
            storage: [(resource.to_owned(), (most, 3 * GIB))].into(),
        };
        world.volumes.as_mut().expect("volumes").quotas = Observed::Present(vec![quota]);
        let admission = approval::admit(&run.request, &op, &[], &world, run.now);
        let refused =
            matches!(&admission, Admission::Refuse(why) if why.contains("ResourceQuota team allows 5Gi"));
        assert_eq!(refused, is_refused, "{resource}: {admission:?}");
    }
}

/// What is not known is not refused, and nothing is done before it is known.
#[test]
fn a_class_that_can_not_be_read_is_waited_for() {
    let cluster = Cluster::new(3);
    let run = Run::new("expand", &expansion("2Gi"), 0);
    let op = operation::parse(&run.request).expect("a request");
    let mut world = world_with_issuers(&cluster);
    let volumes = world.volumes.as_mut().expect("volumes");
    volumes
        .classes
        .insert("fast".into(), Observed::Unknown("timed out".into()));
    volumes.quotas = Observed::Unknown("timed out".into());
    let admission = approval::admit(&run.request, &op, &[], &world, run.now);
    let Admission::Wait(waiting) = admission else {
        panic!("{admission:?}");
    };
    assert!(
        waiting.message.contains("StorageClass fast could not be read"),
        "{}",
        waiting.message
    );
}
