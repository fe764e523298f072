//! No operator parses what another one, or itself, has written for people: with any other words every operation takes the same
//! steps to the same end.

use api_types::Condition;
use api_types::reported::{Bad, POSTGRES};
use k8s_openapi::api::apps::v1::StatefulSetCondition;
use ops_manager::world::{Observed, World};

use crate::cluster::Cluster;
use crate::run::{CALM, Run};
use crate::scenarios;

/// What is written instead: nothing, another language, and the words of which programs were once fond.
const WORDS: [&str; 5] = [
    "",
    "\u{4e00}\u{5207}\u{6b63}\u{5e38}",
    "Paused by suite/00000000-0000-4000-8000-000000000000",
    "Issuer one signs with another CA now: CN=x (SHA-256 00). The server certificate is still of the former one",
    "waits for pg-0: spec.version \"17\" means image postgres, the members run none; ConditionStatus:False; PodName:pg-1",
];

/// Replaces the message of each condition; another look has other words.
pub fn replace(conditions: &mut [Condition], look: usize) {
    for (at, condition) in conditions.iter_mut().enumerate() {
        condition.message = Some(WORDS[(at + look) % WORDS.len()].to_owned());
    }
}

/// The same of what others report.
pub fn replace_in_world(world: &mut World, look: usize) {
    if let Observed::Present(postgres) = &mut world.postgres {
        replace(&mut postgres.status.get_or_insert_default().conditions, look);
    }
    if let Observed::Present(pet_set) = &mut world.pet_set {
        let status = pet_set.status.get_or_insert_default();
        for (at, condition) in status.conditions.iter_mut().flatten().enumerate() {
            condition.message = Some(WORDS[(at + look) % WORDS.len()].to_owned());
        }
    }
}

/// Every condition that a healthy database and its PetSet may have is there.
fn with_conditions(mut cluster: Cluster) -> Cluster {
    let now = cluster.now;
    let healthy = POSTGRES
        .conditions
        .iter()
        .filter(|word| word.bad == Bad::UnlessTrue);
    let conditions = healthy.map(|word| Condition::new(word.text, true, "Reason", "The message.", now));
    cluster.postgres.status.get_or_insert_default().conditions = conditions.collect();
    let of_pet_set = StatefulSetCondition {
        type_: "Somebody".into(),
        status: "False".into(),
        message: Some("The message.".into()),
        ..StatefulSetCondition::default()
    };
    cluster.pet_set.status.get_or_insert_default().conditions = Some(vec![of_pet_set]);
    cluster
}

#[test]
fn with_any_words_in_any_message_every_operation_ends_as_before() {
    for scenario in scenarios::all() {
        let run = |other_words: bool| {
            let mut cluster = with_conditions((scenario.cluster)());
            let mut run = Run::new("suite", &scenario.spec, 0);
            run.now = cluster.now;
            run.other_words = other_words;
            let phase = run.run(&mut cluster, CALM);
            let conditions: Vec<_> = run
                .status()
                .conditions
                .into_iter()
                .map(|it| (it.type_, it.status, it.reason))
                .collect();
            (phase, run.log, conditions, cluster.uids())
        };
        assert_eq!(run(true), run(false), "{}", scenario.name);
    }
}
