//! What a request for other parameters contains.

use api_types::ops_request::{ConfigurationSettings, PostgresOpsRequestSpec, ReconfigureRequest};
use api_types::vocabulary::USER_CONF;
use blueprint::pg::conf::{self, Parameters};

/// Whether PostgreSQL, or its Pods, are restarted; what disturbs more is greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Restart {
    /// Nothing.
    Never,
    /// PostgreSQL in its Pod, where a parameter needs it.
    Auto,
    /// Every Pod.
    Always,
}

/// The request's setting for restarts.
pub fn restart(spec: &PostgresOpsRequestSpec) -> Restart {
    match section(spec).restart.as_deref() {
        Some("true") => Restart::Always,
        Some("false") => Restart::Never,
        _ => Restart::Auto,
    }
}

/// Checks the request alone.
///
/// # Errors
/// A message that names what to change in it.
pub fn check(spec: &PostgresOpsRequestSpec) -> Result<(), String> {
    let request = section(spec);
    let restart = request.restart.as_deref().unwrap_or("auto");
    if !["auto", "true", "false"].contains(&restart) {
        return Err(format!(
            "spec.configuration.restart {restart:?} is not known; write auto, \"true\" or \"false\""
        ));
    }
    if let Some(key) = request.apply_config.keys().find(|key| *key != USER_CONF) {
        return Err(format!(
            "spec.configuration.applyConfig: {key:?} is not read; the only key is {USER_CONF}"
        ));
    }
    if removes(&request) && restart == "false" {
        return Err(
            "spec.configuration.removeCustomConfig needs a restart; write restart: auto or \"true\"".into(),
        );
    }
    let applied = applied(&request)?;
    let says_nothing = secret(&request).is_none() && request.tuning.is_none();
    if says_nothing && applied.is_empty() && !removes(&request) {
        return Err(format!(
            "spec.configuration has nothing that changes a parameter: write applyConfig with the key {USER_CONF}, configSecret, \
             tuning, or removeCustomConfig: true"
        ));
    }
    Ok(())
}

/// The fields of the spec afterwards.
///
/// # Errors
/// A message that names what to change in the request, or in the spec.
pub fn target(
    spec: &PostgresOpsRequestSpec,
    found: &ConfigurationSettings,
) -> Result<ConfigurationSettings, String> {
    let request = section(spec);
    let mut after = if removes(&request) {
        ConfigurationSettings::default()
    } else {
        found.clone()
    };
    if let Some(name) = secret(&request) {
        after.config_secret = None;
        after.secret_name = Some(name);
    }
    after.tuning = request.tuning.clone().or(after.tuning);
    let applied = applied(&request)?;
    if !applied.is_empty() {
        let former = after.inline.get(USER_CONF).map_or("", String::as_str);
        let mut all =
            conf::parse(former).map_err(|bad| lines("spec.configuration.inline of the Postgres", &bad))?;
        let is_new = applied.iter().any(|(name, value)| all.get(name) != Some(value));
        all.extend(applied);
        // A value that already applies keeps its spelling.
        if is_new {
            after.inline.insert(USER_CONF.to_owned(), conf::render(&all));
        }
    }
    Ok(after)
}

/// The section of the request.
pub fn section(spec: &PostgresOpsRequestSpec) -> ReconfigureRequest {
    spec.configuration.clone().unwrap_or_default()
}

/// Whether the user's parameters are dropped first.
pub fn removes(request: &ReconfigureRequest) -> bool {
    request.remove_custom_config == Some(true)
}

/// The Secret in KubeDB's newer spelling, or in the older one.
pub fn secret(request: &ReconfigureRequest) -> Option<String> {
    let older = request.config_secret.as_ref().map(|secret| secret.name.clone());
    let name = request.secret_name.clone().or(older);
    name.filter(|name| !name.is_empty())
}

