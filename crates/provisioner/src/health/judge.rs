//! What the members' answers mean: plain functions.

use std::collections::BTreeMap;

use blueprint::CaBundle;
use instance::SslSessions;

use crate::health::{Served, Targets};

/// What one member said; an error is a sentence.
pub type Answers = BTreeMap<String, Result<Answer, String>>;

/// A member that let us in and answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// Whether it replicates from another.
    pub in_recovery: bool,
    /// What went wrong when a row was written and read; none on a standby or without the write check.
    pub write_problem: Option<String>,
    /// Application names of the standbys that stream from it.
    pub streaming: Vec<String>,
    /// The certificate that it served.
    pub served: Option<Served>,
    /// The CAs that it has loaded to judge client certificates by.
    pub trusted: Option<CaBundle>,
    /// Sessions of applications that came over TCP.
    pub sessions: Option<SslSessions>,
}

/// Whether a client can write: exactly one ready member that Patroni labels primary answers as one, takes a row, and the
/// primary Service leads to it. Label and answer both count: a cut-off primary keeps its label for a while.
///
/// # Errors
/// Why not, in a sentence.
pub fn accepting(targets: &Targets, answers: &Answers, service: &Result<(), String>) -> Result<(), String> {
    let pod = primary(targets, answers)?;
    if let Some(Ok(Answer {
        write_problem: Some(problem),
        ..
    })) = answers.get(pod)
    {
        return Err(format!("{pod}: {problem}"));
    }
    service.clone()
}

fn primary<'a>(targets: &'a Targets, answers: &Answers) -> Result<&'a str, String> {
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
            || "No ready member is labelled primary.".to_owned(),
            |it| match answers.get(&it.pod) {
                Some(Err(why)) => format!("{}: {why}", it.pod),
                _ => format!("{} is labelled primary and still replicates.", it.pod),
            },
        )),
        several => Err(format!(
            "More than one member takes writes: {}.",
            several.join(", ")
        )),
    }
}

/// Whether every member does its part: all answer, one is primary, the others stream from it.
///
/// # Errors
/// What is missing, in a sentence.
pub fn complete(targets: &Targets, answers: &Answers) -> Result<(), String> {
    let primary = primary(targets, answers)?;
    if let Some((pod, why)) = answers
        .iter()
        .find_map(|(pod, answer)| Some((pod, answer.as_ref().err()?)))
    {
        return Err(format!("{pod}: {why}"));
    }
    if answers.len() < targets.replicas {
        return Err(format!(
            "{} of {} members are there.",
            answers.len(),
            targets.replicas
        ));
    }
    let streaming = match answers.get(primary) {
        Some(Ok(answer)) => answer.streaming.as_slice(),
        _ => &[],
    };
    let silent = answers
        .keys()
        .find(|pod| pod.as_str() != primary && !streaming.contains(pod));
    match silent {
        Some(pod) => Err(format!("{pod} does not stream from {primary}.")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::targets::tests::targets;

    fn primary_of(standbys: &[&str]) -> Result<Answer, String> {
        Ok(Answer {
            streaming: standbys.iter().map(|it| (*it).to_owned()).collect(),
            ..Answer::default()
        })
    }

    fn standby() -> Result<Answer, String> {
        Ok(Answer {
            in_recovery: true,
            ..Answer::default()
        })
    }

    fn answers<const N: usize>(list: [(&str, Result<Answer, String>); N]) -> Answers {
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
            Err("pg-2 does not stream from pg-0.".into())
        );
        let all = answers([
            ("pg-0", primary_of(&["pg-1"])),
            ("pg-1", standby()),
            ("pg-2", Err("timeout".into())),
        ]);
        assert_eq!(complete(&targets(), &all), Err("pg-2: timeout".into()));
        let all = answers([("pg-0", primary_of(&["pg-1"])), ("pg-1", standby())]);
        assert_eq!(
            complete(&targets(), &all),
            Err("2 of 3 members are there.".into())
        );
    }

    #[test]
    fn a_label_alone_makes_no_primary() {
        let all = answers([("pg-0", standby())]);
        let why = accepting(&targets(), &all, &Ok(())).unwrap_err();
        assert_eq!(why, "pg-0 is labelled primary and still replicates.");
        let mut none = targets();
        none.members[0].is_ready = false;
        assert_eq!(
            accepting(&none, &all, &Ok(())).unwrap_err(),
            "No ready member is labelled primary."
        );
    }

    #[test]
    fn a_cut_off_primary_does_not_hide_the_new_one() {
        let mut two = targets();
        two.members[1].is_labelled_primary = true;
        let all = answers([("pg-0", Err("timeout".into())), ("pg-1", primary_of(&["pg-2"]))]);
        assert_eq!(accepting(&two, &all, &Ok(())), Ok(()));
        let both = answers([("pg-0", primary_of(&[])), ("pg-1", primary_of(&[]))]);
        assert_eq!(
            accepting(&two, &both, &Ok(())).unwrap_err(),
            "More than one member takes writes: pg-0, pg-1."
        );
    }

    #[test]
    fn a_service_that_leads_nowhere_or_a_full_disk_is_no_accepting() {
        let all = answers([("pg-0", primary_of(&[]))]);
        assert_eq!(
            accepting(&targets(), &all, &Err("refused".into())),
            Err("refused".into())
        );
        let full = Answer {
            write_problem: Some("no space".into()),
            ..Answer::default()
        };
        assert_eq!(
            accepting(&targets(), &answers([("pg-0", Ok(full))]), &Ok(())),
            Err("pg-0: no space".into())
        );
    }
}
