//! What the members' reports mean: plain functions.

use std::collections::BTreeMap;

use blueprint::CaBundle;
use instance::{SqlError, SslSessions, Wal};
use runtime::error_chain;

use crate::health::{Served, Targets, diverged, left_behind};

/// The report of each member.
pub type Answers = BTreeMap<String, Result<Answer, Failure>>;

/// Why a check did not end well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What it means.
    pub kind: FailureKind,
    /// Why, in a sentence without secrets.
    pub why: String,
}

/// What a failed check means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// What was checked does not work.
    Broken,
    /// A standby needs WAL that no member has any more.
    LeftBehind,
    /// A standby has WAL that the primary never had.
    Diverged,
    /// It could not be checked, for a reason that does not affect clients.
    NotChecked,
    /// The same, and a role of ours or one of its functions is missing or was changed.
    LacksRoles,
}

impl Failure {
    /// What was checked does not work.
    pub fn broken(why: impl Into<String>) -> Self {
        Self {
            kind: FailureKind::Broken,
            why: why.into(),
        }
    }

    /// What an error in a session with a member means.
    pub fn of(error: &SqlError) -> Self {
        let kind = if error.is_about_our_roles() {
            FailureKind::LacksRoles
        } else if error.is_about_access() {
            FailureKind::NotChecked
        } else {
            FailureKind::Broken
        };
        Self {
            kind,
            why: error_chain(error),
        }
    }

    /// Whether the service for clients is unknown.
    pub fn is_unknown(&self) -> bool {
        matches!(self.kind, FailureKind::NotChecked | FailureKind::LacksRoles)
    }

    /// The same, naming what it is about.
    pub fn about(&self, what: &str) -> Self {
        Self {
            kind: self.kind,
            why: format!("{what}: {}", self.why),
        }
    }
}

/// The report of a member that admitted the session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// Whether it replicates from another.
    pub in_recovery: bool,
    /// What went wrong when something was written or read; none on a standby or without the write check.
    pub write_problem: Option<Failure>,
    /// Application names of the standbys that stream from it.
    pub streaming: Vec<String>,
    /// The certificate that it served.
    pub served: Option<Served>,
    /// The CAs that it has loaded to verify client certificates.
    pub trusted: Option<CaBundle>,
    /// Sessions of applications that came over TCP.
    pub sessions: Option<SslSessions>,
    /// The mark of the parameters that it has read; none when that is not known, empty when they have none.
    pub configuration: Option<String>,
    /// Its WAL; none when that is not known.
    pub wal: Option<Wal>,
    /// Bytes of its data; none when that is not known.
    pub data_bytes: Option<u64>,
    /// Whether a role of ours is known to be missing or changed.
    pub lacks_roles: bool,
    /// Whether it has received no WAL since the check before this one.
    pub stands_still: bool,
}

/// Whether a client can write: exactly one ready member that Patroni labels primary reports that it is one, commits,
/// and the primary Service leads to it. Label and report both count: a cut-off primary keeps its label for a while.
///
/// # Errors
/// Why not, or why that is not known.
pub fn accepting(targets: &Targets, answers: &Answers, service: &Result<(), Failure>) -> Result<(), Failure> {
    let pod = primary(targets, answers)?;
    if let Some(Ok(Answer {
        write_problem: Some(problem),
        ..
    })) = answers.get(pod)
    {
        return Err(problem.about(pod));
    }
    service.clone()
}

/// Whether roles of ours, or their functions, are known to be missing or changed.
pub fn lacks_roles(answers: &Answers) -> bool {
    answers.values().any(|answer| match answer {
        Ok(answer) => answer.lacks_roles,
        Err(failure) => failure.kind == FailureKind::LacksRoles,
    })
}

