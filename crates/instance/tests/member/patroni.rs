//! Patroni's REST API, against a server of our own on loopback that answers as Patroni 4.1 does.

use std::time::Duration;

use axum::{
    Json, Router,
    http::{HeaderMap, StatusCode},
    routing::{get, patch, post},
};
use instance::{Password, Patroni, PatroniError, Switchover};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// `postgres:hunter2`, as basic authentication writes it.
const CREDENTIALS: &str = "Basic cG9zdGdyZXM6aHVudGVyMg==";

fn allowed(headers: &HeaderMap) -> bool {
    headers.get("authorization").is_some_and(|h| h == CREDENTIALS)
}

async fn switchover(headers: HeaderMap, Json(request): Json<Value>) -> (StatusCode, String) {
    if !allowed(&headers) {
        return (StatusCode::UNAUTHORIZED, "not authenticated".to_owned());
    }
    match request["candidate"].as_str() {
        Some("pg-1") => (
            StatusCode::OK,
            r#"Successfully switched over to "pg-1""#.to_owned(),
        ),
        Some("pg-2") => (StatusCode::SERVICE_UNAVAILABLE, "Switchover failed".to_owned()),
        _ => (
            StatusCode::PRECONDITION_FAILED,
            "candidate does not exists".to_owned(),
        ),
    }
}

async fn status() -> Json<Value> {
    Json(json!({
        "state": "running", "postmaster_start_time": "2026-11-24 04:00:00.000000+00:00", "role": "replica",
        "server_version": 170002, "timeline": 3, "replication_state": "streaming", "pending_restart": true,
        "xlog": {"received_location": 67109200, "replayed_location": 67109100, "replayed_timestamp": null, "paused": false},
        "dcs_last_seen": 1764000000, "database_system_identifier": "7",
        "patroni": {"version": "4.1.0", "scope": "pg", "name": "pg-1"}}))
}

async fn cluster() -> Json<Value> {
    Json(json!({"scope": "pg", "members": [
        {"name": "pg-0", "role": "leader", "state": "running", "api_url": "http://x:8008/patroni", "timeline": 3},
        {"name": "pg-1", "role": "replica", "state": "streaming", "timeline": 3, "lag": 16, "lsn": "0/4"},
        {"name": "pg-2", "role": "replica", "state": "starting", "lag": "unknown", "pending_restart": true}]}))
}

async fn reload(headers: HeaderMap) -> (StatusCode, &'static str) {
    if allowed(&headers) {
        (StatusCode::ACCEPTED, "reload scheduled")
    } else {
        (StatusCode::UNAUTHORIZED, "no")
    }
}

async fn patroni(password: &str) -> Patroni {
    let routes = Router::new()
        .route("/patroni", get(status))
        .route("/cluster", get(cluster))
        .route("/reload", post(reload))
        .route("/switchover", post(switchover))
        .route(
            "/config",
            patch(async |Json(body): Json<Value>| Json(json!({"ttl": 30, "merged": body}))),
        );
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move { axum::serve(listener, routes).await });
    Patroni::new(
        "127.0.0.1",
        port,
        "postgres",
        Password::new(password),
        Duration::from_secs(5),
    )
    .unwrap()
}

fn to(candidate: &str) -> Switchover {
    Switchover {
        leader: "pg-0".to_owned(),
        candidate: candidate.to_owned(),
    }
}

#[tokio::test]
async fn a_member_says_what_it_is() {
    let status = patroni("hunter2").await.status().await.unwrap();
    assert_eq!(
        (status.state.as_str(), status.role.as_str(), status.timeline),
        ("running", "replica", Some(3))
    );
    assert!(status.pending_restart);
    assert_eq!(status.xlog.replayed_location, Some(67_109_100));
    assert_eq!(status.patroni.version, "4.1.0");
}

#[tokio::test]
async fn an_unknown_lag_is_not_zero() {
    let cluster = patroni("hunter2").await.cluster().await.unwrap();
    assert_eq!(cluster.leader().unwrap().name, "pg-0");
    assert_eq!(cluster.member("pg-1").unwrap().lag, Some(16));
    assert_eq!(cluster.member("pg-2").unwrap().lag, None);
    assert!(cluster.member("pg-2").unwrap().pending_restart);
}

#[tokio::test]
async fn reload_and_configuration_carry_credentials() {
    patroni("hunter2").await.reload().await.unwrap();
    let refused = patroni("old").await.reload().await.unwrap_err();
    assert!(matches!(refused, PatroniError::Unauthorized { .. }), "{refused}");
    let config = patroni("hunter2")
        .await
        .patch_config(&json!({"loop_wait": 5}))
        .await
        .unwrap();
    assert_eq!(config, json!({"ttl": 30, "merged": {"loop_wait": 5}}));
}

#[tokio::test]
async fn a_switchover_answers_in_the_words_of_patroni() {
    let patroni = patroni("hunter2").await;
    assert_eq!(
        patroni.switchover(&to("pg-1")).await.unwrap(),
        r#"Successfully switched over to "pg-1""#
    );
    let failed = patroni.switchover(&to("pg-2")).await.unwrap_err();
    assert!(
        matches!(&failed, PatroniError::Failed { why, .. } if why == "Switchover failed"),
        "{failed}"
    );
    let impossible = patroni.switchover(&to("pg-9")).await.unwrap_err();
    assert!(
        matches!(impossible, PatroniError::NotPossible { .. }),
        "{impossible}"
    );
}

#[tokio::test]
async fn a_silent_patroni_meets_the_deadline() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let password = Password::new("hunter2");
    let patroni = Patroni::new("127.0.0.1", port, "postgres", password, Duration::from_millis(50)).unwrap();
    let error = patroni.status().await.unwrap_err();
    assert!(matches!(error, PatroniError::Deadline { .. }), "{error}");
    assert!(!format!("{patroni:?} {error:?}").contains("hunter2"));
}

#[tokio::test]
async fn nobody_there_is_unreachable() {
    let port = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let patroni = Patroni::new(
        "127.0.0.1",
        port,
        "postgres",
        Password::new("hunter2"),
        Duration::from_secs(5),
    )
    .unwrap();
    let error = patroni.status().await.unwrap_err();
    assert!(matches!(error, PatroniError::Unreachable { .. }), "{error}");
}
