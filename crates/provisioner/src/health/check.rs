//! One check of a database: all members side by side, then the judgement.

use crate::health::ask::{self, Place};
use crate::health::judge::{self, Answer, Answers};
use crate::health::report::Streak;
use crate::health::{Member, Report, Target, Targets};

/// Checks one database again and again; remembers only how many failures came in a row.
#[derive(Default)]
pub struct Checker {
    accepting: Streak,
    ready: Streak,
    last: Report,
}

impl Checker {
    /// Asks every member and the primary Service.
    pub async fn check(&mut self, targets: &Targets) -> Report {
        let asked = futures::future::join_all(targets.members.iter().map(|member| ask(targets, member)));
        let (answers, service) = tokio::join!(asked, service(targets));
        let pods = targets.members.iter().map(|member| member.pod.clone());
        self.judge(targets, &pods.zip(answers).collect(), &service)
    }

    fn judge(&mut self, targets: &Targets, answers: &Answers, service: &Result<(), String>) -> Report {
        let accepting = judge::accepting(targets, answers, service);
        let ready = accepting.clone().and_then(|()| judge::complete(targets, answers));
        let report = Report {
            accepting: self
                .accepting
                .judge(accepting, targets.threshold, &self.last.accepting),
            ready: self.ready.judge(ready, targets.threshold, &self.last.ready),
            members: answers
                .iter()
                .map(|(pod, answer)| (pod.clone(), member(answer)))
                .collect(),
        };
        self.last = report.clone();
        report
    }
}

fn member(answer: &Result<Answer, String>) -> Member {
    match answer {
        Ok(answer) => Member {
            served: answer.served.clone(),
            trusted: answer.trusted.clone(),
            problem: answer.write_problem.clone(),
            sessions: answer.sessions,
        },
        Err(why) => Member {
            problem: Some(why.clone()),
            ..Member::default()
        },
    }
}

async fn ask(targets: &Targets, member: &Target) -> Result<Answer, String> {
    let address = member.address.ok_or("it has no address yet")?;
    ask::member(
        targets,
        Place {
            address,
            host: &member.host,
        },
    )
    .await
}

/// A primary Service without an address (headless by the user's template) has nothing to check.
async fn service(targets: &Targets) -> Result<(), String> {
    let Some(address) = targets.service else {
        return Ok(());
    };
    ask::service(
        targets,
        Place {
            address,
            host: &targets.service_host,
        },
    )
    .await
}
