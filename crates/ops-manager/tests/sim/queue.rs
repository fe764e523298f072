//! Several requests for one database that wait at the same time.

use api_types::PostgresOpsRequest;
use api_types::condition;
use api_types::ops_request::OpsRequestPhase;
use api_types::vocabulary::APPROVAL;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt;
use ops_manager::admit::Admission;
use ops_manager::{approval, operation};

use crate::cluster::Cluster;
use crate::run::{Run, world_with_issuers};

/// The requests for a database, oldest first, and the database.
struct Queue {
    cluster: Cluster,
    requests: Vec<PostgresOpsRequest>,
    /// The operator ends after every creation of a request.
    is_killed: bool,
}

impl Queue {
    fn of(specs: &[(&str, &str)]) -> Self {
        let mut queue = Self {
            cluster: Cluster::new(3),
            requests: Vec::new(),
            is_killed: false,
        };
        specs.iter().for_each(|(name, spec)| queue.create(name, spec));
        queue
    }

    fn create(&mut self, name: &str, spec: &str) {
        let request = Run::new(name, spec, 0).request;
        self.add(request);
    }

    fn add(&mut self, mut request: PostgresOpsRequest) {
        let second = 1000 + i64::try_from(self.requests.len()).expect("few");
        let created = Timestamp::from_second(second).expect("a time");
        request.metadata.creation_timestamp = Some(Time(created));
        self.requests.push(request);
    }

    /// One pass of the operator over each request; the one that begins, if any does.
    fn pass(&mut self) -> Option<String> {
        for at in 0..self.requests.len() {
            let mut others = self.requests.clone();
            let request = others.remove(at);
            // One that runs is the engine's.
            if request.has_ended() || request.phase() == Some(OpsRequestPhase::Progressing) {
                continue;
            }
            let op = operation::parse(&request).expect("a good request");
            let world = world_with_issuers(&self.cluster);
            let admission = approval::admit(&request, &op, &others, &world, world.now);
            let status = approval::admitted(&request, &op, &admission, world.now);
            self.requests[at].status = Some(status);
            match admission {
                Admission::Merge(merged) => {
                    let name = merged.name_any();
                    if self.requests.iter().all(|it| it.name_any() != name) {
                        let mut merged = *merged;
                        merged.metadata.uid = Some(format!("uid-of-{name}"));
                        self.add(merged);
                    }
                    if self.is_killed {
                        return None;
                    }
                }
                Admission::Begin(_) => return Some(request.name_any()),
                _ => {}
            }
        }
        None
    }

    /// The request that begins first.
    fn first(&mut self) -> String {
        for _ in 0..20 {
            if let Some(name) = self.pass() {
                return name;
            }
        }
        panic!("nothing begins: {:#?}", self.requests)
    }

    fn end(&mut self, name: &str) {
        let request = self.requests.iter_mut().find(|it| it.name_any() == name);
        request.expect("a request").status.get_or_insert_default().phase = Some(OpsRequestPhase::Successful);
    }

    fn get(&self, name: &str) -> &PostgresOpsRequest {
        let found = self.requests.iter().find(|it| it.name_any() == name);
        found.unwrap_or_else(|| panic!("no request {name}"))
    }

    /// Reason and message of a condition.
    fn said(&self, name: &str, type_: &str) -> String {
        let found = condition::find(self.get(name).conditions(), type_);
        found.map_or_else(String::new, |it| {
            let (reason, message) = (it.reason.clone(), it.message.clone());
            format!(
                "{} {}: {}",
                it.status,
                reason.unwrap_or_default(),
                message.unwrap_or_default()
            )
        })
    }

    /// The parameters that a request applies.
    fn applies(&self, name: &str) -> String {
        let section = self.get(name).spec.configuration.clone().expect("a section");
        section.apply_config.get("user.conf").cloned().unwrap_or_default()
    }
}

fn apply(conf: &str) -> String {
    format!("type: Reconfigure, configuration: {{applyConfig: {{user.conf: '{conf}'}}}}")
}

