//! What PostgreSQL knows about its own parameters: one table for each major version, as `pg_settings` has it.
//!
//! The tables are written by `hack/parameters.sh`; each names its minor version in the first line.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use api_types::Major;

/// The parameters of one major version by name, in lower case.
pub(crate) type Table = BTreeMap<String, Parameter>;

/// One parameter.
#[derive(Debug, PartialEq)]
pub(crate) struct Parameter {
    /// As PostgreSQL spells it.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// From where it may be set, and when.
    pub context: Context,
    /// The same in PostgreSQL's word.
    pub context_word: &'static str,
}

/// What a parameter holds (`pg_settings.vartype`).
#[derive(Debug, PartialEq)]
pub(crate) enum Kind {
    Bool,
    Integer(Range),
    Real(Range),
    Text,
    Enum {
        /// Values that `pg_settings` lists.
        values: Vec<&'static str>,
        /// Whether the words for yes and no are values, too.
        takes_bool: bool,
    },
}

/// The values of a number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Range {
    /// What a number without a unit counts; empty for a plain number.
    pub unit: &'static str,
    /// In units.
    pub min: f64,
    /// In units.
    pub max: f64,
}

/// From where a parameter may be set, and when (`pg_settings.context`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Context {
    /// No configuration file can set it.
    Internal,
    /// Members take it when they start.
    Start,
    /// A reload, or a session, is enough.
    Reload,
}

/// One for each major version that is supported.
const TABLES: [(Major, &str); 5] = [
    (Major::new(14), include_str!("14.tsv")),
    (Major::new(15), include_str!("15.tsv")),
    (Major::new(16), include_str!("16.tsv")),
    (Major::new(17), include_str!("17.tsv")),
    (Major::new(18), include_str!("18.tsv")),
];

/// Former names that PostgreSQL still reads (`map_old_guc_names`), each with the major version from which on it does.
const FORMER_NAMES: [(&str, &str, Major); 4] = [
    ("sort_mem", "work_mem", Major::OLDEST),
    ("vacuum_mem", "maintenance_work_mem", Major::OLDEST),
    ("force_parallel_mode", "debug_parallel_query", Major::new(16)),
    ("ssl_ecdh_curve", "ssl_groups", Major::new(18)),
];

/// The parameters of a major version; `None` for one that is not supported.
pub(crate) fn table(major: Major) -> Option<&'static Table> {
    static ALL: LazyLock<BTreeMap<Major, Table>> =
        LazyLock::new(|| TABLES.iter().map(|(major, text)| (*major, parse(text))).collect());
    ALL.get(&major)
}

/// The name that a parameter has in this major version, when it was written under a former one.
pub(crate) fn present_name(name: &str, major: Major) -> Option<&'static str> {
    FORMER_NAMES
        .iter()
        .find(|(former, _, since)| *former == name && major >= *since)
        .map(|(_, present, _)| *present)
}

fn parse(text: &'static str) -> Table {
    let rows = text.lines().filter(|line| !line.starts_with('#'));
    rows.filter_map(parameter)
        .map(|parameter| (parameter.name.to_lowercase(), parameter))
        .collect()
}

/// One row; a test reads every table, so that none is left out.
fn parameter(row: &'static str) -> Option<Parameter> {
    let columns: Vec<&'static str> = row.split('\t').collect();
    let [name, vartype, unit, min, max, values, unlisted, context] = columns.as_slice() else {
        return None;
    };
    let range = || {
        Some(Range {
            unit,
            min: min.parse().ok()?,
            max: max.parse().ok()?,
        })
    };
    let kind = match *vartype {
        "bool" => Kind::Bool,
        "integer" => Kind::Integer(range()?),
        "real" => Kind::Real(range()?),
        "string" => Kind::Text,
        "enum" => Kind::Enum {
            values: values.split(',').collect(),
            takes_bool: unlisted.split(',').any(|value| value == "true"),
        },
        _ => return None,
    };
    let context_word = *context;
    let context = match context_word {
        "internal" => Context::Internal,
        "postmaster" => Context::Start,
        _ => Context::Reload,
    };
    Some(Parameter {
        name,
        kind,
        context,
        context_word,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_of_every_table_is_read() {
        for (major, text) in TABLES {
            let rows = text.lines().filter(|line| !line.starts_with('#')).count();
            assert!(rows > 300, "{major}");
            assert_eq!(table(major).map(Table::len), Some(rows), "{major}");
            let header = text.lines().next().unwrap_or_default();
            assert!(header.starts_with(&format!("# PostgreSQL {major}.")), "{header}");
        }
        assert!(table(Major::new(13)).is_none());
        assert!(TABLES.map(|(major, _)| major).into_iter().eq(Major::supported()));
    }

    #[test]
    fn rows_mean_what_they_say() {
        let table = table(Major::new(17)).unwrap();
        assert_eq!(
            table["shared_buffers"].kind,
            Kind::Integer(Range {
                unit: "8kB",
                min: 16.0,
                max: 1_073_741_823.0
            })
        );
        assert_eq!(table["max_connections"].context, Context::Start);
        assert_eq!(table["server_version"].context, Context::Internal);
        assert_eq!(table["datestyle"].name, "DateStyle");
        let Kind::Enum { values, takes_bool } = &table["wal_compression"].kind else {
            panic!("{:?}", table["wal_compression"]);
        };
        assert!(values.contains(&"zstd") && *takes_bool);
    }

    #[test]
    fn former_names_are_known_where_postgres_reads_them() {
        assert_eq!(present_name("ssl_ecdh_curve", Major::new(17)), None);
        assert_eq!(present_name("ssl_ecdh_curve", Major::new(18)), Some("ssl_groups"));
        assert_eq!(present_name("work_mem", Major::new(18)), None);
        for (_, present, since) in FORMER_NAMES {
            for major in Major::supported().filter(|major| *major >= since) {
                assert!(
                    table(major).unwrap().contains_key(present),
                    "{present} in {major}"
                );
            }
        }
    }
}
