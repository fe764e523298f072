//! Which members have every acknowledged row, and what would be lost without the others. Pure.
//!
//! A commit is acknowledged by the primary. So the primary has every acknowledged row, and a standby has them once it has
//! received all that the primary wrote: that is known only while it streams, and certain only after a controlled switchover,
//! in which the primary stops and waits for the standby (Patroni's documentation, "switchover").

/// One member, as far as its rows matter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberRows<'a> {
    /// The Pod.
    pub name: &'a str,
    /// It is the primary, and its PostgreSQL runs.
    pub is_primary: bool,
    /// Why it can't be relied on: it does not run, does not stream, does not respond.
    pub unhealthy: Option<String>,
    /// WAL of the primary that it has not replayed, in bytes; unknown counts as most.
    pub lag: Option<i64>,
}

/// The members that have, or can be given, every acknowledged row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Keeper<'a> {
    /// The primary is among those that stay.
    Primary(&'a str),
    /// The primary is not, but this standby streams from it, and a controlled switchover gives it every row.
    Standby(&'a str),
}

/// Acknowledged rows would be lost, or may be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Loss {
    /// It is not known which member is the primary, so it is not known which rows were acknowledged.
    #[error("no member is known to be the primary")]
    NoPrimary,
    /// None of the members that stay can be given the rows; with what each lacks.
    #[error("no member that stays can take over: {}", .0.iter().map(|(pod, why)| format!("{pod}: {why}")).collect::<Vec<_>>().join("; "))]
    NoKeeper(Vec<(String, String)>),
}

/// The members that keep every acknowledged row when only these members stay.
///
/// # Errors
/// [`Loss`].
pub fn keeper<'a>(members: &[MemberRows<'a>], stays: impl Fn(&str) -> bool) -> Result<Keeper<'a>, Loss> {
    let primary = members.iter().find(|it| it.is_primary).ok_or(Loss::NoPrimary)?;
    if stays(primary.name) {
        return Ok(Keeper::Primary(primary.name));
    }
    let staying = || members.iter().filter(|it| stays(it.name));
    let candidates = staying().filter(|it| it.unhealthy.is_none());
    let best = candidates.min_by_key(|it| (it.lag.unwrap_or(i64::MAX), it.name));
    best.map(|it| Keeper::Standby(it.name)).ok_or_else(|| {
        Loss::NoKeeper(
            staying()
                .map(|it| (it.name.to_owned(), it.unhealthy.clone().unwrap_or_default()))
                .collect(),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member<'a>(
        name: &'a str,
        is_primary: bool,
        unhealthy: Option<&str>,
        lag: Option<i64>,
    ) -> MemberRows<'a> {
        MemberRows {
            name,
            is_primary,
            unhealthy: unhealthy.map(str::to_owned),
            lag,
        }
    }

    #[test]
    fn the_primary_has_every_acknowledged_row_and_a_streaming_standby_can_be_given_them() {
        let primary = |name| member(name, true, None, Some(0));
        let standby = |name, lag| member(name, false, None, lag);
        let broken = |name| member(name, false, Some("it does not run"), None);
        let first = |count: usize| move |name: &str| name[3..].parse::<usize>().is_ok_and(|n| n < count);
        let no_keeper = |all: &[&str]| {
            let why = |pod: &&str| ((*pod).to_owned(), "it does not run".to_owned());
            Err(Loss::NoKeeper(all.iter().map(why).collect()))
        };
        let table = [
            (
                "primary stays",
                vec![primary("pg-0"), broken("pg-1")],
                1,
                Ok(Keeper::Primary("pg-0")),
            ),
            (
                "primary goes",
                vec![standby("pg-0", Some(8)), primary("pg-1")],
                1,
                Ok(Keeper::Standby("pg-0")),
            ),
            (
                "the standby that lags least",
                vec![standby("pg-0", None), standby("pg-1", Some(8)), primary("pg-2")],
                2,
                Ok(Keeper::Standby("pg-1")),
            ),
            (
                "only a broken one stays",
                vec![broken("pg-0"), standby("pg-1", Some(0)), primary("pg-2")],
                1,
                no_keeper(&["pg-0"]),
            ),
            (
                "nobody leads",
                vec![standby("pg-0", Some(0)), standby("pg-1", Some(0))],
                1,
                Err(Loss::NoPrimary),
            ),
            ("nobody is known", vec![], 1, Err(Loss::NoPrimary)),
        ];
        for (what, members, count, expected) in table {
            assert_eq!(keeper(&members, first(count)), expected, "{what}");
        }
    }
}
