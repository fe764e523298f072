//! From the command line to the PostgresOpsRequest. Pure.

use std::collections::BTreeMap;

use api_types::PostgresOpsRequest;
use api_types::ops_request::{
    ApplyOption, ContainerResources, CredentialsRef, Drain, DrainPolicy, ForceFailOverRequest,
    HorizontalScalingRequest, MODE_IN_PLACE, OpsRequestType, PodResources, PostgresOpsRequestSpec,
    ReconfigureRequest, ReconnectStandbyRequest, RestartRequest, RotateAuthRequest, TlsRequest, TlsRestart,
    UpdateVersionRequest, VerticalScalingRequest, VolumeExpansionRequest,
};
use api_types::postgres::{LocalRef, Tuning};
use api_types::tls::{CertificateSpec, IssuerRef, X509Subject};
use api_types::vocabulary::{CERT_MANAGER_GROUP, EXPORTER_CONTAINER, USER_CONF};
use k8s_openapi::api::core::v1::ResourceRequirements;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use kube::api::ObjectMeta;

use crate::cli::{
    self, CertificateArgs, ExpandArgs, FailoverArgs, IssuerArgs, ModeArgs, ReconfigureArgs, ReconnectArgs,
    RequestArgs, ResizeArgs, RotateAuthArgs, ScaleArgs, TlsCommand, TlsRequestArgs, UpgradeArgs,
};
use crate::decide::Change;

/// A request, and what it changes.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    /// What is checked in the database before it is written.
    pub change: Change,
    /// What is written.
    pub request: PostgresOpsRequest,
}

/// The request of a `tls` command.
pub fn tls(command: &TlsCommand) -> Asked {
    let (change, mut tls, args) = tls_change(command);
    tls.restart = args.restart.map(restart_word);
    tls.drain = drain(args);
    tls.ca_overlap.clone_from(&args.ca_overlap);
    let spec = PostgresOpsRequestSpec {
        tls: Some(tls),
        ..spec(&args.request, OpsRequestType::ReconfigureTLS)
    };
    asked(&args.request, change, spec)
}

fn asked(args: &RequestArgs, change: Change, spec: PostgresOpsRequestSpec) -> Asked {
    Asked {
        request: named(args, change.word(), spec),
        change,
    }
}

/// What is changed, the section of the request that does it, and the options of the command.
fn tls_change(command: &TlsCommand) -> (Change, TlsRequest, &TlsRequestArgs) {
    match command {
        TlsCommand::Add {
            issuer,
            modes,
            certificate,
            request,
        } => {
            let tls = TlsRequest {
                issuer_ref: Some(issuer_ref(issuer)),
                certificates: certificates(certificate),
                ..with_modes(modes)
            };
            (Change::Add, tls, request)
        }
        TlsCommand::Rotate { request } => {
            let tls = TlsRequest {
                rotate_certificates: Some(true),
                ..TlsRequest::default()
            };
            (Change::Rotate, tls, request)
        }
        TlsCommand::ChangeIssuer { issuer, request } => {
            let tls = TlsRequest {
                issuer_ref: Some(issuer_ref(issuer)),
                ..TlsRequest::default()
            };
            (Change::Issuer, tls, request)
        }
        TlsCommand::Update {
            modes,
            certificate,
            request,
        } => {
            let tls = TlsRequest {
                certificates: certificates(certificate),
                ..with_modes(modes)
            };
            (Change::Update, tls, request)
        }
        TlsCommand::Remove {
            client_auth_mode,
            request,
        } => {
            let tls = TlsRequest {
                remove: Some(true),
                client_auth_mode: *client_auth_mode,
                ..TlsRequest::default()
            };
            let change = Change::Remove {
                client_auth_mode: *client_auth_mode,
            };
            (change, tls, request)
        }
    }
}

/// The request of `restart`.
pub fn restart(args: &RequestArgs) -> Asked {
    let spec = PostgresOpsRequestSpec {
        restart: Some(RestartRequest {}),
        ..spec(args, OpsRequestType::Restart)
    };
    asked(args, Change::Restart, spec)
}

