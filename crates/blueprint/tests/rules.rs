//! What is refused, with the field that the message is about; and what is kept without effect.

mod scenario;

use scenario::Scenario;

const BASE: &str = "version: '17.4'\nreplicas: 3\nstorage: {resources: {requests: {storage: 1Gi}}}\n";
const TLS: &str = "tls: {issuerRef: {apiGroup: cert-manager.io, kind: Issuer, name: ca}}\n";

fn fields(spec: &str) -> Vec<String> {
    match Scenario::new(spec).resolve() {
        Ok(_) => Vec::new(),
        Err(invalid) => invalid.into_iter().map(|i| i.field).collect(),
    }
}

#[test]
fn contradictions_are_refused() {
    for (field, spec) in [
        (
            "spec.replicas",
            "version: '17.4'\nreplicas: 0\nstorageType: Ephemeral",
        ),
        ("spec.storage", "version: '17.4'"),
        (
            "spec.storage.resources.requests.storage",
            "version: '17.4'\nstorage: {}",
        ),
        (
            "spec.deletionPolicy",
            "version: '17.4'\nstorageType: Ephemeral\ndeletionPolicy: Halt",
        ),
        ("spec.version", "version: mine\nstorageType: Ephemeral"),
    ] {
        assert_eq!(fields(spec), [field], "{spec}");
    }
    for (field, more) in [
        ("spec.halted", "halted: true\ndeletionPolicy: DoNotTerminate"),
        ("spec.sslMode", "sslMode: require"),
        (
            "spec.sslMode",
            "sslMode: disable\ntls: {issuerRef: {kind: Issuer, name: ca}}",
        ),
        ("spec.clientAuthMode", "clientAuthMode: cert"),
        (
            "spec.synchronousReplicationConfig",
            "synchronousReplicationConfig: {numSyncReplicas: 1}",
        ),
        (
            "spec.synchronousReplicationConfig",
            "streamingMode: Synchronous\nsynchronousReplicationConfig: {numSyncReplicas: 3}",
        ),
        (
            "spec.synchronousReplicationConfig",
            "streamingMode: Synchronous\nsynchronousReplicationConfig: {standbyNames: [a, a]}",
        ),
        (
            "spec.replication",
            "replication: {walLimitPolicy: WALKeepSegment}",
        ),
        (
            "spec.replication",
            "replication: {walLimitPolicy: ReplicationSlot, maxSlotWALKeepSize: -2}",
        ),
        (
            "spec.leaderElection",
            "leaderElection: {electionTick: 1, heartbeatTick: 1}",
        ),
        (
            "spec.authSecret.name",
            "authSecret: {kind: Secret, name: '', externallyManaged: true}",
        ),
        ("spec.healthChecker", "healthChecker: {periodSeconds: 0}"),
        ("spec.readReplicas[0]", "readReplicas: [{name: arbiter}]"),
        (
            "spec.monitor.prometheus.exporter.port",
            "monitor: {prometheus: {exporter: {port: 5432}}}",
        ),
        (
            "spec.configuration.inline",
            "configuration: {inline: {pg.conf: x}}",
        ),
        (
            "spec.configuration.inline",
            "configuration: {inline: {user.conf: 'x y z'}}",
        ),
        (
            "spec.configuration.inline",
            "configuration: {inline: {user.conf: \"include 'x'\"}}",
        ),
        (
            "spec.configuration.inline",
            "configuration: {inline: {user.conf: 'max_connections = 10'}}",
        ),
        (
            "spec.configuration.secretName",
            "configuration: {secretName: missing}",
        ),
        (
            "spec.podTemplate.spec.volumes",
            "podTemplate: {spec: {volumes: [{name: data, emptyDir: {}}]}}",
        ),
        (
            "spec.podTemplate.spec.containers[x].volumeMounts",
            "podTemplate: {spec: {containers: [{name: x, volumeMounts: [{name: v, mountPath: /var/pv/x}]}]}}",
        ),
        (
            "spec.podTemplate.spec.containers[postgres].env",
            "podTemplate: {spec: {containers: [{name: postgres, env: [{name: POSTGRES_USER, value: x}]}]}}",
        ),
        (
            "spec.podTemplate.spec.containers[postgres].securityContext",
            "podTemplate: {spec: {containers: [{name: postgres, securityContext: {runAsUser: 1}}]}}",
        ),
        (
            "spec.podTemplate.spec.initContainers[config-agent]",
            "podTemplate: {spec: {initContainers: [{name: config-agent}]}}",
        ),
        (
            "spec.podTemplate.spec.containers[postgres].securityContext",
            "podTemplate: {spec: {containerSecurityContext: {runAsGroup: 0}}}",
        ),
        (
            "spec.podTemplate.spec.securityContext",
            "podTemplate: {spec: {securityContext: {runAsUser: 1001}}}",
        ),
        (
            "spec.podTemplate.spec.securityContext",
            "podTemplate: {spec: {securityContext: {runAsGroup: 1001}}}",
        ),
        (
            "spec.podTemplate.spec.securityContext",
            "podTemplate: {spec: {securityContext: {runAsUser: 0, runAsNonRoot: false}}}",
        ),
        (
            "spec.podTemplate.spec.automountServiceAccountToken",
            "podTemplate: {spec: {automountServiceAccountToken: false}}",
        ),
        (
            "spec.podTemplate.spec.containers[config-agent].securityContext",
            "podTemplate: {spec: {containers: [{name: config-agent, securityContext: {runAsUser: 1}}]}}",
        ),
        (
            "spec.podTemplate.spec.volumes",
            "podTemplate: {spec: {volumes: [{name: config-secret, emptyDir: {}}]}}",
        ),
    ] {
        assert_eq!(fields(&format!("{BASE}{more}")), [field], "{more}");
    }
}

