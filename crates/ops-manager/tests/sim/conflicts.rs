//! Somebody writes the same objects all the time: three of four writes, of the status or of anything else, end in 409.

use std::collections::BTreeSet;

use api_types::ops_request::OpsRequestPhase;
use blueprint::TlsPhase;

use crate::cluster::Cluster;
use crate::run::{CALM, Run};
use crate::{OPERATIONS, by_reload};

#[test]
#[ignore = "takes long; make survive runs it"]
fn conflicts_on_three_of_four_writes_slow_every_operation_down_and_change_no_end() {
    for (replicas, restart, seed) in [(1, "auto", 1), (3, "auto", 2), (3, "true", 3)] {
        let mut cluster = Cluster::new(replicas);
        let mut lost = 0;
        for (name, tls) in OPERATIONS {
            let mut run = Run::new(name, &by_reload(tls, restart), seed);
            run.conflicts = true;
            let phase = run.run(&mut cluster, CALM);
            let context = format!("{name}, restart {restart}, seed {seed}: {:#?}", run.log);
            assert_eq!(phase, OpsRequestPhase::Successful, "{context}");
            let wanted = if name == "remove" {
                TlsPhase::Off
            } else {
                TlsPhase::Enforce
            };
            assert_eq!(cluster.phases(), BTreeSet::from([wanted]), "{context}");
            assert_eq!(cluster.world().holder(), None, "{context}");
            assert_eq!(
                cluster.provisioner_would_change(),
                Vec::<&str>::new(),
                "{context}"
            );
            lost += run.lost;
        }
        assert!(lost > 50, "only {lost} writes were lost");
    }
}
