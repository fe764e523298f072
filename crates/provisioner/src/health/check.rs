//! One check of a database: all members side by side, then the verdict.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::health::ask::{self, Place};
use crate::health::judge::{self, Answer, Answers, Failure, FailureKind};
use crate::health::report::Streak;
use crate::health::seen::Seen;
use crate::health::{Login, Member, Position, Report, Target, Targets, Tried, Verdict, slots};

/// How long roles of ours may be missing until that is reported. Members make them when they start, and again within seconds.
const ROLES_GRACE: Duration = Duration::from_secs(10);
/// Shortest time between two reloads that are to bring the roles of ours back.
const MIN_ROLES_RELOAD_INTERVAL: Duration = Duration::from_secs(3);

/// Checks one database again and again; remembers how many failures came in a row, and what takes long to find out.
#[derive(Default)]
pub struct Checker {
    accepting: Streak,
    ready: Streak,
    last: Report,
    mended: Option<Instant>,
    lacking_since: Option<Instant>,
    seen: BTreeMap<String, Seen>,
}

impl Checker {
    /// Probes every member and the primary Service.
    pub async fn check(&mut self, targets: &Targets) -> Report {
        let seen = |member: &Target| self.seen.get(&member.pod).cloned().unwrap_or_default();
        let asked = targets
            .members
            .iter()
            .map(|member| ask(targets, member, seen(member)));
        let (asked, service, opened_by) = tokio::join!(
            futures::future::join_all(asked),
            service(targets),
            opened_by(targets)
        );
        let pods = targets.members.iter().map(|member| member.pod.clone());
        let mut answers = Answers::new();
        // A member that is gone is forgotten.
        self.seen.clear();
        for (pod, (answer, seen)) in pods.zip(asked) {
            self.seen.insert(pod.clone(), seen);
            answers.insert(pod, answer);
        }
        keep_slots(targets, &answers).await;
        let since = self.lacking_since.unwrap_or_else(Instant::now);
        self.lacking_since = judge::lacks_roles(&answers).then_some(since);
        self.mend_roles(targets, &answers).await;
        Report {
            opened_by,
            ..self.judge(targets, &answers, &service)
        }
    }

    /// Has the primary's Patroni make the roles of ours again. It takes no session: a reload is enough.
    async fn mend_roles(&mut self, targets: &Targets, answers: &Answers) {
        let now = Instant::now();
        let is_soon = |last: Instant| now.saturating_duration_since(last) < MIN_ROLES_RELOAD_INTERVAL;
        if !judge::lacks_roles(answers) || self.mended.is_some_and(is_soon) {
            return;
        }
        if let Some(place) = primary(targets) {
            self.mended = Some(now);
            ask::mend_roles(targets, place).await;
        }
    }

    fn judge(&mut self, targets: &Targets, answers: &Answers, service: &Result<(), Failure>) -> Report {
        let primary = judge::primary(targets, answers).ok();
        let (position, former_position) = self.positions(primary, answers);
        let members = answers.iter().map(|(pod, answer)| {
            let streams = judge::streams(answers, primary, pod);
            let seen = self.seen.entry(pod.clone()).or_default();
            let member = Member {
                streams,
                is_stale: seen.is_stale(streams, Instant::now()),
                ..member(targets, answer, seen)
            };
            (pod.clone(), member)
        });
        let members = members.collect();
        let accepting = judge::accepting(targets, answers, service);
        let ready = accepting.clone().and_then(|()| judge::complete(targets, answers));
        let is_mending = self
            .lacking_since
            .is_some_and(|since| since.elapsed() < ROLES_GRACE);
        let judge = |streak: &mut Streak, answer: Result<(), Failure>, before: &Verdict| match answer {
            Err(failure) if is_mending && failure.kind == FailureKind::LacksRoles => before.clone(),
            answer => streak.judge(answer, targets.threshold, before),
        };
        let report = Report {
            accepting: judge(&mut self.accepting, accepting, &self.last.accepting),
            ready: judge(&mut self.ready, ready, &self.last.ready),
            members,
            primary: primary.map(str::to_owned),
            position,
            former_position,
            opened_by: None,
        };
        self.last = report.clone();
        report
    }
}

impl Checker {
    /// Where the primary's WAL ends, or ended when it was seen last, and where that of the timeline before did.
    fn positions(&self, primary: Option<&str>, answers: &Answers) -> (Option<Position>, Option<Position>) {
        let (last, former) = (self.last.position.clone(), self.last.former_position.clone());
        let now = primary.and_then(|pod| {
            let wal = answers.get(pod)?.as_ref().ok()?.wal.as_ref()?;
            Some(Position {
                pod: pod.to_owned(),
                timeline: wal.timeline,
                end: wal.position,
            })
        });
        match (now, last) {
            (Some(now), Some(last)) if now.timeline > last.timeline => (Some(now), Some(last)),
            (now, last) => (now.or(last), former),
        }
    }
}

