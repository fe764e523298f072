use super::*;

fn answered(action: &'static str, code: u16, reason: &str, message: &str) -> ApplyError {
    let object = ObjectId {
        kind: "Pod".into(),
        namespace: "shop".into(),
        name: "pg-0".into(),
    };
    let status = Status::failure(message, reason).with_code(code);
    ApplyError::new(action, object, kube::Error::Api(status.boxed()))
}

/// Sentences of Kubernetes 1.34: action, code, reason, message, category.
const SENTENCES: [(&str, u16, &str, &str, &str); 17] = [
    (
        "create",
        403,
        "Forbidden",
        r#"pods "pg-0" is forbidden: exceeded quota: small, requested: limits.memory=1Gi, used: limits.memory=0, limited: limits.memory=512Mi"#,
        "refused",
    ),
    (
        "create",
        403,
        "Forbidden",
        r#"pods "pg-0" is forbidden: failed quota: small: must specify limits.cpu for: config-agent,postgres"#,
        "refused",
    ),
    (
        "create",
        403,
        "Forbidden",
        r#"pods "pg-0" is forbidden: [maximum memory usage per Container is 512Mi, but limit is 1Gi, minimum cpu usage per Container is 1, but request is 10m]"#,
        "refused",
    ),
    (
        "create",
        403,
        "Forbidden",
        r#"pods "pg-0" is forbidden: violates PodSecurity "restricted:latest": allowPrivilegeEscalation != false (container "x" must set securityContext.allowPrivilegeEscalation=false)"#,
        "refused",
    ),
    (
        "create",
        403,
        "Forbidden",
        r#"pods "pg-0" is forbidden: error looking up service account shop/pg: serviceaccount "pg" not found"#,
        "refused",
    ),
    (
        "create",
        403,
        "Forbidden",
        r#"pods "pg-0" is forbidden: no PriorityClass with name gold was found"#,
        "refused",
    ),
    (
        "create",
        403,
        "Forbidden",
        r#"pods "pg-0" is forbidden: pod rejected: RuntimeClass "gvisor" not found"#,
        "refused",
    ),
    (
        "create",
        403,
        "Forbidden",
        r#"pods "pg-0" is forbidden: unable to create new content in namespace shop because it is being terminated"#,
        "refused",
    ),
    (
        "create",
        403,
        "Forbidden",
        r#"admission webhook "policy.example.com" denied the request: images come from our registry only"#,
        "refused",
    ),
    // A webhook chooses its code.
    (
        "apply",
        404,
        "NotFound",
        r#"admission webhook "policy.example.com" denied the request: not found in the list of teams"#,
        "refused",
    ),
    (
        "create",
        422,
        "Invalid",
        r#"pods "pg-0" is forbidden: ValidatingAdmissionPolicy 'owners' with binding 'owners' denied request: label team is missing"#,
        "refused",
    ),
    (
        "create",
        500,
        "InternalError",
        r#"Internal error occurred: failed calling webhook "policy.example.com": failed to call webhook: Post "https://policy.policy.svc:443/?timeout=10s": dial tcp 10.96.0.9:443: connect: connection refused"#,
        "api",
    ),
    (
        "create",
        422,
        "Invalid",
        r#"Pod "pg-0" is invalid: spec.containers[0].resources.requests: Invalid value: "2Gi": must be less than or equal to memory limit of 1Gi"#,
        "invalid",
    ),
    (
        "create",
        403,
        "Forbidden",
        r#"pods is forbidden: User "system:serviceaccount:sealwright-system:petset" cannot create resource "pods" in API group "" in the namespace "shop""#,
        "forbidden",
    ),
    (
        "apply",
        403,
        "Forbidden",
        r#"roles.rbac.authorization.k8s.io "pg" is forbidden: user "system:serviceaccount:x:y" (groups=["system:authenticated"]) is attempting to grant RBAC permissions not currently held"#,
        "forbidden",
    ),
    ("read", 403, "Forbidden", "secrets is forbidden: no", "forbidden"),
    (
        "create",
        409,
        "Conflict",
        r#"Operation cannot be fulfilled on resourcequotas "small": the object has been modified; please apply your changes to the latest version and try again"#,
        "conflict",
    ),
];

#[test]
fn what_the_api_server_says_is_said_word_for_word_and_sorted_by_what_helps() {
    for (action, code, reason, message, category) in SENTENCES {
        let error = answered(action, code, reason, message);
        assert_eq!(error.category(), category, "{message}");
        for text in [api_types::error_chain(&error), error.sentence()] {
            assert!(text.ends_with(message), "{text}");
            assert_eq!(text.matches(message).count(), 1, "said once: {text}");
            assert!(!text.contains("Status {") && !text.contains("ApiError"), "{text}");
            assert_eq!(text.contains("RBAC:"), category == "forbidden", "{text}");
        }
        assert_eq!(error.is_refusal(), category != "conflict", "{message}");
    }
}

#[test]
fn objects_are_named_in_errors() {
    let lacking =
        r#"secrets "pg-auth" is forbidden: User "x" cannot patch resource "secrets" in API group """#;
    let table = [
        (
            answered("apply", 403, "Forbidden", lacking),
            "not allowed; check this operator's RBAC",
        ),
        (
            answered("apply", 403, "Forbidden", "no"),
            "the API server refused it",
        ),
    ];
    for (error, what) in table {
        assert_eq!(error.to_string(), format!("apply Pod shop/pg-0: {what}"));
    }
}

#[test]
fn an_answer_without_a_sentence_is_said_by_its_code() {
    for (code, reason, expected) in [
        (507, "", "HTTP status 507"),
        (403, "Forbidden", "Forbidden (403)"),
    ] {
        assert!(
            answered("create", code, reason, "")
                .sentence()
                .ends_with(expected)
        );
    }
}

#[test]
fn what_is_over_by_itself_is_no_refusal() {
    for code in [408, 429, 502, 503, 504] {
        let busy = answered(
            "create",
            code,
            "",
            "the server is currently unable to handle the request",
        );
        assert!(!busy.is_refusal() && busy.category() == "api", "{code}");
    }
    let object = ObjectId::of(&k8s_openapi::api::core::v1::Pod::default());
    assert!(!ApplyError::new("create", object, kube::Error::TlsRequired).is_refusal());
}
