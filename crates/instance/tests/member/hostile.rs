//! Choices of users that are none of the operators' business: a session of ours works whatever they are, and needs nothing
//! of theirs.

use std::time::Duration;

use api_types::Major;
use instance::{Login, Password, Role, Session, SqlError, TlsMode};
use tokio_postgres::{Client, NoTls};

use crate::postgres::{PASSWORD, Postgres};

const DEADLINE: Duration = Duration::from_secs(10);
const HBA: &str = "host all all 127.0.0.1/32 scram-sha-256\n";

fn login(postgres: &Postgres) -> Login {
    Login {
        user: "postgres".to_owned(),
        password: Some(Password::new(PASSWORD)),
        database: "postgres".to_owned(),
        application_name: "test".to_owned(),
        tls: TlsMode::Disable,
        identity: None,
        major: postgres.major(),
    }
}

async fn session(postgres: &Postgres) -> Result<Session, SqlError> {
    Session::connect("127.0.0.1", postgres.port, &login(postgres), DEADLINE).await
}

/// A client of the user's.
async fn client(postgres: &Postgres, database: &str) -> Client {
    let (client, connection) = tokio_postgres::Config::new()
        .host("127.0.0.1")
        .port(postgres.port)
        .user("postgres")
        .password(PASSWORD)
        .dbname(database)
        .options("-c default_transaction_read_only=off -c statement_timeout=0 -c role=none")
        .connect(NoTls)
        .await
        .expect("the user's session");
    tokio::spawn(connection);
    client
}

/// A server, and a client in a database that no test closes.
async fn with_shop(test: &str) -> Option<(Postgres, Client)> {
    let postgres = Postgres::prepare(test)?;
    postgres.write("ca.crt", "");
    postgres.start("max_connections = 6\nsuperuser_reserved_connections = 1", HBA);
    let first = client(&postgres, "postgres").await;
    first
        .batch_execute("CREATE DATABASE shop")
        .await
        .expect("a database");
    drop(first);
    let user = client(&postgres, "shop").await;
    Some((postgres, user))
}

/// A backend ends soon after its client, not with it.
async fn nobody_in_postgres(user: &Client) {
    let query = "SELECT count(*) FROM pg_stat_activity WHERE datname IN ('postgres', 'application')";
    let mut every = tokio::time::interval(Duration::from_millis(20));
    let gone = async {
        loop {
            every.tick().await;
            let sessions: i64 = user.query_one(query, &[]).await.expect("a count").get(0);
            if sessions == 0 {
                return;
            }
        }
    };
    tokio::time::timeout(DEADLINE, gone).await.expect("sessions end");
}

async fn works(postgres: &Postgres, after: &str) {
    let session = session(postgres)
        .await
        .unwrap_or_else(|error| panic!("{after}: {error:?}"));
    assert_eq!(session.role().await.expect(after), Role::Primary, "{after}");
    session.check_read().await.expect(after);
    session.check_write().await.expect(after);
    session.replicas().await.expect(after);
    session.wal().await.expect(after);
    assert!(session.data_bytes().await.expect(after) > 1 << 20, "{after}");
}

#[tokio::test]
async fn settings_of_users_do_not_reach_our_sessions() {
    let Some((postgres, user)) = with_shop("hostile-settings").await else {
        return;
    };
    let settings = [
        "default_transaction_read_only = on",
        "default_transaction_isolation = 'serializable'",
        "default_transaction_deferrable = on",
        "statement_timeout = 1",
        "lock_timeout = 1",
        "idle_in_transaction_session_timeout = 1",
        "search_path = 'nowhere'",
        "client_encoding = 'SQL_ASCII'",
        "role = 'weak'",
        "default_tablespace = ''",
        "bytea_output = 'escape'",
        "extra_float_digits = -15",
        "quote_all_identifiers = on",
        "DateStyle = 'German'",
        "row_security = off",
        "session_replication_role = 'replica'",
        "temp_file_limit = 0",
        "work_mem = '64kB'",
    ];
    let newer = [
        ("idle_session_timeout = 1", true),
        (
            "transaction_timeout = 1",
            postgres.major().is_some_and(Major::has_transaction_timeout),
        ),
    ];
    let newer = newer
        .into_iter()
        .filter(|(_, is_known)| *is_known)
        .map(|(setting, _)| setting);
    user.batch_execute("CREATE ROLE weak").await.expect("a role");
    for setting in settings.into_iter().chain(newer) {
        for scope in [
            "ROLE postgres",
            "DATABASE postgres",
            "ROLE postgres IN DATABASE postgres",
            "ROLE ALL",
        ] {
            let name = setting.split_once(' ').expect("a setting").0;
            let changed = user.batch_execute(&format!("ALTER {scope} SET {setting}")).await;
            // Some settings have fewer scopes.
            if changed.is_err() {
                continue;
            }
            works(&postgres, &format!("ALTER {scope} SET {setting}")).await;
            let back = format!("ALTER {scope} RESET {name}");
            user.batch_execute(&back).await.expect("the old setting");
        }
    }
}

