//! `startup`: whether a Pod has something to lose.

use petset::startup::{Startup, startup};
use serde_json::{Value, json};

use crate::build::{all, containers, desired, pod, unscheduled};

fn waiting(reason: &str) -> Value {
    json!({"state": {"waiting": {"reason": reason}}})
}

fn running() -> Value {
    json!({"state": {"running": {"startedAt": "2026-01-01T00:30:00Z"}}, "started": true})
}

/// A run that ended after this many seconds.
fn run(seconds: i64) -> Value {
    let end = jiff::Timestamp::from_second(1_767_225_600 + seconds).expect("a time");
    json!({"terminated": {"exitCode": 1, "startedAt": "2026-01-01T00:00:00Z", "finishedAt": end.to_string()}})
}

fn down(restarts: i32, seconds: i64) -> Value {
    all(&[
        waiting("CrashLoopBackOff"),
        json!({"restartCount": restarts, "lastState": run(seconds)}),
    ])
}

#[test]
fn only_the_containers_that_do_the_work_count() {
    let table = [
        (
            "nothing is known of it yet",
            json!({"status": {"phase": "Pending", "conditions": []}}),
            Startup::Never,
        ),
        (
            "it runs, and nothing is known of its containers",
            json!({"status": {"conditions": []}}),
            Startup::Working,
        ),
        ("no node", unscheduled("no"), Startup::Never),
        (
            "its image can't be pulled",
            containers(&json!({"helper": running(), "main": waiting("ImagePullBackOff")})),
            Startup::Never,
        ),
        (
            "it was never begun",
            containers(&json!({"helper": running()})),
            Startup::Never,
        ),
        (
            "it runs and its helper does not",
            containers(&json!({"helper": waiting("ErrImagePull"), "main": running()})),
            Startup::Working,
        ),
        (
            "it has ended once",
            containers(&json!({"main": down(1, 3)})),
            Startup::Working,
        ),
        (
            "it ends again and again",
            containers(&json!({"main": down(2, 3)})),
            Startup::Failing,
        ),
        (
            "it has run for long",
            containers(&json!({"main": down(5, 3600)})),
            Startup::Working,
        ),
        (
            "it is being started again",
            containers(&json!({"main": all(&[running(), json!({"restartCount": 5, "lastState": run(1)})])})),
            Startup::Working,
        ),
        (
            "it has just ended",
            containers(&json!({"main": {"restartCount": 2, "state": run(3)}})),
            Startup::Failing,
        ),
        (
            "it has ended, nobody knows when",
            containers(&json!({"main": {"restartCount": 2, "state": {"terminated": {"exitCode": 1}}}})),
            Startup::Working,
        ),
        (
            "it can't be created after it ran",
            containers(&json!({"main": all(&[waiting("CreateContainerError"),
            json!({"restartCount": 3, "lastState": run(3)})])})),
            Startup::Failing,
        ),
        ("it is ready", json!({}), Startup::Working),
    ];
    let desired = desired(json!({}));
    for (what, more, expected) in table {
        assert_eq!(startup(&desired, &pod(&desired, 0, more)), expected, "{what}");
    }
}

/// Without claims a readiness probe tells which containers do the work; with neither, all do.
#[test]
fn containers_with_a_readiness_probe_do_the_work_too() {
    let spec = |probe: Value| {
        json!({"spec": {"volumeClaimTemplates": [], "template": {"spec": {"containers": [
            {"name": "helper", "image": "one"}, {"name": "main", "image": "one", "readinessProbe": probe}]}}}})
    };
    let helper_only = containers(&json!({"helper": running(), "main": waiting("ErrImagePull")}));
    let main_only = containers(&json!({"helper": waiting("ErrImagePull"), "main": running()}));
    let probe = json!({"tcpSocket": {"port": 1}});
    let table = [
        (probe.clone(), &helper_only, Startup::Never),
        (probe, &main_only, Startup::Working),
        (json!(null), &helper_only, Startup::Working),
        (json!(null), &main_only, Startup::Working),
    ];
    for (probe, more, expected) in table {
        let desired = desired(spec(probe.clone()));
        assert_eq!(
            startup(&desired, &pod(&desired, 0, more.clone())),
            expected,
            "{probe}, {more}"
        );
    }
}