/// The request of `scale`.
pub fn scale(args: &ScaleArgs) -> Asked {
    let section = HorizontalScalingRequest {
        replicas: Some(args.replicas),
        ..HorizontalScalingRequest::default()
    };
    let spec = PostgresOpsRequestSpec {
        horizontal_scaling: Some(section),
        ..spec(&args.request, OpsRequestType::HorizontalScaling)
    };
    asked(&args.request, Change::Scale, spec)
}

/// The request of `resize`.
pub fn resize(args: &ResizeArgs) -> Asked {
    let resources = Some(ResourceRequirements {
        requests: amounts(&args.requests),
        limits: amounts(&args.limits),
        ..ResourceRequirements::default()
    });
    let mode = args.in_place.then(|| MODE_IN_PLACE.to_owned());
    let scaling = if args.container == EXPORTER_CONTAINER {
        VerticalScalingRequest {
            mode,
            exporter: Some(ContainerResources { resources }),
            ..VerticalScalingRequest::default()
        }
    } else {
        VerticalScalingRequest {
            mode,
            postgres: Some(PodResources {
                resources,
                ..PodResources::default()
            }),
            ..VerticalScalingRequest::default()
        }
    };
    let spec = PostgresOpsRequestSpec {
        vertical_scaling: Some(scaling),
        ..spec(&args.request, OpsRequestType::VerticalScaling)
    };
    asked(&args.request, Change::Resize, spec)
}

/// The request of `expand`.
pub fn expand(args: &ExpandArgs) -> Asked {
    let spec = PostgresOpsRequestSpec {
        volume_expansion: Some(VolumeExpansionRequest {
            mode: args.mode.clone(),
            postgres: Some(Quantity(args.size.clone())),
            arbiter: None,
        }),
        ..spec(&args.request, OpsRequestType::VolumeExpansion)
    };
    Asked {
        change: Change::Expand,
        request: named(&args.request, Change::Expand.word(), spec),
    }
}

/// The request of `upgrade`.
pub fn upgrade(args: &UpgradeArgs) -> Asked {
    let update = UpdateVersionRequest {
        target_version: Some(args.version.clone()),
    };
    let spec = PostgresOpsRequestSpec {
        update_version: Some(update),
        ..spec(&args.request, OpsRequestType::UpdateVersion)
    };
    Asked {
        change: Change::Upgrade,
        request: named(&args.request, Change::Upgrade.word(), spec),
    }
}

/// The request of `reconfigure`.
pub fn reconfigure(args: &ReconfigureArgs) -> Asked {
    let lines: Vec<String> = args.set.iter().map(|(name, value)| line(name, value)).collect();
    let apply_config = if lines.is_empty() {
        BTreeMap::new()
    } else {
        [(USER_CONF.to_owned(), lines.join("\n"))].into()
    };
    let configuration = ReconfigureRequest {
        config_secret: args.secret.clone().map(|name| LocalRef { name }),
        apply_config,
        tuning: args.profile.clone().map(|profile| Tuning {
            profile: Some(profile),
            max_connections: args.connections,
            storage_type: args.storage_type.clone(),
            ..Tuning::default()
        }),
        remove_custom_config: args.remove.then_some(true),
        restart: args.restart.map(|restart| {
            let word = match restart {
                cli::Restart::True => "true",
                cli::Restart::Auto => "auto",
                cli::Restart::False => "false",
            };
            word.to_owned()
        }),
        ..ReconfigureRequest::default()
    };
    let spec = PostgresOpsRequestSpec {
        configuration: Some(configuration),
        ..spec(&args.request, OpsRequestType::Reconfigure)
    };
    asked(&args.request, Change::Reconfigure, spec)
}

/// A line of `user.conf`; quoted, as PostgreSQL takes every value.
fn line(name: &str, value: &str) -> String {
    format!("{name} = '{}'", value.replace('\\', "\\\\").replace('\'', "''"))
}

fn amounts(pairs: &[(String, String)]) -> Option<BTreeMap<String, Quantity>> {
    let all: BTreeMap<String, Quantity> = pairs
        .iter()
        .map(|(name, amount)| (name.clone(), Quantity(amount.clone())))
        .collect();
    (!all.is_empty()).then_some(all)
}

