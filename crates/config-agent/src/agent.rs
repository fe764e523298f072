//! What the agent does with what it receives and sees.

use std::time::Duration;

use futures::StreamExt;
use tokio::time::{MissedTickBehavior, interval};

use crate::args::{self, Files, Watch};
use crate::fallback::{Sight, Verdict, judge};
use crate::folder::WriteError;
use crate::layout::{Data, Layout, Twice};
use crate::program::{InstallError, install};
use crate::projected::{Projected, ReadError, Version};
use crate::source::{News, Source, follow};
use api_types::error_chain;

/// How often the agent checks the projected folder, and retries what could not be written.
const FOLDER_POLL_INTERVAL: Duration = Duration::from_secs(1);

/// Why empty folders could not be filled.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// Two keys would be one file.
    #[error(transparent)]
    Twice(#[from] Twice),
    /// The projected Secret can't be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A folder can't be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// A program can't be brought.
    #[error(transparent)]
    Install(#[from] InstallError),
}

/// Brings programs, and fills folders to which nothing was written in this Pod's life. What is there may be newer than what
/// kubelet brought, so it stays.
///
/// # Errors
/// When a program is not there, or folders that are empty stay empty.
pub fn copy(copy: &args::Copy) -> Result<(), CopyError> {
    copy.programs.iter().try_for_each(install)?;
    let layout = copy.files.layout()?;
    copy_to(&layout, &Projected::new(&copy.files.from))
}

fn copy_to(layout: &Layout, projected: &Projected) -> Result<(), CopyError> {
    if layout.is_written() {
        return Ok(());
    }
    let (_, data) = projected.read(layout.keys())?;
    let changed = layout.write_first(&data)?;
    if !changed.is_empty() {
        tracing::info!(files = changed.join(" "), "copied from the projected Secret");
    }
    Ok(())
}

/// The state of `watch`.
#[derive(Debug)]
pub struct Agent {
    layout: Layout,
    projected: Projected,
    /// Whether the API server accepted the watch, and has not failed since.
    is_watching: bool,
    /// The projected version at the API server's last response, or at the start.
    known: Option<Version>,
    /// The projected version that was verified by another request to the API server.
    asked: Option<Version>,
    /// What could not be written yet.
    unwritten: Option<(Origin, Data)>,
    /// Why the watch fails, as it was logged last.
    trouble: Option<String>,
}

#[derive(Clone, Debug)]
enum Origin {
    /// The API server; the Secret's resourceVersion.
    Secret(String),
    /// kubelet.
    Projected,
}

impl Agent {
    /// An agent that has received nothing yet.
    ///
    /// # Errors
    /// When two keys have one path.
    pub fn new(files: &Files) -> Result<Self, Twice> {
        let projected = Projected::new(&files.from);
        Ok(Self {
            layout: files.layout()?,
            known: projected.version().ok(),
            projected,
            is_watching: false,
            asked: None,
            unwritten: None,
            trouble: None,
        })
    }

    /// Fills folders as [`copy()`].
    ///
    /// # Errors
    /// As [`copy()`].
    pub fn copy(&self) -> Result<(), CopyError> {
        copy_to(&self.layout, &self.projected)
    }

    /// Acts upon news of the Secret.
    pub fn hear(&mut self, news: News) {
        match news {
            News::Watching => {
                self.is_watching = true;
                if self.trouble.take().is_some() {
                    tracing::info!("the Secret is watched again");
                }
            }
            News::Is(content) => {
                self.known = self.projected.version().ok();
                self.put(Origin::Secret(content.version), content.data);
            }
            News::Gone => tracing::warn!("the Secret is gone; files stay as they are"),
            News::Failing(why) => {
                self.is_watching = false;
                if self.trouble.as_ref() != Some(&why) {
                    tracing::warn!(error = why, "the Secret can't be watched; files stay as they are");
                    self.trouble = Some(why);
                }
            }
        }
    }

    /// Retries what could not be written, and checks whether kubelet brought something. The verdict may be that the
    /// watch is to restart.
    pub fn look(&mut self) -> Verdict {
        if let Some((origin, data)) = self.unwritten.take() {
            self.put(origin, data);
        }
        let version = self.projected.version().ok();
        if version.is_none() || version == self.known {
            return Verdict::Ignore;
        }
        // What can't be read now is retried.
        let Ok((version, data)) = self.projected.read(self.layout.keys()) else {
            return Verdict::Ignore;
        };
        let sight = Sight {
            is_watching: self.is_watching,
            is_new: self.known.as_ref() != Some(&version),
            was_asked: self.asked.as_ref() == Some(&version),
            differs: self.layout.differs(&data),
        };
        let verdict = judge(sight);
        match verdict {
            Verdict::Ignore if !sight.differs => self.known = Some(version),
            Verdict::Ignore => {}
            Verdict::AskAgain => self.asked = Some(version),
            Verdict::Take => {
                self.known = Some(version);
                self.put(Origin::Projected, data);
            }
        }
        verdict
    }

    fn put(&mut self, origin: Origin, data: Data) {
        match self.layout.write(&data) {
            Ok(changed) => {
                self.unwritten = None;
                tell(&origin, &changed);
            }
            Err(error) => {
                tracing::error!(
                    error = error_chain(&error),
                    "files could not be changed; trying again"
                );
                self.unwritten = Some((origin, data));
            }
        }
    }
}

fn tell(origin: &Origin, changed: &[String]) {
    if changed.is_empty() {
        return;
    }
    let files = changed.join(" ");
    match origin {
        Origin::Secret(version) => tracing::info!(resource_version = version, files, "files changed"),
        Origin::Projected => {
            tracing::warn!(
                files,
                "files changed as kubelet brought them, because the Secret can't be watched"
            );
        }
    }
}

/// Fills empty folders, then follows the Secret. It never returns but for arguments that make no sense.
///
/// # Errors
/// When two keys have one path.
pub async fn watch(watch: &Watch) -> Result<(), Twice> {
    let source = Source {
        namespace: watch.namespace.clone(),
        name: watch.secret.clone(),
        config: None,
    };
    let mut agent = Agent::new(&watch.files)?;
    if let Err(error) = agent.copy() {
        // The watch brings files, too.
        tracing::error!(error = error_chain(&error), "empty folders could not be filled");
    }
    let mut news = follow(source.clone());
    let mut look = interval(FOLDER_POLL_INTERVAL);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            Some(heard) = news.next() => agent.hear(heard),
            _ = look.tick() => {
                if agent.look() == Verdict::AskAgain {
                    tracing::info!("kubelet brought what the watch did not; beginning it anew");
                    news = follow(source.clone());
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
