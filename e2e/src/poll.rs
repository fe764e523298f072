//! The one place that looks repeatedly: for facts no watch can tell, such as a certificate on the wire.

use std::future::Future;
use std::time::Duration;

use anyhow::{Result, bail};
use tokio::time::{Instant, MissedTickBehavior, interval};

/// What a look found.
#[derive(Debug)]
pub enum Look<T> {
    /// The fact holds.
    Found(T),
    /// Not yet; why, for the message when the deadline passes.
    NotYet(String),
}

/// Looks every `every` until the fact holds. A look that fails counts as "not yet": a member that restarts
/// refuses connections for a while. Errors after `deadline` with the last reason.
pub async fn until<T, F, Fut>(what: &str, deadline: Duration, every: Duration, mut look: F) -> Result<T>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<Look<T>>>,
{
    let begin = Instant::now();
    let mut tick = interval(every);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last = "never looked".to_owned();
    while begin.elapsed() < deadline {
        tick.tick().await;
        let left = deadline.saturating_sub(begin.elapsed());
        last = match tokio::time::timeout(left, look()).await {
            Ok(Ok(Look::Found(found))) => return Ok(found),
            Ok(Ok(Look::NotYet(why))) => why,
            Ok(Err(error)) => format!("{error:#}"),
            Err(_) => format!("{last} (and the last look did not end)"),
        };
    }
    bail!("{what}: not within {}s; last seen: {last}", deadline.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn tells_the_last_reason() {
        let error = until::<(), _, _>(
            "a unicorn",
            Duration::from_millis(30),
            Duration::from_millis(5),
            || async { Ok(Look::NotYet("only horses".to_owned())) },
        )
        .await
        .expect_err("there are none");
        assert!(
            error
                .to_string()
                .contains("a unicorn: not within 0s; last seen: only horses")
        );
    }
}