/// A table, its triggers and its owner's code are of no use to the check, and it leaves nothing behind.
#[tokio::test]
async fn the_write_check_needs_nothing_of_the_users_and_leaves_nothing() {
    let Some((postgres, user)) = with_shop("hostile-schema").await else {
        return;
    };
    let owner = client(&postgres, "postgres").await;
    owner
        .batch_execute(
            "CREATE ROLE mallory; CREATE TABLE public.kubedb_write_check (id int PRIMARY KEY, written_at timestamptz);
             ALTER TABLE public.kubedb_write_check OWNER TO mallory;
             CREATE FUNCTION public.pg_logical_emit_message(boolean, text, text) RETURNS pg_lsn LANGUAGE sql
                 AS $$ SELECT 1/0; SELECT NULL::pg_lsn $$",
        )
        .await
        .expect("objects of the user's");
    works(&postgres, "a table and a function of others").await;
    let statement = "DROP SCHEMA public CASCADE";
    owner
        .batch_execute(statement)
        .await
        .expect("a database without public");
    works(&postgres, "DROP SCHEMA public").await;
    let tables = "SELECT count(*) FROM pg_class WHERE relname = 'kubedb_write_check'";
    drop(user);
    let left: i64 = owner.query_one(tables, &[]).await.expect("a count").get(0);
    assert_eq!(left, 0);
}

#[tokio::test]
async fn the_database_postgres_may_be_closed_or_gone() {
    let Some((postgres, user)) = with_shop("hostile-database").await else {
        return;
    };
    for (after, statement) in [
        (
            "no connections",
            "ALTER DATABASE postgres WITH ALLOW_CONNECTIONS false",
        ),
        (
            "a limit",
            "ALTER DATABASE postgres WITH ALLOW_CONNECTIONS true CONNECTION LIMIT 0",
        ),
        ("no right", "REVOKE CONNECT ON DATABASE postgres FROM PUBLIC"),
        ("another name", "ALTER DATABASE postgres RENAME TO application"),
        ("dropped", "DROP DATABASE application"),
    ] {
        nobody_in_postgres(&user).await;
        user.batch_execute(statement).await.expect(statement);
        works(&postgres, after).await;
    }
    user.batch_execute("ALTER DATABASE template1 WITH ALLOW_CONNECTIONS false")
        .await
        .expect("a closed template");
    let closed = session(&postgres).await.unwrap_err();
    assert!(closed.is_about_access(), "{closed:?}");
    let said = closed.to_string();
    assert!(
        said.contains("\"postgres\"") && said.contains("\"template1\""),
        "{said}"
    );
}

/// Every refusal that is about the session in particular is told apart from a server that does not serve.
#[tokio::test]
async fn a_refused_session_says_nothing_about_the_server() {
    let Some((postgres, user)) = with_shop("hostile-access").await else {
        return;
    };
    for (statement, back) in [
        (
            "ALTER ROLE postgres PASSWORD 'another'",
            format!("ALTER ROLE postgres PASSWORD '{PASSWORD}'"),
        ),
        (
            "ALTER ROLE postgres NOLOGIN",
            "ALTER ROLE postgres LOGIN".to_owned(),
        ),
        (
            "ALTER ROLE postgres VALID UNTIL '2020-01-01'",
            "ALTER ROLE postgres VALID UNTIL 'infinity'".to_owned(),
        ),
        (
            "ALTER ROLE postgres SET session_preload_libraries = 'missing'",
            "ALTER ROLE postgres RESET session_preload_libraries".to_owned(),
        ),
    ] {
        user.batch_execute(statement).await.expect(statement);
        let refused = session(&postgres).await.expect_err(statement);
        assert!(refused.is_about_access(), "{statement}: {refused:?}");
        user.batch_execute(&back).await.expect("the way back");
        works(&postgres, &back).await;
    }
    let mut taken = Vec::new();
    let full = loop {
        match session(&postgres).await {
            Ok(session) => taken.push(session),
            Err(full) => break full,
        }
    };
    assert!(
        matches!(full, SqlError::TooMany(_)) && full.is_about_access(),
        "{full:?}"
    );
    drop(postgres);
}

#[tokio::test]
async fn a_trigger_of_the_users_does_not_run_when_we_log_in() {
    let Some((postgres, _)) = with_shop("hostile-trigger").await else {
        return;
    };
    if !postgres.major().is_some_and(Major::has_login_triggers) {
        eprintln!("SKIPPED hostile-trigger: login triggers begin with PostgreSQL 17");
        return;
    }
    let owner = client(&postgres, "postgres").await;
    owner
        .batch_execute(
            "CREATE FUNCTION public.f() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no'; END $$;
             CREATE EVENT TRIGGER t ON login EXECUTE FUNCTION public.f(); ALTER EVENT TRIGGER t ENABLE ALWAYS",
        )
        .await
        .expect("a trigger");
    works(&postgres, "a login trigger").await;
}

/// A role that is no superuser any more gets in, and is told what it may not do.
#[tokio::test]
async fn a_role_without_rights_gets_in() {
    let Some((postgres, user)) = with_shop("hostile-role").await else {
        return;
    };
    user.batch_execute(&format!("CREATE ROLE demoted LOGIN PASSWORD '{PASSWORD}'"))
        .await
        .expect("a role");
    let login = Login {
        user: "demoted".to_owned(),
        ..login(&postgres)
    };
    let session = Session::connect("127.0.0.1", postgres.port, &login, DEADLINE)
        .await
        .expect("a session");
    assert_eq!(session.role().await.expect("a role"), Role::Primary);
    let refused = session.wal().await.expect_err("no right");
    assert!(refused.is_about_access(), "{refused:?}");
}
