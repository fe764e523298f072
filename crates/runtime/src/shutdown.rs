//! One signal to stop, seen by everything in the process.

use tokio::sync::watch;

/// The signal that the process is to end. Clones see the same signal.
#[derive(Clone, Debug)]
pub struct Shutdown {
    wish: watch::Receiver<bool>,
}

/// Sends the signal of a [`Shutdown`].
#[derive(Debug)]
pub struct Trigger(watch::Sender<bool>);

impl Trigger {
    /// Makes everything that holds a clone of the [`Shutdown`] stop.
    pub fn shut_down(&self) {
        self.0.send_replace(true);
    }
}

impl Shutdown {
    /// A signal that `Trigger` sends; for tests and for processes with their own signals.
    pub fn new() -> (Trigger, Self) {
        let (sender, wish) = watch::channel(false);
        (Trigger(sender), Self { wish })
    }

    /// Fires on SIGTERM or SIGINT. A second signal ends the process at once, with exit code 130.
    ///
    /// # Errors
    /// When the signal handlers can't be installed.
    pub fn on_signals() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let (trigger, shutdown) = Self::new();
        tokio::spawn(async move {
            for again in [false, true] {
                let name = tokio::select! {
                    _ = terminate.recv() => "SIGTERM",
                    _ = interrupt.recv() => "SIGINT",
                };
                if again {
                    tracing::warn!(signal = name, "second signal: ending at once");
                    std::process::exit(130);
                }
                tracing::info!(signal = name, "shutting down");
                trigger.shut_down();
            }
        });
        Ok(shutdown)
    }

    /// Whether the signal was sent.
    pub fn requested(&self) -> bool {
        *self.wish.borrow()
    }

    /// Returns when the signal is sent.
    pub async fn wait(mut self) {
        if self.wish.wait_for(|wish| *wish).await.is_err() {
            // The trigger is gone without having fired: a shutdown can't be requested any more.
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_clone_sees_the_wish() {
        let (trigger, shutdown) = Shutdown::new();
        let early = tokio::spawn(shutdown.clone().wait());
        assert!(!shutdown.requested());
        trigger.shut_down();
        early.await.expect("the waiter ends");
        shutdown.wait().await;
    }
}
