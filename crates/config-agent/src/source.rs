//! The Secret at the API server, as a stream of news that does not end.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::Secret;
use kube::api::{WatchEvent, WatchParams};
use kube::{Api, Client, Config};
use tokio::time::{Instant, sleep, timeout};

use crate::layout::Data;
use api_types::error_chain;

/// First delay after a watch that ended at once.
const MIN_WATCH_RETRY_DELAY: Duration = Duration::from_millis(50);
/// Longest delay; a watch that lived longer counts as one that worked.
const MAX_WATCH_RETRY_DELAY: Duration = Duration::from_secs(1);
/// How long the API server may take to begin a response.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(3);
/// Longer than the 290 s after which the API server ends a watch; so a dead connection is noticed.
const READ_TIMEOUT: Duration = Duration::from_secs(295);

/// What the watch delivers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// The API server accepted the watch.
    Watching,
    /// The Secret is like this.
    Is(Content),
    /// There is no such Secret any more.
    Gone,
    /// Nothing is known, because of this. It is tried again.
    Failing(String),
}

/// A Secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Content {
    /// Its resourceVersion.
    pub version: String,
    /// What it holds.
    pub data: Data,
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Values may be private keys.
        let keys: Vec<&String> = self.data.keys().collect();
        write!(f, "Content({}, {keys:?})", self.version)
    }
}

/// Where the Secret is.
#[derive(Clone, Debug)]
pub struct Source {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// How the API server is reached; as a Pod does, when none.
    pub config: Option<Config>,
}

/// Why the Secret can't be watched.
#[derive(Debug, thiserror::Error)]
enum WatchError {
    #[error("cannot find the API server; the container needs the Pod's service account")]
    Config(#[source] Box<dyn Error + Send + Sync>),
    #[error("cannot make a client of the API server")]
    Client(#[source] Box<kube::Error>),
    #[error("the API server does not answer")]
    Refused(#[source] Box<kube::Error>),
    #[error("the API server did not answer within {}s", RESPONSE_TIMEOUT.as_secs())]
    Silent,
}

type Events = BoxStream<'static, Result<WatchEvent<Secret>, kube::Error>>;

/// Where the stream of news stands.
enum State {
    /// The next watch begins after this delay.
    Between(Duration),
    /// A watch since then; the delay was that before it.
    Open(Events, Instant, Duration),
}

/// Follows the Secret. The first news come from a watch that begins at once.
pub fn follow(source: Source) -> BoxStream<'static, News> {
    let step = move |state| {
        let source = source.clone();
        async move { Some(next(&source, state).await) }
    };
    stream::unfold(State::Between(Duration::ZERO), step).boxed()
}

async fn next(source: &Source, mut state: State) -> (News, State) {
    loop {
        state = match state {
            State::Between(delay) => {
                sleep(delay).await;
                match open(source).await {
                    Ok(events) => return (News::Watching, State::Open(events, Instant::now(), delay)),
                    Err(error) => return (News::Failing(error_chain(&error)), State::Between(longer(delay))),
                }
            }
            State::Open(mut events, since, delay) => {
                let event = events.next().await;
                let ended = || State::Between(after(since.elapsed(), delay));
                match event {
                    Some(Ok(event)) => match heard(event) {
                        Heard::Nothing => State::Open(events, since, delay),
                        Heard::News(News::Failing(why)) => return (News::Failing(why), ended()),
                        Heard::News(news) => return (news, State::Open(events, since, delay)),
                    },
                    Some(Err(error)) => return (News::Failing(error_chain(&error)), ended()),
                    // The API server ends watches after some minutes; the next one begins with the current Secret.
                    None => ended(),
                }
            }
        }
    }
}

enum Heard {
    Nothing,
    News(News),
}

fn heard(event: WatchEvent<Secret>) -> Heard {
    match event {
        WatchEvent::Added(secret) | WatchEvent::Modified(secret) => Heard::News(News::Is(content(secret))),
        WatchEvent::Deleted(_) => Heard::News(News::Gone),
        WatchEvent::Bookmark(_) => Heard::Nothing,
        WatchEvent::Error(status) => Heard::News(News::Failing(status.message.clone())),
    }
}

fn content(secret: Secret) -> Content {
    let data = secret.data.unwrap_or_default().into_iter();
    Content {
        version: secret.metadata.resource_version.unwrap_or_default(),
        data: data.map(|(key, value)| (key, value.0)).collect(),
    }
}

/// Begins a watch of this one Secret.
///
/// Without a resource version it begins with the current object, so it needs no `list` and no `get`: the Pod's right is
/// `watch` of one name, which the API server takes from the field selector. For the same reason nothing has to be
/// remembered from one watch to the next.
async fn open(source: &Source) -> Result<Events, WatchError> {
    let begun = timeout(RESPONSE_TIMEOUT, async {
        let client = client(source).await?;
        let api: Api<Secret> = Api::namespaced(client, &source.namespace);
        let params = WatchParams::default().fields(&format!("metadata.name={}", source.name));
        let events = api.watch(&params, "").await;
        events.map_err(|error| WatchError::Refused(Box::new(error)))
    });
    let events = begun.await.map_err(|_| WatchError::Silent)??;
    Ok(events.into_stream().boxed())
}

/// A client of its own for each watch: no connection that died meanwhile is used again.
async fn client(source: &Source) -> Result<Client, WatchError> {
    let mut config = match &source.config {
        Some(config) => config.clone(),
        None => Config::infer()
            .await
            .map_err(|error| WatchError::Config(Box::new(error)))?,
    };
    // The delays here are shorter.
    config.default_retry = false;
    config.connect_timeout = Some(RESPONSE_TIMEOUT);
    config.read_timeout = Some(READ_TIMEOUT);
    config.reset_reader_on_write = true;
    Client::try_from(config).map_err(|error| WatchError::Client(Box::new(error)))
}

fn longer(delay: Duration) -> Duration {
    delay
        .saturating_mul(2)
        .clamp(MIN_WATCH_RETRY_DELAY, MAX_WATCH_RETRY_DELAY)
}

/// The delay after a watch that lived so long.
fn after(lived: Duration, delay: Duration) -> Duration {
    if lived < MAX_WATCH_RETRY_DELAY {
        longer(delay)
    } else {
        MIN_WATCH_RETRY_DELAY
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_a_second() {
        let mut delay = Duration::ZERO;
        let mut seen = Vec::new();
        for _ in 0..7 {
            delay = longer(delay);
            seen.push(delay.as_millis());
        }
        assert_eq!(seen, [50, 100, 200, 400, 800, 1000, 1000]);
    }

    #[test]
    fn a_watch_that_lived_is_begun_anew_soon_and_one_that_broke_at_once_later() {
        let minutes = Duration::from_secs(290);
        assert_eq!(after(minutes, MAX_WATCH_RETRY_DELAY), MIN_WATCH_RETRY_DELAY);
        assert_eq!(after(Duration::ZERO, Duration::from_millis(400)).as_millis(), 800);
    }

    #[test]
    fn nobody_sees_a_key_in_a_debug_output() {
        let data = Data::from([("server.key".into(), b"very secret".to_vec())]);
        let news = News::Is(Content {
            version: "1".into(),
            data,
        });
        assert_eq!(format!("{news:?}"), "Is(Content(1, [\"server.key\"]))");
    }
}
