//! Somebody edited `spec.version` of a running database. No operation may start other binaries on its data.

use api_types::condition::Condition;
use api_types::ops_request::OpsRequestPhase;
use api_types::reported::postgres;
use ops_manager::admit::Admission;
use ops_manager::{approval, operation};

use crate::cluster::Cluster;
use crate::run::{CALM, Run, world_with_issuers};
use crate::{OPERATIONS, by_reload};

#[test]
fn members_are_never_made_anew_with_another_image() {
    let (_, add) = OPERATIONS[0];
    let requests = [
        ("restart", "type: Restart".to_owned()),
        ("add", format!("type: ReconfigureTLS, tls: {add}")),
        ("add-by-reload", by_reload(add, "auto")),
    ];
    for (name, spec) in requests {
        let mut cluster = Cluster::new(3);
        let (pods, template) = (cluster.uids(), cluster.pet_set.spec.template.clone());
        // The provisioner has not said anything about it yet.
        cluster.version.spec.db.image = "postgres:of-another-major-version".into();
        let mut run = Run::new(name, &spec, 0);
        let phase = run.run(&mut cluster, CALM);
        assert_eq!(phase, OpsRequestPhase::Failed, "{name}: {:#?}", run.log);
        let words = format!("{:?}", run.status().conditions);
        assert!(words.contains("write the old version back"), "{name}: {words}");
        assert_eq!(cluster.uids(), pods, "{name}: {:#?}", run.log);
        assert_eq!(cluster.pet_set.spec.template, template, "{name}");
        assert_eq!(cluster.postgres.spec.tls, None, "{name}");
        assert_eq!(cluster.world().holder(), None, "{name}");
    }
}

#[test]
fn a_request_is_refused_while_the_provisioner_holds_the_version_back() {
    let mut cluster = Cluster::new(3);
    let held = Condition::new(
        postgres::conditions::SPEC_APPLIED,
        false,
        postgres::reasons::UPDATE_VERSION_NEEDED,
        "spec.version \"17\" means another image",
        cluster.now,
    );
    let status = cluster.postgres.status.get_or_insert_default();
    status.conditions.push(held);
    let run = Run::new("restart", "type: Restart", 0);
    let op = operation::parse(&run.request).expect("a good request");
    let admission = approval::admit(&run.request, &op, &[], &world_with_issuers(&cluster), run.now);
    assert!(
        matches!(&admission, Admission::Refuse(why) if why.contains("another image")),
        "{admission:?}"
    );
}
