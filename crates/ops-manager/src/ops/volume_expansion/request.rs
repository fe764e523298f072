//! What a request for larger volumes contains, and what of it nothing acts on.

use api_types::ops_request::{MODE_OFFLINE, MODE_ONLINE, PostgresOpsRequestSpec};
use api_types::quantity::amount;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

/// Fewer bytes are a mistake: `2` is two bytes, `2m` less than one.
const LEAST_BYTES: i64 = 1 << 20;

/// Checks the request alone.
///
/// # Errors
/// A message that names what to change in it.
pub fn check(spec: &PostgresOpsRequestSpec) -> Result<(), String> {
    let mode = spec.volume_expansion.as_ref().map_or("", |it| it.mode.as_str());
    match mode {
        MODE_ONLINE | MODE_OFFLINE => {}
        other => {
            return Err(format!(
                "spec.volumeExpansion.mode {other:?} is not known; write {MODE_ONLINE}, or {MODE_OFFLINE} if the storage driver \
                 enlarges a volume only while no Pod uses it"
            ));
        }
    }
    let size = size(spec).ok_or(
        "spec.volumeExpansion asks for nothing that the members have; write the new size of their volumes in postgres",
    )?;
    match amount(&size) {
        Some(bytes) if bytes >= LEAST_BYTES => Ok(()),
        _ => Err(format!(
            "spec.volumeExpansion.postgres {:?} is no size of a volume; write for example 20Gi",
            size.0
        )),
    }
}

/// Whether each member's Pod is away while its volume grows.
pub fn is_offline(spec: &PostgresOpsRequestSpec) -> bool {
    let section = spec.volume_expansion.as_ref();
    section.is_some_and(|section| section.mode == MODE_OFFLINE)
}

/// The size that the members' volumes are to have.
pub fn size(spec: &PostgresOpsRequestSpec) -> Option<Quantity> {
    spec.volume_expansion.as_ref()?.postgres.clone()
}

/// The parts of the request that nothing acts on, in a few words.
pub fn not_acted_on(spec: &PostgresOpsRequestSpec) -> Option<&'static str> {
    let section = spec.volume_expansion.as_ref()?;
    section
        .arbiter
        .as_ref()
        .map(|_| "not acted on: arbiter (there is none)")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(section: &str) -> PostgresOpsRequestSpec {
        let text =
            format!("{{databaseRef: {{name: pg}}, type: VolumeExpansion, volumeExpansion: {section}}}");
        serde_yaml::from_str(&text).expect("a request")
    }

    #[test]
    fn a_request_that_makes_no_sense_is_refused_with_what_to_write() {
        for (section, words) in [
            (
                "{mode: Online, arbiter: 2Gi}",
                "write the new size of their volumes in postgres",
            ),
            ("{mode: Sometimes, postgres: 2Gi}", "write Online"),
            (
                "{mode: Sometimes, postgres: 2Gi}",
                "or Offline if the storage driver",
            ),
            ("{mode: Online, postgres: 2}", "write for example 20Gi"),
            ("{mode: Online, postgres: much}", "write for example 20Gi"),
            ("{mode: Online, postgres: -2Gi}", "write for example 20Gi"),
        ] {
            let why = check(&spec(section)).expect_err(section);
            assert!(why.contains(words), "{section}: {why}");
        }
        for mode in ["Online", "Offline"] {
            let spec = spec(&format!("{{mode: {mode}, postgres: 2Gi}}"));
            assert_eq!(check(&spec), Ok(()));
            assert_eq!(is_offline(&spec), mode == "Offline");
        }
    }

    #[test]
    fn an_arbiter_is_accepted_and_not_acted_on() {
        let both = spec("{mode: Online, postgres: 2Gi, arbiter: 2Gi}");
        assert_eq!(check(&both), Ok(()));
        assert_eq!(not_acted_on(&both), Some("not acted on: arbiter (there is none)"));
        assert_eq!(not_acted_on(&spec("{mode: Online, postgres: 2Gi}")), None);
    }
}
