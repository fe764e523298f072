//! Parameters computed from the size of a member (`spec.configuration.tuning`).
//!
//! The proportions are those of pgtune, which PostgreSQL's manual and wiki give as starting points (manual, 19.4 "Resource
//! Consumption", 19.5 "Write Ahead Log", 19.7 "Query Planning"); KubeDB's results for its published examples are a test here. Two
//! things are ours: default connections are no more than the memory holds, and WAL between two checkpoints is no more than fits
//! the volume.

use api_types::postgres::Tuning;
use api_types::quantity::thousandths;
use k8s_openapi::api::core::v1::ResourceRequirements;

use crate::pg::conf::Parameters;
use crate::pg::memory::{BESIDE, SESSION};
use crate::pg::parameters::{LEAST, memory_of};
use crate::pg::wal::WalBudget;

/// Bytes of a kibibyte, a mebibyte and a gibibyte.
const KB: i64 = 1 << 10;
const MB: i64 = 1 << 20;
const GB: i64 = 1 << 30;
/// PostgreSQL's default of `max_worker_processes`.
const WORKERS: i64 = 8;
/// From this many processors on, queries are to run in parallel.
const PARALLEL_FROM: i64 = 4;
/// More processes do not make one query, or one index, faster for most (PostgreSQL wiki, "Parallel Query").
const MOST_WORKERS_OF_ONE: i64 = 4;
/// From this much memory on, huge pages are worth trying.
const HUGE_PAGES_FROM: i64 = 32 * GB;
/// The greatest `maintenance_work_mem` that pays.
const MOST_MAINTENANCE: i64 = 2 * GB;
/// A segment of WAL: the greatest `wal_buffers` that pays.
const MOST_WAL_BUFFERS: i64 = 16 * MB;
/// A sort, or a hash, counts three times for each connection.
const SORTS: i64 = 3;

/// What the database is for.
struct Profile {
    name: &'static str,
    connections: i64,
    /// One part of the memory in this many becomes `shared_buffers`.
    buffers_part: i64,
    /// Quarters of the memory that the system's cache is expected to have.
    cache_quarters: i64,
    maintenance_part: i64,
    work_part: i64,
    min_wal: i64,
    max_wal: i64,
    statistics: i64,
    /// Whether one query may take half of the processors, however many there are.
    is_analytic: bool,
}

const MIXED: Profile = Profile {
    name: "mixed",
    connections: 100,
    buffers_part: 4,
    cache_quarters: 3,
    maintenance_part: 16,
    work_part: 2,
    min_wal: GB,
    max_wal: 4 * GB,
    statistics: 100,
    is_analytic: false,
};

const PROFILES: [Profile; 5] = [
    Profile {
        name: "web",
        connections: 200,
        work_part: 1,
        ..MIXED
    },
    Profile {
        name: "oltp",
        connections: 300,
        work_part: 1,
        min_wal: 2 * GB,
        max_wal: 8 * GB,
        ..MIXED
    },
    Profile {
        name: "dw",
        connections: 40,
        maintenance_part: 8,
        min_wal: 4 * GB,
        max_wal: 16 * GB,
        statistics: 500,
        is_analytic: true,
        ..MIXED
    },
    MIXED,
    Profile {
        name: "desktop",
        connections: 20,
        buffers_part: 16,
        cache_quarters: 1,
        work_part: 6,
        min_wal: 100 * MB,
        max_wal: 2 * GB,
        ..MIXED
    },
];

/// What is computed from.
pub(crate) struct Size<'a> {
    /// Of the container `postgres`.
    pub resources: &'a ResourceRequirements,
    /// Of the volume.
    pub wal: WalBudget,
}

/// The computed parameters; none where the tuning is off.
pub(crate) fn computed(tuning: &Tuning, of: &Size<'_>) -> Parameters {
    if tuning.disable_auto_tune == Some(true) {
        return Parameters::new();
    }
    let profile = profile(tuning);
    let memory = memory_of(of.resources);
    let processors = processors(of.resources);
    let buffers = (memory / profile.buffers_part).max(128 * KB);
    let connections = connections(tuning, profile, memory, buffers);
    let mut all = Parameters::from(of_memory(profile, memory, buffers));
    let work = work_mem(profile, memory - buffers, connections, processors);
    all.extend([
        ("max_connections".to_owned(), connections.to_string()),
        ("work_mem".to_owned(), size(work)),
        ("checkpoint_completion_target".to_owned(), "0.9".to_owned()),
        (
            "default_statistics_target".to_owned(),
            profile.statistics.to_string(),
        ),
    ]);
    all.extend(of_storage(tuning));
    all.extend(of_wal(profile, of.wal));
    all.extend(of_processors(profile, processors));
    all
}

