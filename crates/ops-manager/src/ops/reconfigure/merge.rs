//! Several requests for other parameters as one.

use api_types::ops_request::{PostgresOpsRequestSpec, ReconfigureRequest};
use api_types::postgres::LocalRef;
use api_types::vocabulary::USER_CONF;
use blueprint::pg::conf::{self, Parameters};

use super::request::{self, Restart};

/// The changes of these requests, oldest first. Of several values the newest counts; a removal cancels the earlier ones. Of
/// restarts it takes the most that one of the requests allows.
pub fn merge(all: &[&PostgresOpsRequestSpec]) -> PostgresOpsRequestSpec {
    let mut merged = ReconfigureRequest::default();
    let mut parameters = Parameters::new();
    for spec in all {
        let next = request::section(spec);
        if request::removes(&next) {
            merged = ReconfigureRequest {
                remove_custom_config: Some(true),
                ..ReconfigureRequest::default()
            };
            parameters.clear();
        }
        if let Some(name) = request::secret(&next) {
            merged.config_secret = Some(LocalRef { name });
        }
        merged.tuning = next.tuning.clone().or(merged.tuning);
        parameters.extend(request::applied(&next).unwrap_or_default());
    }
    if !parameters.is_empty() {
        let text = conf::render(&parameters);
        merged.apply_config.insert(USER_CONF.to_owned(), text);
    }
    let restart = all.iter().map(|spec| request::restart(spec)).max();
    merged.restart = restart.map(|restart| word(restart).to_owned());
    let newest = all.last().map(|spec| (*spec).clone());
    PostgresOpsRequestSpec {
        configuration: Some(merged),
        merged_from: Vec::new(),
        ..newest.unwrap_or_else(|| PostgresOpsRequestSpec::of("", super::KIND))
    }
}

fn word(restart: Restart) -> &'static str {
    match restart {
        Restart::Never => "false",
        Restart::Auto => "auto",
        Restart::Always => "true",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merged(sections: &[&str]) -> ReconfigureRequest {
        let all: Vec<PostgresOpsRequestSpec> = sections
            .iter()
            .map(|section| {
                let text =
                    format!("{{databaseRef: {{name: pg}}, type: Reconfigure, configuration: {section}}}");
                serde_yaml::from_str(&text).expect("a request")
            })
            .collect();
        merge(&all.iter().collect::<Vec<_>>())
            .configuration
            .expect("a section")
    }

    #[test]
    fn the_newest_value_counts_and_what_is_removed_was_not_said() {
        let table = [
            (
                &[
                    "{applyConfig: {user.conf: \"a = 1\\nb = 1\"}}",
                    "{applyConfig: {user.conf: b = 2}}",
                ][..],
                "{applyConfig: {user.conf: \"a = '1'\\nb = '2'\\n\"}, restart: auto}",
            ),
            (
                &[
                    "{configSecret: {name: s}}",
                    "{secretName: t}",
                    "{applyConfig: {user.conf: a = 1}}",
                ],
                "{configSecret: {name: t}, applyConfig: {user.conf: \"a = '1'\\n\"}, restart: auto}",
            ),
            (
                &[
                    "{configSecret: {name: s}, applyConfig: {user.conf: a = 1}, tuning: {profile: dw}}",
                    "{removeCustomConfig: true}",
                    "{applyConfig: {user.conf: b = 2}}",
                ],
                "{removeCustomConfig: true, applyConfig: {user.conf: \"b = '2'\\n\"}, restart: auto}",
            ),
            (
                &[
                    "{applyConfig: {user.conf: a = 1}, restart: 'true'}",
                    "{tuning: {profile: web}, restart: 'false'}",
                ],
                "{applyConfig: {user.conf: \"a = '1'\\n\"}, tuning: {profile: web}, restart: 'true'}",
            ),
            (
                &[
                    "{applyConfig: {user.conf: a = 1}, restart: 'false'}",
                    "{secretName: s, restart: 'false'}",
                ],
                "{configSecret: {name: s}, applyConfig: {user.conf: \"a = '1'\\n\"}, restart: 'false'}",
            ),
        ];
        for (sections, expected) in table {
            let expected: ReconfigureRequest = serde_yaml::from_str(expected).expect(expected);
            assert_eq!(merged(sections), expected, "{sections:?}");
        }
    }
}