/// The request of `rotate-auth`.
pub fn rotate_auth(args: &RotateAuthArgs) -> Asked {
    let secret_ref = args.secret.as_ref().map(|name| CredentialsRef {
        api_group: None,
        kind: "Secret".to_owned(),
        name: name.clone(),
    });
    let spec = PostgresOpsRequestSpec {
        authentication: secret_ref.is_some().then_some(RotateAuthRequest { secret_ref }),
        ..spec(&args.request, OpsRequestType::RotateAuth)
    };
    Asked {
        change: Change::RotateAuth,
        request: named(&args.request, Change::RotateAuth.word(), spec),
    }
}

/// The request of `reconnect`.
pub fn reconnect(args: &ReconnectArgs) -> Asked {
    let section = ReconnectStandbyRequest {
        ready_time_out: args.ready_timeout.clone(),
    };
    let spec = PostgresOpsRequestSpec {
        reconnect_standby: Some(section),
        ..spec(&args.request, OpsRequestType::ReconnectStandby)
    };
    asked(&args.request, Change::Reconnect, spec)
}

/// The request of `failover`.
pub fn failover(args: &FailoverArgs) -> Asked {
    let section = ForceFailOverRequest {
        candidates: args.candidates.clone(),
    };
    let spec = PostgresOpsRequestSpec {
        force_fail_over: Some(section),
        ..spec(&args.request, OpsRequestType::ForceFailOver)
    };
    asked(&args.request, Change::Failover, spec)
}

fn spec(args: &RequestArgs, type_: OpsRequestType) -> PostgresOpsRequestSpec {
    PostgresOpsRequestSpec {
        apply: args.apply.map(|apply| match apply {
            cli::Apply::IfReady => ApplyOption::IfReady,
            cli::Apply::Always => ApplyOption::Always,
        }),
        timeout: args.timeout.clone(),
        ..PostgresOpsRequestSpec::of(&args.database, type_)
    }
}

/// The name of the flag, or one that the API server completes: `<db>-<action>-<five characters>`.
fn named(args: &RequestArgs, action: &str, spec: PostgresOpsRequestSpec) -> PostgresOpsRequest {
    let generate_name = match args.name {
        Some(_) => None,
        None => Some(format!("{}-{action}-", args.database)),
    };
    PostgresOpsRequest {
        metadata: ObjectMeta {
            name: args.name.clone(),
            generate_name,
            ..ObjectMeta::default()
        },
        spec,
        status: None,
    }
}

fn issuer_ref(issuer: &IssuerArgs) -> IssuerRef {
    IssuerRef {
        api_group: Some(CERT_MANAGER_GROUP.to_owned()),
        kind: issuer.issuer_kind.clone(),
        name: issuer.issuer.clone(),
    }
}

fn with_modes(modes: &ModeArgs) -> TlsRequest {
    TlsRequest {
        ssl_mode: modes.ssl_mode,
        client_auth_mode: modes.client_auth_mode,
        ..TlsRequest::default()
    }
}

/// One entry when anything differs from the defaults, else none.
fn certificates(args: &CertificateArgs) -> Vec<CertificateSpec> {
    let organizations = args.organizations.clone();
    let subject = (!organizations.is_empty()).then(|| X509Subject {
        organizations,
        ..X509Subject::default()
    });
    let certificate = CertificateSpec {
        alias: args.certificate.clone(),
        subject,
        duration: args.duration.clone(),
        renew_before: args.renew_before.clone(),
        dns_names: args.dns_names.clone(),
        ip_addresses: args.ip_addresses.iter().map(ToString::to_string).collect(),
        ..CertificateSpec::default()
    };
    let nothing = CertificateSpec {
        alias: args.certificate.clone(),
        ..CertificateSpec::default()
    };
    if certificate == nothing {
        Vec::new()
    } else {
        vec![certificate]
    }
}

fn restart_word(restart: cli::Restart) -> TlsRestart {
    match restart {
        cli::Restart::True => TlsRestart::Always,
        cli::Restart::Auto => TlsRestart::Auto,
        cli::Restart::False => TlsRestart::Never,
    }
}

fn drain(args: &TlsRequestArgs) -> Option<Drain> {
    let drain = Drain {
        policy: args.drain.map(|policy| match policy {
            cli::DrainPolicy::Force => DrainPolicy::Force,
            cli::DrainPolicy::Wait => DrainPolicy::Wait,
        }),
        timeout: args.drain_timeout.clone(),
    };
    (drain != Drain::default()).then_some(drain)
}