fn of_memory(profile: &Profile, memory: i64, buffers: i64) -> [(String, String); 5] {
    let maintenance = (memory / profile.maintenance_part).clamp(MB, MOST_MAINTENANCE);
    let huge_pages = if memory < HUGE_PAGES_FROM { "off" } else { "try" };
    [
        ("shared_buffers", size(buffers)),
        ("effective_cache_size", size(memory / 4 * profile.cache_quarters)),
        ("maintenance_work_mem", size(maintenance)),
        ("wal_buffers", size(wal_buffers(buffers))),
        ("huge_pages", huge_pages.to_owned()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
}

/// The profile by its name; a mixed one where none is given.
fn profile(tuning: &Tuning) -> &'static Profile {
    let name = tuning.profile.as_deref().unwrap_or(MIXED.name);
    PROFILES.iter().find(|it| it.name == name).unwrap_or(&MIXED)
}

/// Whole processors that the container may use, or requests.
fn processors(resources: &ResourceRequirements) -> i64 {
    let mut lists = [&resources.limits, &resources.requests].into_iter().flatten();
    let thousandths = lists.find_map(|list| list.get("cpu").and_then(thousandths));
    (thousandths.unwrap_or_default() / 1000).max(1)
}

/// The configured number; otherwise the profile's, as far as the memory holds them.
fn connections(tuning: &Tuning, profile: &Profile, memory: i64, buffers: i64) -> i64 {
    let least = LEAST.iter().find(|(name, _)| *name == "max_connections");
    let least = least.map_or(1, |(_, least)| i64::from(*least));
    let asked = tuning.max_connections.map(i64::from).filter(|it| *it > 0);
    let room = (memory - buffers - BESIDE) / SESSION;
    asked.unwrap_or(profile.connections.min(room)).max(least)
}

/// What is left beside the buffers, for every connection and every worker.
fn work_mem(profile: &Profile, left: i64, connections: i64, processors: i64) -> i64 {
    let workers = if processors < PARALLEL_FROM {
        WORKERS
    } else {
        processors
    };
    (left / ((connections + workers) * SORTS) / profile.work_part).max(64 * KB)
}

/// Three hundredths of the buffers, at most a segment; nearly a segment is one.
fn wal_buffers(buffers: i64) -> i64 {
    match buffers * 3 / 100 {
        bytes if bytes > 14 * MB => MOST_WAL_BUFFERS,
        bytes => bytes.max(32 * KB),
    }
}

fn of_storage(tuning: &Tuning) -> Parameters {
    let (page_cost, concurrency) = match tuning.storage_type.as_deref() {
        Some("hdd") => ("4", "2"),
        Some("san") => ("1.1", "300"),
        _ => ("1.1", "200"),
    };
    [
        ("random_page_cost", page_cost),
        ("effective_io_concurrency", concurrency),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}

/// The profile's amounts of WAL, or what fits the volume.
fn of_wal(profile: &Profile, budget: WalBudget) -> Parameters {
    let fits = budget
        .between_checkpoints()
        .map(|megabytes| i64::from(megabytes) * MB);
    let max = fits.map_or(profile.max_wal, |fits| profile.max_wal.min(fits));
    let min = profile.min_wal.min((max / 2).max(32 * MB));
    [("max_wal_size", max), ("min_wal_size", min)]
        .map(|(name, bytes)| (name.to_owned(), size(bytes)))
        .into()
}

fn of_processors(profile: &Profile, processors: i64) -> Parameters {
    if processors < PARALLEL_FROM {
        return Parameters::new();
    }
    let half = (processors + 1) / 2;
    let of_one = half.min(MOST_WORKERS_OF_ONE);
    let of_query = if profile.is_analytic { half } else { of_one };
    [
        ("max_worker_processes", processors.max(WORKERS)),
        ("max_parallel_workers", processors),
        ("max_parallel_workers_per_gather", of_query),
        ("max_parallel_maintenance_workers", of_one),
    ]
    .map(|(name, count)| (name.to_owned(), count.to_string()))
    .into()
}

/// An amount in the largest unit that it has a whole number of.
fn size(bytes: i64) -> String {
    let units = [(GB, "GB"), (MB, "MB")];
    let unit = units
        .into_iter()
        .find(|(unit, _)| bytes >= *unit && bytes % unit == 0);
    unit.map_or_else(
        || format!("{}kB", bytes / KB),
        |(unit, word)| format!("{}{word}", bytes / unit),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pg::catalog;
    use crate::pg::value;

    fn of(tuning: &str, resources: &str, volume: Option<i64>) -> Parameters {
        let size = Size {
            resources: &serde_yaml::from_str(resources).expect("resources"),
            wal: WalBudget::of(volume),
        };
        computed(&serde_yaml::from_str(tuning).expect("a tuning"), &size)
    }

    fn expected(text: &str) -> Parameters {
        crate::pg::conf::parse(text).expect("parameters")
    }

    /// The two results that KubeDB publishes (release notes of v2026.1.19), with 8 as the workers that it leaves
    /// unchanged.
    #[test]
    fn the_results_that_kubedb_publishes_come_out() {
        let small = of(
            "{profile: web, maxConnections: 98, storageType: ssd}",
            "{requests: {memory: 4Gi}, limits: {cpu: 2, memory: 4Gi}}",
            None,
        );
        assert_eq!(
            small,
            expected(
                "max_connections = 98\nshared_buffers = 1GB\neffective_cache_size = 3GB\nmaintenance_work_mem = 256MB\n\
                 checkpoint_completion_target = 0.9\nwal_buffers = 16MB\ndefault_statistics_target = 100\nrandom_page_cost = 1.1\n\
                 effective_io_concurrency = 200\nwork_mem = 9892kB\nhuge_pages = off\nmin_wal_size = 1GB\nmax_wal_size = 4GB"
            )
        );
        let large = of(
            "{profile: web, maxConnections: 200, storageType: ssd}",
            "{requests: {memory: 6Gi}, limits: {cpu: 4, memory: 6Gi}}",
            None,
        );
        assert_eq!(
            large,
            expected(
                "max_connections = 200\nshared_buffers = 1536MB\neffective_cache_size = 4608MB\nmaintenance_work_mem = 384MB\n\
                 checkpoint_completion_target = 0.9\nwal_buffers = 16MB\ndefault_statistics_target = 100\nrandom_page_cost = 1.1\n\
                 effective_io_concurrency = 200\nwork_mem = 7710kB\nhuge_pages = off\nmin_wal_size = 1GB\nmax_wal_size = 4GB\n\
                 max_worker_processes = 8\nmax_parallel_workers_per_gather = 2\nmax_parallel_workers = 4\n\
                 max_parallel_maintenance_workers = 2"
            )
        );
    }

    #[test]
    fn a_profile_is_for_its_use() {
        let gib = "{requests: {memory: 8Gi}, limits: {cpu: 16, memory: 8Gi}}";
        let table = [
            ("{profile: oltp}", "max_connections", "300"),
            ("{profile: dw}", "max_connections", "40"),
            ("{profile: dw}", "max_parallel_workers_per_gather", "8"),
            ("{profile: oltp}", "max_parallel_workers_per_gather", "4"),
            ("{profile: dw}", "max_parallel_maintenance_workers", "4"),
            ("{profile: dw}", "default_statistics_target", "500"),
            ("{profile: desktop}", "shared_buffers", "512MB"),
            ("{profile: desktop}", "max_connections", "25"),
            ("{}", "max_connections", "100"),
            ("{storageType: hdd}", "random_page_cost", "4"),
            ("{storageType: san}", "effective_io_concurrency", "300"),
        ];
        for (tuning, name, value) in table {
            assert_eq!(
                of(tuning, gib, None).get(name).map(String::as_str),
                Some(value),
                "{tuning} {name}"
            );
        }
        assert_eq!(
            of("{profile: web, disableAutoTune: true}", gib, None),
            Parameters::new()
        );
    }

    /// A small member is not given more connections than its memory holds, nor more WAL than its volume.
    #[test]
    fn what_is_computed_fits_the_member() {
        let small = of(
            "{profile: oltp}",
            "{requests: {memory: 320Mi}, limits: {memory: 320Mi}}",
            Some(1 << 30),
        );
        assert_eq!(small["max_connections"], "176");
        assert_eq!(
            (small["max_wal_size"].as_str(), small["min_wal_size"].as_str()),
            ("128MB", "64MB")
        );
        assert_eq!(
            of("{profile: dw, maxConnections: 500}", "{}", None)["max_connections"],
            "500"
        );
    }

    #[test]
    fn every_version_takes_every_value() {
        for profile in PROFILES {
            for resources in [
                "{}",
                "{limits: {cpu: 100m, memory: 64Mi}}",
                "{limits: {cpu: 64, memory: 512Gi}}",
            ] {
                let all = of(
                    &format!("{{profile: {}}}", profile.name),
                    resources,
                    Some(1 << 40),
                );
                for major in api_types::Major::supported() {
                    let table = catalog::table(major).expect("a table");
                    for (name, value) in &all {
                        let read = value::read(&table[name], value);
                        assert!(
                            read.is_ok(),
                            "PostgreSQL {major}, {resources}: {name} = {value}: {read:?}"
                        );
                    }
                }
            }
        }
    }
}