#[test]
fn pending_changes_of_parameters_become_one_request() {
    for is_killed in [false, true] {
        let (a, b, c) = (
            apply("work_mem = 8MB"),
            apply("work_mem = 16MB"),
            apply("max_connections = 150"),
        );
        let mut queue = Queue::of(&[("a", &a), ("b", &b), ("c", &c)]);
        queue.is_killed = is_killed;
        let merged = queue.first();
        let millis = merged.strip_prefix("pg-rcfg-merged-").expect("a merged request");
        assert!(millis.starts_with("1002") && millis.len() == 7, "{merged}");
        assert_eq!(queue.requests.len(), 4, "one was made: {:#?}", queue.requests);
        assert_eq!(
            queue.applies(&merged),
            "max_connections = '150'\nwork_mem = '16MB'\n"
        );
        for name in ["a", "b", "c"] {
            assert_eq!(queue.get(name).phase(), Some(OpsRequestPhase::Skipped), "{name}");
            assert_eq!(
                queue.said(name, "Skipped"),
                format!(
                    "True ConfigurationMerged: Configuration merged into newly created ops request demo/{merged}"
                )
            );
        }
        assert_eq!(
            queue.said(&merged, "MergedFromOps"),
            "True ConfigurationMerged: a, b, c"
        );
        assert_eq!(
            queue.said(&merged, "OriginalOpsSkipped"),
            "True OriginalOpsSkipped: All original ops requests have been marked as Skipped"
        );
    }
}

/// One that comes while the merged one waits is merged with that; what runs is left alone.
#[test]
fn a_merged_request_can_be_merged_again_until_it_runs() {
    let mut queue = Queue::of(&[
        ("first", "type: Restart"),
        ("a", &apply("work_mem = 8MB")),
        ("b", &apply("jit = off")),
    ]);
    assert_eq!(queue.first(), "first");
    queue.pass();
    assert_eq!(queue.requests.len(), 3, "while another runs, nothing is merged");
    queue.end("first");
    queue.is_killed = true;
    assert_eq!(queue.pass(), None);
    assert_eq!(queue.requests.len(), 4);
    queue.create("c", &apply("work_mem = 32MB"));
    let merged = queue.first();
    assert_eq!(queue.applies(&merged), "jit = 'off'\nwork_mem = '32MB'\n");
    for request in &queue.requests {
        let (name, phase) = (request.name_any(), request.phase());
        if name != "first" && name != merged {
            assert_eq!(phase, Some(OpsRequestPhase::Skipped), "{name}");
        }
    }
    queue.create("late", &apply("jit = on"));
    assert_eq!(queue.pass(), None);
    assert!(
        queue.said("late", "Queued").contains("is Progressing"),
        "{}",
        queue.said("late", "Queued")
    );
    queue.end(&merged);
    assert_eq!(queue.first(), "late");
}

/// One bad request must not take the others with it.
#[test]
fn what_would_be_refused_alone_is_not_merged() {
    let mut queue = Queue::of(&[
        ("good", &apply("work_mem = 8MB")),
        ("bad", &apply("max_conections = 5")),
        ("also-good", &apply("jit = off")),
    ]);
    let merged = queue.first();
    assert_eq!(queue.applies(&merged), "jit = 'off'\nwork_mem = '8MB'\n");
    queue.end(&merged);
    queue.pass();
    assert_eq!(queue.get("bad").phase(), Some(OpsRequestPhase::Failed));
    assert!(queue.said("bad", "Failed").contains("write max_connections"));
}

/// What somebody approves is carried out as it was shown.
#[test]
fn a_request_that_needs_an_approval_or_only_asks_is_not_merged() {
    let mut queue = Queue::of(&[
        ("asks", &format!("dryRun: true, {}", apply("jit = off"))),
        ("a", &apply("work_mem = 8MB")),
    ]);
    let mut approved = Run::new("approved", &apply("work_mem = 16MB"), 0).request;
    approved
        .annotations_mut()
        .insert(APPROVAL.to_owned(), "required".to_owned());
    queue.add(approved);
    assert_eq!(queue.first(), "a");
    assert_eq!(queue.requests.len(), 3, "nothing was made");
}

/// KubeDB's rule for every other type.
#[test]
fn of_a_type_that_is_not_merged_the_newest_is_carried_out() {
    let scale = |count: i32| format!("type: HorizontalScaling, horizontalScaling: {{replicas: {count}}}");
    let mut queue = Queue::of(&[("a", &scale(4)), ("r", "type: Restart"), ("b", &scale(5))]);
    assert_eq!(
        queue.first(),
        "r",
        "across types the oldest that is left goes first"
    );
    assert_eq!(queue.get("a").phase(), Some(OpsRequestPhase::Skipped));
    assert_eq!(
        queue.said("a", "Skipped"),
        "True Skipped: skipped as demo/b is the most updated PostgresOpsRequest of type HorizontalScaling at \
         1970-01-01T00:16:42Z"
    );
    queue.end("r");
    assert_eq!(queue.first(), "b");
}
