//! Ordinary inputs that can be given to one database together: a table of them, and pairs of them chosen by a seed.

mod choices;
mod deeds;
mod pairs;
mod platform;
mod settings;

use serde_json::Value;

pub use pairs::pairs;

/// What of a database an input decides. Two inputs that decide the same can't be given together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// `metadata.name`.
    Name,
    /// Labels and annotations.
    Marks,
    /// The auth Secret.
    Credentials,
    /// `spec.configuration`.
    Parameters,
    /// Parameters by `ALTER SYSTEM`.
    System,
    /// Settings of roles and databases.
    Roles,
    /// Rights that users take away.
    Rights,
    /// Triggers that run at a login.
    Logins,
    /// Databases beside `postgres`.
    Databases,
    /// Where the members' data is.
    Storage,
    /// The Services.
    Services,
    /// What the platform lets a Pod have, and who it runs as.
    Pods,
    /// The exporter.
    Monitoring,
    /// Whether commits wait for a standby.
    Streaming,
    /// TLS.
    Tls,
    /// How many members there are.
    Members,
    /// A request that restarts.
    Restart,
    /// Taken down and up again.
    Halt,
    /// Deleted with its data kept, and applied again.
    Deletion,
    /// A Pod that is lost.
    Loss,
}

/// An ordinary input.
pub struct Input {
    /// As in the table that is printed.
    pub name: &'static str,
    /// What it decides.
    pub part: Part,
    /// What else it can't be together with, and why the world has no such pair.
    pub excludes: &'static [Part],
    /// First major version of PostgreSQL that has it.
    pub since: u32,
    /// How it is given.
    pub given: Given,
}

/// How an input is given to a database.
pub enum Given {
    /// Written into the manifest.
    Written(Written),
    /// Statements of a user, one after the other, in the database `postgres`.
    Sql {
        /// The statements.
        statements: &'static [&'static str],
        /// What is true afterwards, and stays so.
        facts: &'static [Fact],
    },
    /// Done to the database when it serves.
    Done(Deed),
}

/// What is written into the manifest, and what lies beside it.
pub struct Written {
    /// Laid over the whole Postgres.
    pub over: fn() -> Value,
    /// Objects that are there before, as YAML.
    pub objects: &'static str,
    /// For an input that is refused: what the Postgres says, and what heals it.
    pub refused: Option<Refused>,
    /// What is true when the database serves, and stays so.
    pub facts: &'static [Fact],
}

/// A refusal: no client can use the database until the correction.
pub struct Refused {
    /// Part of the message of `Ready` or `SpecApplied`.
    pub says: &'static str,
    /// Laid over the spec, as an edit of the user.
    pub edit: fn() -> Value,
    /// Objects that the user applies, as YAML.
    pub objects: &'static str,
}

/// What is true of a database that serves.
pub enum Fact {
    /// A question by SQL on the primary, and its answer.
    Answers(&'static str, &'static str),
    /// `SpecApplied` is `False` and says this.
    Held(&'static str),
}

/// What is done to a database that serves. Afterwards it serves again, with every row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// A `Restart`.
    Restart,
    /// `spec.halted`, and back.
    Halt,
    /// Deleted under the policy `Halt`, and the same manifest applied again.
    DeleteAndApply,
    /// The primary's Pod is deleted without grace.
    LosePod,
    /// A second member.
    Scale,
    /// TLS is added and rotated; clients go on by password.
    AddAndRotateTls,
}

impl Input {
    /// Whether both can be given to one database.
    pub fn goes_with(&self, other: &Self) -> bool {
        self.part != other.part
            && !self.excludes.contains(&other.part)
            && !other.excludes.contains(&self.part)
    }
}

const NOTHING: fn() -> Value = || Value::Object(serde_json::Map::new());

/// Every input that a PostgreSQL of this major version has.
pub fn all(major: u32) -> Vec<&'static Input> {
    let tables = [
        settings::INPUTS,
        settings::REFUSED,
        platform::INPUTS,
        choices::INPUTS,
        deeds::INPUTS,
    ];
    let inputs = tables.into_iter().flatten();
    inputs.filter(|input| input.since <= major).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use api_types::Postgres;

    use super::*;
    use crate::manifests::{self, laid_over};

    #[test]
    fn inputs_have_names_of_their_own_and_older_versions_have_fewer() {
        let names: BTreeSet<&str> = all(18).iter().map(|input| input.name).collect();
        assert_eq!(names.len(), all(18).len());
        assert!(all(15).len() < all(17).len());
    }

    #[test]
    fn what_is_written_and_what_corrects_it_are_manifests() {
        for input in all(18) {
            let Given::Written(written) = &input.given else {
                continue;
            };
            let base: Postgres = manifests::parse(manifests::STANDALONE).expect("a manifest");
            let mut postgres = serde_json::to_value(base).expect("JSON");
            laid_over(&mut postgres, &(written.over)());
            let mut all = vec![postgres.clone()];
            if let Some(refused) = &written.refused {
                laid_over(&mut postgres["spec"], &(refused.edit)());
                all.push(postgres);
                assert!(!refused.says.is_empty(), "{}", input.name);
            }
            for manifest in all {
                let read = serde_json::from_value::<Postgres>(manifest);
                assert!(read.is_ok(), "{}: {read:?}", input.name);
            }
        }
    }

    #[test]
    fn every_refusal_has_a_correction() {
        for input in all(18) {
            if let Given::Written(Written {
                refused: Some(refused),
                ..
            }) = &input.given
            {
                let edits = (refused.edit)() != NOTHING();
                assert!(edits || !refused.objects.is_empty(), "{}", input.name);
            }
        }
    }
}