/// The one member that Patroni labels primary, and that takes writes by its own report.
///
/// # Errors
/// Why there is none, or more than one.
pub fn primary<'a>(targets: &'a Targets, answers: &Answers) -> Result<&'a str, Failure> {
    let labelled: Vec<_> = targets
        .members
        .iter()
        .filter(|it| it.is_labelled_primary && it.is_ready)
        .collect();
    let writable: Vec<&str> = labelled
        .iter()
        .filter(|it| matches!(answers.get(&it.pod), Some(Ok(answer)) if !answer.in_recovery))
        .map(|it| it.pod.as_str())
        .collect();
    match writable.as_slice() {
        [one] => Ok(one),
        [] => Err(labelled.first().map_or_else(
            || Failure::broken("No ready member is labelled primary."),
            |it| match answers.get(&it.pod) {
                Some(Err(failure)) => failure.about(&it.pod),
                _ => Failure::broken(format!("{} is labelled primary and still replicates.", it.pod)),
            },
        )),
        several => Err(Failure::broken(format!(
            "More than one member takes writes: {}.",
            several.join(", ")
        ))),
    }
}

/// Whether a standby streams from the primary, as the primary reports; none when that is not known, and for the primary
/// itself.
pub fn streams(answers: &Answers, primary: Option<&str>, pod: &str) -> Option<bool> {
    let primary = primary.filter(|primary| *primary != pod)?;
    let leader = answers.get(primary)?.as_ref().ok()?;
    Some(leader.streaming.iter().any(|standby| standby == pod))
}

/// Whether every member does its part: all respond, one is primary, the others stream from it. What is broken counts
/// more than what could not be checked.
///
/// # Errors
/// What is missing, or not known.
pub fn complete(targets: &Targets, answers: &Answers) -> Result<(), Failure> {
    let primary = primary(targets, answers)?;
    let failed = |is_wanted: fn(&Failure) -> bool| {
        answers.iter().find_map(move |(pod, answer)| {
            let failure = answer.as_ref().err().filter(|failure| is_wanted(failure))?;
            Some(failure.about(pod))
        })
    };
    if let Some(failure) = failed(|failure| !failure.is_unknown()) {
        return Err(failure);
    }
    if answers.len() < targets.replicas {
        return Err(Failure::broken(format!(
            "{} of {} members are there.",
            answers.len(),
            targets.replicas
        )));
    }
    if let Some(failure) = not_streaming(targets, answers, primary) {
        return Err(failure);
    }
    match failed(Failure::is_unknown) {
        Some(failure) => Err(failure),
        None => Ok(()),
    }
}

