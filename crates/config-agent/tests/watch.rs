//! The stream of news against a server that speaks as the API server does.
#![allow(clippy::unwrap_used, reason = "a failed step fails its test")]

use std::time::Duration;

use config_agent::source::{News, Source, follow};
use futures::StreamExt;
use kube::Config;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

/// Longest time until something is heard.
const EVENT_TIMEOUT: Duration = Duration::from_secs(10);

/// An API server for watches of one Secret.
struct Server {
    listener: TcpListener,
}

/// A watch that was asked for.
struct Asked {
    stream: TcpStream,
    request: String,
}

impl Server {
    async fn start() -> (Self, Source) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let source = Source {
            namespace: "shop".into(),
            name: "pg-abc123".into(),
            config: Some(Config::new(url.parse().unwrap())),
        };
        (Self { listener }, source)
    }

    async fn asked(&self) -> Asked {
        let (mut stream, _) = timeout(EVENT_TIMEOUT, self.listener.accept())
            .await
            .unwrap()
            .unwrap();
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            request.push(stream.read_u8().await.unwrap());
        }
        Asked {
            stream,
            request: String::from_utf8(request).unwrap(),
        }
    }
}

impl Asked {
    async fn begin(&mut self) {
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";
        self.stream.write_all(head.as_bytes()).await.unwrap();
    }

    async fn event(&mut self, kind: &str, object: Value) {
        let line = format!("{}\n", json!({"type": kind, "object": object}));
        let chunk = format!("{:x}\r\n{line}\r\n", line.len());
        self.stream.write_all(chunk.as_bytes()).await.unwrap();
    }

    async fn end(mut self) {
        self.stream.write_all(b"0\r\n\r\n").await.unwrap();
    }

    async fn refuse(mut self) {
        let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Forbidden",
                            "message": "not allowed to watch", "code": 403})
        .to_string();
        let answer = format!(
            "HTTP/1.1 403 Forbidden\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{status}",
            status.len()
        );
        self.stream.write_all(answer.as_bytes()).await.unwrap();
    }
}

fn secret(version: &str, text: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Secret",
           "metadata": {"name": "pg-abc123", "namespace": "shop", "resourceVersion": version},
           "stringData": null, "data": {"user.conf": text}})
}

async fn heard(news: &mut (impl futures::Stream<Item = News> + Unpin)) -> News {
    timeout(EVENT_TIMEOUT, news.next())
        .await
        .expect("something is heard")
        .unwrap()
}

fn text(news: News) -> (String, String) {
    let News::Is(content) = news else {
        panic!("{news:?}");
    };
    let text = content.data["user.conf"].clone();
    (content.version, String::from_utf8(text).unwrap())
}

#[tokio::test]
async fn a_watch_of_one_name_tells_the_secret_as_it_is_and_every_change() {
    let (server, source) = Server::start().await;
    let mut news = follow(source);
    let serve = async {
        let mut asked = server.asked().await;
        asked.begin().await;
        asked.event("ADDED", secret("1", "MQ==")).await;
        asked
            .event(
                "BOOKMARK",
                json!({"apiVersion": "v1", "kind": "Secret",
            "metadata": {"resourceVersion": "2", "creationTimestamp": null}}),
            )
            .await;
        asked.event("MODIFIED", secret("3", "Mw==")).await;
        asked.event("DELETED", secret("4", "Mw==")).await;
        asked
    };
    let hear = async {
        assert_eq!(heard(&mut news).await, News::Watching);
        assert_eq!(text(heard(&mut news).await), ("1".into(), "1".into()));
        assert_eq!(text(heard(&mut news).await), ("3".into(), "3".into()));
        assert_eq!(heard(&mut news).await, News::Gone);
    };
    let (asked, ()) = tokio::join!(serve, hear);
    let line = asked.request.lines().next().unwrap();
    assert!(line.starts_with("GET /api/v1/namespaces/shop/secrets?"), "{line}");
    for part in [
        "watch=true",
        "fieldSelector=metadata.name%3Dpg-abc123",
        "resourceVersion= ",
    ] {
        assert!(line.contains(part), "{line}");
    }
}

#[tokio::test]
async fn a_watch_that_ends_in_order_is_begun_anew_without_a_word() {
    let (server, source) = Server::start().await;
    let mut news = follow(source);
    let serve = async {
        let mut first = server.asked().await;
        first.begin().await;
        first.event("ADDED", secret("1", "MQ==")).await;
        first.end().await;
        let mut second = server.asked().await;
        second.begin().await;
        second.event("ADDED", secret("2", "Mg==")).await;
        second
    };
    let hear = async {
        assert_eq!(heard(&mut news).await, News::Watching);
        assert_eq!(text(heard(&mut news).await).0, "1");
        assert_eq!(heard(&mut news).await, News::Watching);
        assert_eq!(text(heard(&mut news).await).0, "2");
    };
    tokio::join!(serve, hear);
}

#[tokio::test]
async fn a_refusal_a_broken_connection_and_an_error_in_the_stream_are_told_and_tried_again() {
    let (server, source) = Server::start().await;
    let mut news = follow(source);
    let serve = async {
        server.asked().await.refuse().await;
        drop(server.asked().await.stream);
        let mut expired = server.asked().await;
        expired.begin().await;
        let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Expired",
                            "message": "too old", "code": 410});
        expired.event("ERROR", status).await;
        let mut good = server.asked().await;
        good.begin().await;
        good.event("ADDED", secret("1", "MQ==")).await;
        (expired, good)
    };
    let hear = async {
        let told = heard(&mut news).await;
        assert!(
            matches!(&told, News::Failing(why) if why.contains("not allowed to watch")),
            "{told:?}"
        );
        let told = heard(&mut news).await;
        assert!(matches!(told, News::Failing(_)), "{told:?}");
        assert_eq!(heard(&mut news).await, News::Watching);
        let told = heard(&mut news).await;
        assert_eq!(told, News::Failing("too old".into()));
        assert_eq!(heard(&mut news).await, News::Watching);
        assert_eq!(text(heard(&mut news).await).0, "1");
    };
    tokio::join!(serve, hear);
}

#[tokio::test]
async fn a_server_that_nobody_reaches_is_told() {
    let (server, source) = Server::start().await;
    drop(server);
    let told = heard(&mut follow(source)).await;
    assert!(matches!(told, News::Failing(_)), "{told:?}");
}
