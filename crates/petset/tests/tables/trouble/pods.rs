//! States of Pods that do not come up.

use super::*;

/// No scheduler has looked at it.
fn unseen(scheduler: &str, created: &str) -> Value {
    json!({"metadata": {"creationTimestamp": created}, "spec": {"nodeName": null, "schedulerName": scheduler},
           "status": {"phase": "Pending", "conditions": []}})
}

/// It has a node, and no kubelet has looked at it.
fn untouched(created: &str) -> Value {
    json!({"metadata": {"creationTimestamp": created}, "status": {"phase": "Pending", "conditions": [
        {"type": "PodScheduled", "status": "True"}]}})
}

/// Sentences of Kubernetes 1.34: the state of a Pod, the reason, what the message ends with.
#[allow(clippy::type_complexity, reason = "a table")]
pub fn pods() -> Vec<(&'static str, Value, Option<(&'static str, &'static str)>)> {
    let oom = json!({"exitCode": 137, "reason": "OOMKilled"});
    let told = json!({"exitCode": 1, "reason": "Error", "message": "FATAL: no space\n"});
    let running = json!({"state": {"running": {}}});
    let evicted = json!({"status": {"phase": "Failed", "reason": "Evicted", "conditions": [],
        "message": "The node was low on resource: memory. Threshold quantity: 100Mi, available: 60Mi. "}});
    let not_admitted = json!({"status": {"phase": "Failed", "reason": "OutOfcpu", "conditions": [],
        "message": "Pod was rejected: Node didn't have enough resource: cpu, requested: 8000, used: 1000, capacity: 4000"}});
    let failed = json!({"status": {"phase": "Failed", "conditions": [], "containerStatuses": [
        {"name": "main", "image": "", "imageID": "", "ready": false, "restartCount": 0, "state": {"terminated": {"exitCode": 3}}}]}});
    let gated = json!({"spec": {"nodeName": null}, "status": {"phase": "Pending", "conditions": [{"type": "PodScheduled",
        "status": "False", "reason": "SchedulingGated", "message": "Scheduling is blocked due to non-empty scheduling gates"}]}});
    let readiness_gate = json!({"status": {"conditions": [{"type": "Ready", "status": "False", "reason": "ReadinessGatesNotReady",
        "message": "corresponding condition of pod readiness gate \"example.com/lb\" does not exist."}]}});
    let taint = "0/3 nodes are available: 3 node(s) had untolerated taint(s). no new claims to deallocate, preemption: 0/3 nodes are available: 3 Preemption is not helpful for scheduling.";
    vec![
        ("ready", json!({}), None),
        ("on its way", containers(&waiting("ContainerCreating", "")), None),
        ("in its init containers", init(&json!({"running": {}})), None),
        (
            "no node",
            unscheduled(taint),
            Some((
                "PodNotScheduled",
                "Pod db-0 is not scheduled: 0/3 nodes are available: 3 node(s) had \
            untolerated taint(s). no new claims to deallocate, preemption: 0/3 nodes are available: 3 Preemption is not helpful for scheduling.",
            )),
        ),
        (
            "no node, just now",
            all(&[
                unscheduled("no"),
                json!({"metadata": {"creationTimestamp": "2026-01-01T00:59:57Z"}}),
            ]),
            None,
        ),
        (
            "gated",
            gated,
            Some(("PodNotScheduled", "non-empty scheduling gates")),
        ),
        (
            "a scheduler that nobody runs",
            unseen("mine", "2026-01-01T00:59:40Z"),
            Some((
                "PodNotScheduled",
                "is not scheduled: scheduler mine says nothing of it",
            )),
        ),
        (
            "a scheduler at work",
            unseen("mine", "2026-01-01T00:59:50Z"),
            None,
        ),
        (
            "a kubelet that is not there",
            untouched("2026-01-01T00:59:40Z"),
            Some(("PodNotStarted", "does not start: node node1 says nothing of it")),
        ),
        ("a kubelet at work", untouched("2026-01-01T00:59:50Z"), None),
        (
            "image",
            containers(&waiting(
                "ErrImagePull",
                "failed to resolve reference \"x/y:1\": not found",
            )),
            Some((
                "PodNotStarted",
                "does not start: container main: ErrImagePull: failed to resolve reference \"x/y:1\": not found",
            )),
        ),
        (
            "image name",
            containers(&waiting("InvalidImageName", "")),
            Some(("PodNotStarted", "container main: InvalidImageName")),
        ),
        (
            "a Secret is missing",
            containers(&waiting(
                "CreateContainerConfigError",
                "secret \"pg-auth\" not found",
            )),
            Some((
                "PodNotStarted",
                "CreateContainerConfigError: secret \"pg-auth\" not found",
            )),
        ),
        (
            "a hook",
            containers(&waiting("PostStartHookError", "Exec lifecycle hook failed")),
            Some(("PodNotStarted", "Exec lifecycle hook failed")),
        ),
        (
            "memory",
            containers(&ended("main", "lastState", &oom)),
            Some((
                "PodNotStarted",
                "container main: ended with exit code 137: OOMKilled",
            )),
        ),
        (
            "its last words",
            containers(&ended("main", "lastState", &told)),
            Some(("PodNotStarted", "ended with exit code 1: Error: FATAL: no space")),
        ),
        (
            "it has just ended",
            containers(&json!({"main": {"state": {"terminated": oom.clone()}}})),
            Some((
                "PodNotStarted",
                "does not start: container main: ended with exit code 137: OOMKilled",
            )),
        ),
        (
            "it runs again",
            containers(
                &json!({"main": all(&[running, json!({"restartCount": 1, "lastState": {"terminated": oom}})])}),
            ),
            Some((
                "PodNotStarted",
                "is not ready: container main: ended with exit code 137: OOMKilled",
            )),
        ),
        (
            "an init container",
            init(&json!({"waiting": {"reason": "ErrImagePull", "message": "not found"}})),
            Some(("PodNotStarted", "container setup: ErrImagePull: not found")),
        ),
        (
            "an init container ends",
            init(&json!({"terminated": {"exitCode": 2, "reason": "Error"}})),
            Some(("PodNotStarted", "container setup: ended with exit code 2: Error")),
        ),
        (
            "an init container is done",
            init(&json!({"terminated": {"exitCode": 0, "reason": "Completed"}})),
            None,
        ),
        (
            "evicted",
            evicted,
            Some((
                "PodFailed",
                "has ended: Failed: Evicted: The node was low on resource: memory. Threshold quantity: 100Mi, available: 60Mi.",
            )),
        ),
        (
            "not admitted",
            not_admitted,
            Some(("PodFailed", "requested: 8000, used: 1000, capacity: 4000")),
        ),
        (
            "failed without a word",
            failed,
            Some((
                "PodFailed",
                "has ended: Failed: container main ended with exit code 3",
            )),
        ),
        (
            "a readiness gate",
            readiness_gate,
            Some((
                "PodNotStarted",
                "pod readiness gate \"example.com/lb\" does not exist.",
            )),
        ),
        ("going", terminating(), None),
        (
            "going for too long",
            json!({"metadata": {"deletionTimestamp": "2026-01-01T00:50:00Z"}}),
            Some(("PodNotGone", "node node1 has not confirmed its end")),
        ),
    ]
}
