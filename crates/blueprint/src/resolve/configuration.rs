//! The user's PostgreSQL parameters: from a Secret, and inline.

use api_types::ops_request::ConfigurationSettings;
use api_types::vocabulary::USER_CONF;

use super::parameters::{self, Written};
use super::{Findings, Invalid, ResolveInput, RunningConfiguration, combined};
use crate::pg::conf::{self, Parameters};

/// What members are given, and what they are not.
#[derive(Default)]
pub(super) struct UserConfiguration {
    /// `user.conf` of the Secret, as written.
    pub user_conf: Option<String>,
    /// The spec's inline `user.conf`, as written.
    pub inline_conf: Option<String>,
    pub parameters: Parameters,
    pub not_used: Vec<String>,
    /// Why members go on with the parameters that they have.
    pub refused: Vec<Invalid>,
}

/// What is written is used when all of it can be. Otherwise members that have parameters keep them, and a database that
/// has no members yet is not made.
pub(super) fn resolve(input: &ResolveInput<'_>, findings: &mut Findings) -> UserConfiguration {
    let mut refused = Findings::default();
    let configuration = examine(input, &mut refused);
    if refused.0.is_empty() {
        return configuration;
    }
    let Some(running) = &input.inputs.live.configuration else {
        findings.0.extend(refused.0);
        return configuration;
    };
    let mut configuration = running_configuration(input, running);
    configuration.refused = refused.0;
    configuration
}

/// What members have was taken once, be it by an operator that knew less.
fn running_configuration(input: &ResolveInput<'_>, running: &RunningConfiguration) -> UserConfiguration {
    let texts = [("", &running.user_conf), ("", &running.inline_conf)];
    let written = merged(
        texts.map(|(field, text)| (field, Some(text.as_str()))),
        &mut Findings::default(),
    );
    let judged = parameters::judge(input, &written, &mut Findings::default());
    let kept = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
    UserConfiguration {
        user_conf: kept(&running.user_conf),
        inline_conf: kept(&running.inline_conf),
        parameters: judged.parameters,
        not_used: judged.not_used,
        refused: Vec::new(),
    }
}

fn examine(input: &ResolveInput<'_>, findings: &mut Findings) -> UserConfiguration {
    let user_conf = from_secret(input, findings);
    let inline_conf = inline(input, findings);
    let texts = [
        ("spec.configuration.secretName", user_conf.as_deref()),
        ("spec.configuration.inline", inline_conf.as_deref()),
    ];
    let written = merged(texts, findings);
    let judged = parameters::judge(input, &written, findings);
    combined::check(input, &written, &judged.parameters, findings);
    tuning(input, findings);
    UserConfiguration {
        parameters: judged.parameters,
        not_used: judged.not_used,
        refused: Vec::new(),
        user_conf,
        inline_conf,
    }
}

/// Patroni would use its default for fewer connections, and PostgreSQL has no more.
fn tuning(input: &ResolveInput<'_>, findings: &mut Findings) {
    let configuration = input.spec.configuration.as_ref();
    let asked = configuration.and_then(|it| it.tuning.as_ref()?.max_connections);
    findings.add_if(
        asked.is_some_and(|count| !(25..=262_143).contains(&count)),
        "spec.configuration.tuning.maxConnections",
        "write 25 to 262143",
    );
}

/// The parameters of both files. Later wins: inline over the Secret.
fn merged(texts: [(&'static str, Option<&str>); 2], findings: &mut Findings) -> Written {
    let mut written = Written::new();
    for (field, text) in texts {
        let parameters = text.map(|text| read(field, text, findings)).unwrap_or_default();
        written.extend(parameters.into_iter().map(|(name, value)| (name, (field, value))));
    }
    written
}

fn from_secret(input: &ResolveInput<'_>, findings: &mut Findings) -> Option<String> {
    let settings = ConfigurationSettings::of(&input.spec);
    let name = settings.secret()?;
    let Some(text) = input.inputs.user_conf else {
        findings.add(
            "spec.configuration.secretName",
            format!("the Secret {name} has no key {USER_CONF}; put the parameters there"),
        );
        return None;
    };
    Some(text.to_owned())
}

fn inline(input: &ResolveInput<'_>, findings: &mut Findings) -> Option<String> {
    let inline = &input.spec.configuration.as_ref()?.inline;
    for key in inline.keys().filter(|key| *key != USER_CONF) {
        findings.add(
            "spec.configuration.inline",
            format!("{key:?} is not read; the only key is {USER_CONF}"),
        );
    }
    inline.get(USER_CONF).cloned()
}

fn read(field: &str, text: &str, findings: &mut Findings) -> Parameters {
    conf::parse(text).unwrap_or_else(|bad_lines| {
        for bad in bad_lines {
            findings.add(field, format!("{USER_CONF}, {bad}"));
        }
        Parameters::new()
    })
}
