//! The user's PostgreSQL parameters: from a Secret, and inline.

use api_types::vocabulary::USER_CONF;

use super::{Findings, Question};
use crate::pg::conf::{self, Parameters};
use crate::pg::parameters::LEAST;

/// Both files as written, and what they say together.
#[derive(Default)]
pub(super) struct UserConfiguration {
    pub user_conf: Option<String>,
    pub inline_conf: Option<String>,
    pub parameters: Parameters,
}

pub(super) fn resolve(question: &Question<'_>, findings: &mut Findings) -> UserConfiguration {
    let user_conf = from_secret(question, findings);
    let inline_conf = inline(question, findings);
    let mut parameters = Parameters::new();
    for (field, text) in [
        ("spec.configuration.secretName", &user_conf),
        ("spec.configuration.inline", &inline_conf),
    ] {
        // Later wins: inline over the Secret.
        parameters.extend(
            text.as_deref()
                .map(|text| read(field, text, findings))
                .unwrap_or_default(),
        );
    }
    check_least(&parameters, findings);
    UserConfiguration {
        user_conf,
        inline_conf,
        parameters,
    }
}

/// Name of the Secret with the user's configuration: `spec.configuration.secretName`, or the old `spec.configSecret`.
fn secret_name<'a>(question: &'a Question<'_>) -> Option<&'a str> {
    let configuration = question.spec.configuration.as_ref();
    let current = configuration.and_then(|configuration| configuration.secret_name.as_deref());
    let old = question
        .spec
        .config_secret
        .as_ref()
        .map(|secret| secret.name.as_str());
    current.or(old).filter(|name| !name.is_empty())
}

fn from_secret(question: &Question<'_>, findings: &mut Findings) -> Option<String> {
    let name = secret_name(question)?;
    let Some(text) = question.inputs.user_conf else {
        findings.add(
            "spec.configuration.secretName",
            format!("the Secret {name} has no key {USER_CONF}; put the parameters there"),
        );
        return None;
    };
    Some(text.to_owned())
}

fn inline(question: &Question<'_>, findings: &mut Findings) -> Option<String> {
    let inline = &question.spec.configuration.as_ref()?.inline;
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

/// Below these values Patroni would silently use its default, so they are refused.
fn check_least(parameters: &Parameters, findings: &mut Findings) {
    for (name, least) in LEAST {
        let value = parameters.get(name).and_then(|value| value.parse::<i64>().ok());
        if let Some(value) = value.filter(|value| *value < least) {
            findings.add(
                "spec.configuration",
                format!("{name} = {value} is too small for a replicated database; write {least} or more"),
            );
        }
    }
}