fn member(targets: &Targets, answer: &Result<Answer, Failure>, seen: &Seen) -> Member {
    match answer {
        Ok(answer) => Member {
            served: answer.served.clone(),
            trusted: answer.trusted.clone(),
            problem: answer.write_problem.as_ref().map(|problem| problem.why.clone()),
            sessions: answer.sessions,
            configuration: answer.configuration.clone(),
            slots: answer
                .wal
                .as_ref()
                .map(|wal| slots::of_users(targets.name(), &wal.slots)),
            wal: answer.wal.clone(),
            data_bytes: answer.data_bytes,
            volume_bytes: targets.volume_bytes,
            ..Member::default()
        },
        Err(failure) => Member {
            served: seen.handshake(),
            problem: Some(failure.why.clone()),
            ..Member::default()
        },
    }
}

async fn ask(targets: &Targets, member: &Target, mut seen: Seen) -> (Result<Answer, Failure>, Seen) {
    let Some(address) = member.address else {
        return (Err(Failure::broken("it has no address yet")), seen);
    };
    let place = Place {
        address,
        host: &member.host,
        port: ask::port(),
    };
    let is_size_due = seen.is_size_due(Instant::now());
    let given = given(targets, &seen);
    let (mut answer, served) = tokio::join!(
        ask::member(targets, place, is_size_due, &mut seen),
        renew_patroni(targets, place, given)
    );
    if let Some(served) = served {
        seen.served(served);
    }
    let has = answer
        .as_ref()
        .ok()
        .and_then(|answer| answer.configuration.as_deref());
    if seen.is_to_read(has, targets.configuration.as_deref()) {
        ask::read_configuration(targets, place).await;
    }
    if let Ok(answer) = &mut answer {
        answer.data_bytes = seen.size();
        answer.stands_still = seen.stands_still(answer.wal.as_ref().map(|wal| wal.position));
    }
    (answer, seen)
}

/// Gives standbys the replication slots that they need after a change of the primary.
async fn keep_slots(targets: &Targets, answers: &Answers) {
    let mut due = slots::due(targets, answers);
    let kept = targets.members.iter().filter_map(|member| {
        let place = Place {
            address: member.address?,
            host: &member.host,
            port: ask::port(),
        };
        let due = due.remove(&member.pod)?;
        Some(async move { ask::keep_slots(targets, place, &due).await })
    });
    futures::future::join_all(kept).await;
}

/// The credentials that may open the database by now, if they do: the primary knows.
async fn opened_by(targets: &Targets) -> Option<Tried> {
    let candidate = targets.candidate.clone()?;
    let tried = Tried::of(&candidate.username, &candidate.password);
    let login = Login {
        username: candidate.username,
        password: candidate.password,
        ..targets.login.clone()
    };
    ask::opens(targets, &login, primary(targets)?)
        .await
        .then_some(tried)
}

fn primary(targets: &Targets) -> Option<Place<'_>> {
    let mut members = targets.members.iter();
    let primary = members.find(|member| member.is_labelled_primary && member.is_ready)?;
    Some(Place {
        address: primary.address?,
        host: &primary.host,
        port: ask::port(),
    })
}

/// The certificate that was deployed to a member's Patroni and that it is not known to serve. A Patroni that was seen to serve
/// it gets no further request: it reads its files by itself when it starts again.
fn given<'a>(targets: &'a Targets, seen: &Seen) -> Option<&'a str> {
    let access = targets.patroni.as_ref()?;
    access.served.as_deref().filter(|given| !seen.serves(given))
}

/// Returns what the member's Patroni serves, if it got a request and responded.
async fn renew_patroni(targets: &Targets, place: Place<'_>, given: Option<&str>) -> Option<String> {
    let served = ask::renew_patroni(targets, place, given?).await;
    served
        .inspect_err(|why| tracing::info!(host = place.host, why, "Patroni's own certificate is not known"))
        .ok()
}

/// A primary Service without an address (headless by the user's template), or that leads elsewhere than to PostgreSQL (to a
/// pooler of the user's), has nothing to check.
async fn service(targets: &Targets) -> Result<(), Failure> {
    let Some((address, port)) = targets.service else {
        return Ok(());
    };
    let place = Place {
        address,
        host: &targets.service_host,
        port,
    };
    ask::service(targets, place).await
}