/// The first standby that does not stream from the primary, and why. The primary's report on a standby that could not be
/// probed counts too.
fn not_streaming(targets: &Targets, answers: &Answers, primary: &str) -> Option<Failure> {
    let Some(Ok(leader)) = answers.get(primary) else {
        return None;
    };
    let mut silent = answers
        .iter()
        .filter(|(pod, _)| pod.as_str() != primary && !leader.streaming.contains(pod));
    let cannot = silent.clone().find_map(|(pod, answer)| {
        let standby = answer.as_ref().ok().filter(|standby| standby.stands_still)?;
        let (leader, standby) = (leader.wal.as_ref()?, standby.wal.as_ref()?);
        let of = |kind| move |why| Failure { kind, why };
        let diverged = diverged::sentence(targets, primary, leader, pod, standby);
        let behind = || left_behind::sentence(targets, primary, leader, pod, standby);
        diverged
            .map(of(FailureKind::Diverged))
            .or_else(|| behind().map(of(FailureKind::LeftBehind)))
    });
    if cannot.is_some() {
        return cannot;
    }
    let (pod, _) = silent.next()?;
    Some(Failure::broken(format!("{pod} does not stream from {primary}.")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::targets::tests::targets;

    fn primary_of(standbys: &[&str]) -> Result<Answer, Failure> {
        Ok(Answer {
            streaming: standbys.iter().map(|it| (*it).to_owned()).collect(),
            ..Answer::default()
        })
    }

    fn standby() -> Result<Answer, Failure> {
        Ok(Answer {
            in_recovery: true,
            ..Answer::default()
        })
    }

    fn answers<const N: usize>(list: [(&str, Result<Answer, Failure>); N]) -> Answers {
        list.into_iter()
            .map(|(pod, answer)| (pod.to_owned(), answer))
            .collect()
    }

    #[test]
    fn three_members_that_stream_are_complete() {
        let all = answers([
            ("pg-0", primary_of(&["pg-1", "pg-2"])),
            ("pg-1", standby()),
            ("pg-2", standby()),
        ]);
        assert_eq!(accepting(&targets(), &all, &Ok(())), Ok(()));
        assert_eq!(complete(&targets(), &all), Ok(()));
    }

    #[test]
    fn a_silent_standby_leaves_the_primary_accepting() {
        let all = answers([
            ("pg-0", primary_of(&["pg-1"])),
            ("pg-1", standby()),
            ("pg-2", standby()),
        ]);
        assert_eq!(accepting(&targets(), &all, &Ok(())), Ok(()));
        assert_eq!(
            complete(&targets(), &all),
            Err(Failure::broken("pg-2 does not stream from pg-0."))
        );
        let all = answers([
            ("pg-0", primary_of(&["pg-1"])),
            ("pg-1", standby()),
            ("pg-2", Err(Failure::broken("timeout"))),
        ]);
        assert_eq!(complete(&targets(), &all), Err(Failure::broken("pg-2: timeout")));
        let all = answers([("pg-0", primary_of(&["pg-1"])), ("pg-1", standby())]);
        assert_eq!(
            complete(&targets(), &all),
            Err(Failure::broken("2 of 3 members are there."))
        );
    }

    #[test]
    fn a_label_alone_makes_no_primary() {
        let all = answers([("pg-0", standby())]);
        let why = accepting(&targets(), &all, &Ok(())).unwrap_err();
        assert_eq!(why.why, "pg-0 is labelled primary and still replicates.");
        let mut none = targets();
        none.members[0].is_ready = false;
        assert_eq!(
            accepting(&none, &all, &Ok(())).unwrap_err().why,
            "No ready member is labelled primary."
        );
    }

    #[test]
    fn a_cut_off_primary_does_not_hide_the_new_one() {
        let mut two = targets();
        two.members[1].is_labelled_primary = true;
        let all = answers([
            ("pg-0", Err(Failure::broken("timeout"))),
            ("pg-1", primary_of(&["pg-2"])),
        ]);
        assert_eq!(accepting(&two, &all, &Ok(())), Ok(()));
        let both = answers([("pg-0", primary_of(&[])), ("pg-1", primary_of(&[]))]);
        assert_eq!(
            accepting(&two, &both, &Ok(())).unwrap_err().why,
            "More than one member takes writes: pg-0, pg-1."
        );
    }

    #[test]
    fn a_service_that_leads_nowhere_or_a_full_disk_is_no_accepting() {
        let all = answers([("pg-0", primary_of(&[]))]);
        assert_eq!(
            accepting(&targets(), &all, &Err(Failure::broken("refused"))),
            Err(Failure::broken("refused"))
        );
        let full = Answer {
            write_problem: Some(Failure::broken("no space")),
            ..Answer::default()
        };
        assert_eq!(
            accepting(&targets(), &answers([("pg-0", Ok(full))]), &Ok(())),
            Err(Failure::broken("pg-0: no space"))
        );
    }

    fn not_checked(why: &str) -> Failure {
        Failure {
            kind: FailureKind::NotChecked,
            why: why.into(),
        }
    }

    /// A member that can't be probed for a reason of its own is not called broken; other faults are reported first.
    #[test]
    fn what_could_not_be_checked_is_not_broken() {
        let full = || Err(not_checked("no connection left"));
        let all = answers([("pg-0", full()), ("pg-1", standby()), ("pg-2", standby())]);
        let unknown = not_checked("pg-0: no connection left");
        assert_eq!(accepting(&targets(), &all, &Ok(())), Err(unknown.clone()));
        assert_eq!(complete(&targets(), &all), Err(unknown));

        let standby_full = || {
            answers([
                ("pg-0", primary_of(&["pg-1", "pg-2"])),
                ("pg-1", full()),
                ("pg-2", standby()),
            ])
        };
        assert_eq!(accepting(&targets(), &standby_full(), &Ok(())), Ok(()));
        let unknown = not_checked("pg-1: no connection left");
        assert_eq!(complete(&targets(), &standby_full()), Err(unknown));

        let mut broken = standby_full();
        broken.insert("pg-2".into(), Err(Failure::broken("timeout")));
        assert_eq!(
            complete(&targets(), &broken),
            Err(Failure::broken("pg-2: timeout"))
        );
        // The primary knows whether a standby that could not be probed streams.
        let silent = answers([
            ("pg-0", primary_of(&["pg-2"])),
            ("pg-1", full()),
            ("pg-2", standby()),
        ]);
        let why = complete(&targets(), &silent).unwrap_err();
        assert_eq!(why, Failure::broken("pg-1 does not stream from pg-0."));
    }

    /// A missing role of ours does not affect clients, and is distinguished from what can't be repaired.
    #[test]
    fn roles_of_ours_that_are_missing_are_noticed() {
        let refused = Failure::of(&SqlError::Login {
            user: "sealwright_operator".into(),
            message: "password authentication failed".into(),
        });
        assert_eq!(refused.kind, FailureKind::LacksRoles);
        let full = Failure::of(&SqlError::TooMany("sorry, too many clients already".into()));
        assert_eq!(full.kind, FailureKind::NotChecked);
        let own_limit = "too many connections for role \"sealwright_operator\"";
        assert_eq!(
            Failure::of(&SqlError::TooMany(own_limit.into())).kind,
            FailureKind::LacksRoles
        );
        let damaged = Answer {
            lacks_roles: true,
            ..Answer::default()
        };
        assert!(lacks_roles(&answers([
            ("pg-0", Ok(damaged)),
            ("pg-1", standby())
        ])));
        assert!(lacks_roles(&answers([
            ("pg-0", primary_of(&[])),
            ("pg-1", Err(refused.clone()))
        ])));
        assert!(!lacks_roles(&answers([
            ("pg-0", primary_of(&[])),
            ("pg-1", Err(full))
        ])));
        let all = answers([
            ("pg-0", primary_of(&["pg-1", "pg-2"])),
            ("pg-1", Err(refused)),
            ("pg-2", standby()),
        ]);
        assert!(complete(&targets(), &all).unwrap_err().is_unknown());
    }

    #[test]
    fn a_standby_that_needs_what_is_gone_is_named_once_it_stands_still() {
        let wal = |position, oldest| {
            Some(Wal {
                position,
                oldest: Some(oldest),
                ..Wal::default()
            })
        };
        let of = |stands_still| {
            let leader = Answer {
                wal: wal(900, 500),
                ..primary_of(&["pg-2"]).unwrap()
            };
            let behind = Answer {
                wal: wal(400, 300),
                stands_still,
                ..standby().unwrap()
            };
            answers([("pg-0", Ok(leader)), ("pg-1", Ok(behind)), ("pg-2", standby())])
        };
        assert_eq!(
            complete(&targets(), &of(false)).unwrap_err().kind,
            FailureKind::Broken
        );
        let why = complete(&targets(), &of(true)).unwrap_err();
        assert_eq!(why.kind, FailureKind::LeftBehind);
        assert!(
            why.why
                .starts_with("pg-1 does not stream from pg-0 and can't any more"),
            "{}",
            why.why
        );
    }
}
