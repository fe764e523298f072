//! Follows a request to its end: one line per step that is done, and the step under way on a terminal.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::time::Duration;

use api_types::PostgresOpsRequest;
use api_types::ops_request::OpsRequestPhase;
use futures::StreamExt;
use indicatif::{ProgressBar, ProgressStyle};
use kube::ResourceExt;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, watch_object};

use crate::cluster::Target;
use crate::exit::Error;
use crate::report::status::telling;
use crate::style::{self, Paint};

/// The news of a request's progress; each thing once.
#[derive(Debug, Default)]
pub struct Story {
    told: BTreeMap<String, (String, Option<String>)>,
    phase: Option<OpsRequestPhase>,
}

impl Story {
    /// The new lines since the last call. On a terminal the current step is in the last line, and not listed here.
    pub fn news(&mut self, request: &PostgresOpsRequest, open_steps: bool, paint: Paint) -> Vec<String> {
        let status = request.status.clone().unwrap_or_default();
        let mut lines = Vec::new();
        if self.phase != status.phase && matches!(status.phase, Some(OpsRequestPhase::Pending)) && open_steps
        {
            lines.push("waits to begin".to_owned());
        }
        self.phase = status.phase;
        for condition in &status.conditions {
            let now = (condition.status.clone(), condition.message.clone());
            let before = self.told.insert(condition.type_.clone(), now.clone());
            let message = condition.message.as_deref().unwrap_or_default();
            // Parts of a step have no reason (KubeDB's form); their type names the Pod.
            let part = condition.reason.is_none();
            let was_true = before.as_ref().is_some_and(|(status, _)| status == "True");
            if condition.type_ == "Successful" || condition.type_ == "Failed" {
                continue;
            }
            if condition.is_true() && !was_true {
                let mark = paint.good("✓");
                lines.push(if part {
                    format!("  {mark} {}", condition.type_.replace("--", " "))
                } else {
                    format!("{mark} {}: {message}", condition.type_)
                });
            } else if open_steps
                && !part
                && condition.is_false()
                && before.as_ref() != Some(&now)
                && !message.is_empty()
            {
                lines.push(format!("… {}: {message}", condition.type_));
            }
        }
        lines
    }
}

/// The last line on a terminal: what is under way.
pub fn under_way(request: &PostgresOpsRequest) -> String {
    match telling(request) {
        Some(condition) => format!(
            "{}: {}",
            condition.type_,
            condition.message.as_deref().unwrap_or_default()
        ),
        None => "waits for the ops-manager to take it up".to_owned(),
    }
}

/// How a request ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ending {
    /// Its phase.
    pub phase: OpsRequestPhase,
    /// Its message.
    pub message: String,
}

impl Ending {
    /// The end of a request, if it has ended.
    pub fn of(request: &PostgresOpsRequest) -> Option<Self> {
        let phase = request
            .status
            .as_ref()?
            .phase
            .filter(|phase| phase.is_terminal())?;
        let message = telling(request).and_then(|condition| condition.message.clone());
        Some(Self {
            phase,
            message: message.unwrap_or_default(),
        })
    }
}

/// Where news are printed.
enum Display {
    Terminal(ProgressBar),
    Lines,
}

impl Display {
    fn new() -> Self {
        if !std::io::stderr().is_terminal() {
            return Self::Lines;
        }
        let bar = ProgressBar::new_spinner();
        if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed} {wide_msg}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(120));
        Self::Terminal(bar)
    }

    fn show(&self, lines: &[String], under_way: String) -> Result<(), Error> {
        match self {
            Self::Terminal(bar) => {
                bar.set_message(under_way);
                bar.suspend(|| print_all(lines))
            }
            Self::Lines => print_all(lines),
        }
    }

    fn end(&self) {
        if let Self::Terminal(bar) = self {
            bar.finish_and_clear();
        }
    }
}

fn print_all(lines: &[String]) -> Result<(), Error> {
    lines
        .iter()
        .try_for_each(|line| style::print(&format!("{line}\n")))
}

/// Follows the request of this name until it ends.
///
/// # Errors
/// When it is deleted, can't be watched, or does not end in time.
pub async fn to_the_end(target: &Target, name: &str, deadline: Duration) -> Result<Ending, Error> {
    let display = Display::new();
    let ending = tokio::time::timeout(deadline, follow(target, name, &display)).await;
    display.end();
    ending.unwrap_or_else(|_| {
        Err(Error::Deadline {
            what: format!("the end of {name}"),
            after: deadline,
            advice: format!(
                "the request stays, and is carried out as soon as it can be; kubectl describe pgops/{name} -n {} tells how far it is",
                target.namespace
            ),
        })
    })
}

async fn follow(target: &Target, name: &str, display: &Display) -> Result<Ending, Error> {
    let mut story = Story::default();
    let paint = Paint::for_stdout();
    let open_steps = matches!(display, Display::Lines);
    let mut stream = watch_object(target.api::<PostgresOpsRequest>(), name)
        .default_backoff()
        .boxed();
    while let Some(seen) = stream.next().await {
        let request = match seen {
            Ok(Some(request)) => request,
            Ok(None) => {
                return Err(Error::NotFound {
                    what: format!("PostgresOpsRequest {}/{name}", target.namespace),
                    advice: "it was deleted; its operation is brought to an end by the ops-manager"
                        .to_owned(),
                });
            }
            Err(error) => match denied(&error) {
                Some(status) => {
                    let doing = format!("watching PostgresOpsRequest {}/{name}", target.namespace);
                    return Err(Error::api(doing, kube::Error::Api(Box::new(status))));
                }
                // The watch restarts by itself; the deadline is the end of it.
                None => continue,
            },
        };
        display.show(&story.news(&request, open_steps, paint), under_way(&request))?;
        if let Some(ending) = Ending::of(&request) {
            return Ok(ending);
        }
    }
    Err(Error::NotFound {
        what: format!("PostgresOpsRequest {}/{name}", target.namespace),
        advice: "the watch ended; look again with kubectl get pgops".to_owned(),
    })
}

fn denied(error: &watcher::Error) -> Option<kube::core::Status> {
    let status = match error {
        watcher::Error::InitialListFailed(kube::Error::Api(status))
        | watcher::Error::WatchStartFailed(kube::Error::Api(status)) => status,
        watcher::Error::WatchError(status) => status,
        _ => return None,
    };
    matches!(status.code, 401 | 403).then(|| (**status).clone())
}

/// The name that a request got.
pub fn name_of(request: &PostgresOpsRequest) -> String {
    request.name_any()
}