/// The parameters that it writes over the others.
///
/// # Errors
/// Lines that are none.
pub fn applied(request: &ReconfigureRequest) -> Result<Parameters, String> {
    let text = request.apply_config.get(USER_CONF).map_or("", String::as_str);
    conf::parse(text).map_err(|bad| lines("spec.configuration.applyConfig", &bad))
}

fn lines(field: &str, bad: &[conf::BadLine]) -> String {
    let all: Vec<String> = bad.iter().map(ToString::to_string).collect();
    format!("{field}: {USER_CONF}, {}", all.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(section: &str) -> PostgresOpsRequestSpec {
        let text = format!("{{databaseRef: {{name: pg}}, type: Reconfigure, configuration: {section}}}");
        serde_yaml::from_str(&text).expect("a request")
    }

    #[test]
    fn a_request_that_makes_no_sense_is_refused_with_what_to_write() {
        for (section, words) in [
            ("{}", "nothing that changes a parameter"),
            (
                "{applyConfig: {user.conf: '# nothing'}}",
                "nothing that changes a parameter",
            ),
            ("{applyConfig: {pg.conf: 'a = 1'}}", "the only key is user.conf"),
            (
                "{applyConfig: {user.conf: \"a = 1\\nb\\nc = 'x\"}}",
                "line 2: b has no value",
            ),
            (
                "{applyConfig: {user.conf: \"a = 1\\nb\\nc = 'x\"}}",
                "line 3: a quoted value has no end",
            ),
            ("{removeCustomConfig: true, restart: 'false'}", "needs a restart"),
            ("{removeCustomConfig: true, restart: maybe}", "write auto"),
        ] {
            let refused = check(&spec(section)).expect_err(section);
            assert!(refused.contains(words), "{section}: {refused}");
        }
        for good in [
            "{applyConfig: {user.conf: max_connections = 230}}",
            "{configSecret: {name: a}, restart: 'false'}",
            "{secretName: a}",
            "{removeCustomConfig: true}",
            "{tuning: {profile: oltp}}",
        ] {
            assert_eq!(check(&spec(good)), Ok(()), "{good}");
        }
    }

    /// KubeDB: defaults, then the Secret, then what is applied; what is removed is removed first.
    #[test]
    fn settings_are_replaced_merged_or_dropped() {
        let found = "{secretName: s, inline: {user.conf: \"a = 1\\nb = 'x y'\"}}";
        for (section, after) in [
            (
                "{secretName: t}",
                "{secretName: t, inline: {user.conf: \"a = 1\\nb = 'x y'\"}}",
            ),
            (
                "{applyConfig: {user.conf: 'A = 2'}}",
                "{secretName: s, inline: {user.conf: \"a = '2'\\nb = 'x y'\\n\"}}",
            ),
            ("{applyConfig: {user.conf: 'a = 1'}}", found),
            ("{removeCustomConfig: true}", "{}"),
            (
                "{tuning: {profile: dw}}",
                "{secretName: s, inline: {user.conf: \"a = 1\\nb = 'x y'\"}, tuning: {profile: dw}}",
            ),
            (
                "{removeCustomConfig: true, tuning: {profile: dw}}",
                "{tuning: {profile: dw}}",
            ),
            (
                "{removeCustomConfig: true, configSecret: {name: t}, applyConfig: {user.conf: c = 3}}",
                "{secretName: t, inline: {user.conf: \"c = '3'\\n\"}}",
            ),
        ] {
            let read = |text: &str| serde_yaml::from_str::<ConfigurationSettings>(text).expect(text);
            assert_eq!(target(&spec(section), &read(found)), Ok(read(after)), "{section}");
        }
        let old: ConfigurationSettings = serde_yaml::from_str("{configSecret: {name: s}}").expect("settings");
        let after = target(&spec("{secretName: t}"), &old).expect("settings");
        assert_eq!((after.config_secret, after.secret_name), (None, Some("t".into())));
    }
}