#[test]
fn contradictions_in_tls_are_refused() {
    for (field, tls) in [
        (
            "spec.tls.issuerRef",
            "{issuerRef: {apiGroup: example.com, kind: Issuer, name: ca}}",
        ),
        ("spec.tls.issuerRef", "{issuerRef: {kind: Signer, name: ca}}"),
        (
            "spec.tls.certificates",
            "{issuerRef: {kind: Issuer, name: ca}, certificates: [{alias: sever}]}",
        ),
        (
            "spec.tls.certificates",
            "{issuerRef: {kind: Issuer, name: ca}, certificates: [{alias: server}, {alias: server}]}",
        ),
        (
            "spec.tls.certificates",
            "{issuerRef: {kind: Issuer, name: ca}, certificates: [{alias: server, secretName: x}, {alias: client, secretName: x}]}",
        ),
        (
            "spec.tls.certificates[server].duration",
            "{issuerRef: {kind: Issuer, name: ca}, certificates: [{alias: server, duration: 90d}]}",
        ),
        (
            "spec.tls.certificates[server].duration",
            "{issuerRef: {kind: Issuer, name: ca}, certificates: [{alias: server, duration: 10m}]}",
        ),
        (
            "spec.tls.certificates[server].renewBefore",
            "{issuerRef: {kind: Issuer, name: ca}, certificates: [{alias: server, duration: 2h, renewBefore: 2h}]}",
        ),
        (
            "spec.tls.certificates[server].ipAddresses",
            "{issuerRef: {kind: Issuer, name: ca}, certificates: [{alias: server, ipAddresses: [10.0.0]}]}",
        ),
        (
            "spec.tls.certificates[server].dnsNames",
            "{issuerRef: {kind: Issuer, name: ca}, certificates: [{alias: server, dnsNames: ['a b']}]}",
        ),
    ] {
        let found = fields(&format!("{BASE}tls: {tls}"));
        assert!(
            !found.is_empty() && found.iter().all(|f| f == field),
            "{tls}: {found:?}"
        );
    }
    let nobody = fields(&format!("{BASE}tls: {{}}"));
    assert_eq!(nobody, ["spec.tls.issuerRef"; 3]);
}

#[test]
fn every_message_says_something() {
    let invalid = Scenario::new(&format!("{BASE}sslMode: require"))
        .resolve()
        .unwrap_err();
    assert!(
        invalid[0].to_string().starts_with("spec.sslMode: "),
        "{}",
        invalid[0]
    );
    assert!(invalid[0].message.contains("spec.tls"));
}

#[test]
fn scram_is_the_default_from_18_on() {
    for (version, expected) in [("17.4", "md5"), ("18.3", "scram")] {
        let spec = format!("version: '{version}'\nstorageType: Ephemeral");
        assert_eq!(
            Scenario::new(&spec).resolved().client_auth_mode.as_str(),
            expected
        );
    }
    assert_eq!(
        Scenario::new(&format!("{BASE}{TLS}"))
            .resolved()
            .ssl_mode
            .as_str(),
        "verify-full"
    );
}

#[test]
fn fields_of_the_old_version_count() {
    let spec = format!(
        "{BASE}terminationPolicy: WipeOut\npodTemplate: {{spec: {{resources: {{requests: {{memory: 2Gi}}}}}}}}"
    );
    let resolved = Scenario::new(&spec).resolved();
    assert_eq!(
        resolved.deletion_policy,
        api_types::postgres::DeletionPolicy::WipeOut
    );
    assert_eq!(resolved.resources.requests.unwrap()["memory"].0, "2Gi");
}

#[test]
fn a_major_version_that_is_not_supported_is_refused_with_those_that_are() {
    for version in ["13.21", "19.1"] {
        let spec = format!("version: '{version}'\nstorageType: Ephemeral");
        let invalid = Scenario::new(&spec).resolve().unwrap_err();
        assert_eq!(invalid[0].field, "spec.version");
        assert!(
            invalid[0].message.contains("PostgreSQL 14 to 18"),
            "{version}: {invalid:?}"
        );
    }
}

#[test]
fn a_version_without_the_agents_image_is_refused() {
    let mut scenario = Scenario::new(BASE);
    for image in [scenario.version.spec.db.image.clone(), String::new()] {
        scenario.version.spec.coordinator.image = image;
        let invalid = scenario.resolve().unwrap_err();
        assert_eq!(invalid[0].field, "spec.version");
        assert!(
            invalid[0].message.contains("upgrade the chart catalog"),
            "{invalid:?}"
        );
    }
}

#[test]
fn what_has_no_effect_is_said() {
    let unused = |more: &str| {
        let scenario = Scenario::new(&format!("{BASE}{more}"));
        blueprint::unsupported_fields(&scenario.postgres)
    };
    assert_eq!(
        unused("allowedSchemas: {namespaces: {from: Same}}"),
        Vec::<String>::new()
    );
    for more in [
        "standbyMode: Warm",
        "arbiter: {}",
        "readReplicas: [{name: a}]",
        "archiver: {ref: {name: a}}",
        "init: {script: {configMap: {name: x}}}",
        "distributed: true",
        "remoteReplica: {sourceRef: {name: x, namespace: y}}",
        "podTemplate: {spec: {containers: [{name: pg-coordinator}]}}",
        "podTemplate: {spec: {containers: [{name: config-agent, image: mine}]}}",
        "monitor: {agent: prometheus.io/operator}",
        "tls: {issuerRef: {kind: Issuer, name: ca}, certificates: [{alias: archiver}]}",
    ] {
        assert_eq!(unused(more).len(), 1, "{more}: {:?}", unused(more));
    }
}

/// What a member runs with as well is passed on; a member asks for its token whatever its service account says.
#[test]
fn other_settings_at_the_pods_level_are_passed_on() {
    let context = "{runAsUser: 999, runAsGroup: 999, runAsNonRoot: false, fsGroup: 2000, supplementalGroups: [3000], \
                   fsGroupChangePolicy: Always, seLinuxOptions: {level: 's0:c1,c2'}}";
    for account in [
        "",
        "serviceAccountName: mine, ",
        "automountServiceAccountToken: true, ",
    ] {
        let spec = format!("{BASE}podTemplate: {{spec: {{{account}securityContext: {context}}}}}");
        let resolved = Scenario::new(&spec).resolved();
        let pod = blueprint::build(&resolved).pet_set.spec.template.spec;
        let pod = serde_json::to_value(pod).expect("JSON");
        assert_eq!(pod["automountServiceAccountToken"], true, "{account}");
        let found = &pod["securityContext"];
        assert_eq!(
            (&found["runAsUser"], &found["fsGroup"]),
            (&999.into(), &2000.into())
        );
        assert_eq!(found["supplementalGroups"][0], 3000);
        assert_eq!(found["seLinuxOptions"]["level"], "s0:c1,c2");
        for container in pod["containers"].as_array().expect("containers") {
            assert_eq!(container["securityContext"]["runAsUser"], 999);
            assert_eq!(container["securityContext"]["runAsNonRoot"], true);
        }
    }
}

/// A version whose image runs as any user takes any but root.
#[test]
fn a_version_for_any_user_takes_all_but_root() {
    for (user, is_refused) in [(1001, false), (0, true)] {
        let pod =
            format!("{BASE}podTemplate: {{spec: {{securityContext: {{runAsUser: {user}, runAsGroup: 0}}}}}}");
        let mut scenario = Scenario::new(&pod);
        let context = scenario
            .version
            .spec
            .security_context
            .as_mut()
            .expect("a context");
        context.run_as_any_non_root = Some(true);
        assert_eq!(scenario.resolve().is_err(), is_refused, "{user}");
    }
}
