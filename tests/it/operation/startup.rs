//! Startup and shutdown of the program: errors for invalid settings, the files it creates and their
//! modes, and how it stops on request.

use crate::support::binary::{Ended, Sandbox, wait_for};
use crate::support::hub_process::{Person, close_code};
use crate::support::temp_database::Scratch;
use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection, QueryableByName, RunQueryDsl};
use futures_util::StreamExt;
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};
use tokio_tungstenite::tungstenite::Message;

/// Expects one line that describes the error, nothing else, and its exit code.
fn assert_refusal(ended: &Ended, fragments: &[&str]) {
    let Ended { status, stdout, stderr } = ended;
    assert_eq!(status.code(), Some(1), "{stderr}");
    assert_eq!(stdout, "");
    assert!(stderr.starts_with("switchboard: ") && stderr.ends_with('\n'), "{stderr:?}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    for fragment in fragments {
        assert!(stderr.contains(fragment), "no {fragment:?} in {stderr}");
    }
    assert!(!stderr.contains("panicked") && !stderr.contains("hunter2"), "{stderr}");
}

/// Expects the same refusal from the hub itself and from `check`.
pub async fn assert_refused(sandbox: &Sandbox, fragments: &[&str]) {
    let (served, checked) = (sandbox.run(&[]).await, sandbox.run(&["check"]).await);
    assert_refusal(&served, fragments);
    assert_refusal(&checked, fragments);
    assert_eq!(served.stderr, checked.stderr);
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[tokio::test]
async fn a_bad_setting_is_named_with_its_value_and_allowed_values() {
    for (name, value, allowed) in [
        ("BIND", "somewhere", "127.0.0.1:8080"),
        ("PUBLIC_URL", "chat.example.org", "https://"),
        ("ALLOWED_ORIGINS", "*", "exact origins"),
        ("TRUSTED_PROXIES", "10.0.0.0/33", ""),
        ("WORKERS", "0", "256"),
        ("SHUTDOWN_GRACE", "10", "5m"),
        ("DATABASE_URL", "sqlite://:memory:", "in memory"),
        ("DATABASE_POOL", "-1", "256"),
        ("REGISTRATION", "maybe", "closed"),
        ("LOGIN_LIFETIME", "1s", "400d"),
        ("MESSAGE_POLICY", "friends", "contacts"),
        ("MAX_MESSAGE_CHARS", "many", "100000"),
        ("MAX_FRAME_BYTES", "4096", "MAX_MESSAGE_CHARS"),
        ("MESSAGE_RATE", "0", "1000000"),
        ("HEARTBEAT_TIMEOUT", "15s", "HEARTBEAT_INTERVAL"),
        ("TYPING_TIMEOUT", "3 s", "1m"),
        ("RUST_LOG", "switchboard=loud", ""),
        ("OUTBOX_AGE", "1ms", "10m"),
        ("JWT_ISSUER", "https://id.example.org", "set JWT_PUBLIC_KEY_FILE and JWT_AUDIENCE too"),
    ] {
        let sandbox = Sandbox::new().with("RUST_BACKTRACE", "1").with(name, value);
        assert_refused(&sandbox, &[name, value, allowed]).await;
        assert!(!sandbox.path("data").exists(), "{name}={value} is refused before anything is made");
    }
}

#[tokio::test]
async fn au_6_a_bad_secret_is_named_without_its_value() {
    for (name, value, allowed) in [
        ("JWT_SECRET", "hunter2", "32 random bytes"),
        ("JWT_SECRET_PREVIOUS", "hunter2", "32 random bytes"),
        ("METRICS_TOKEN", "hunter2", "32 random bytes"),
        ("REDIS_URL", "redis://:hunter2@127.0.0.1/", "one node"),
        ("DATABASE_URL", "mysql://app:hunter2@db/chat", "sqlite://PATH or postgres://"),
    ] {
        assert_refused(&Sandbox::new().with(name, value), &[name, allowed]).await;
    }
}

/// The host is too long for a name, so that no resolver has to be asked.
const NO_HOST: &str = "no-such-host-as-one-with-a-name-that-is-longer-than-the-63-letters-allowed";

#[tokio::test]
async fn a_database_that_cannot_be_opened_is_named_with_the_reason() {
    for (url, fragments) in [
        ("sqlite://missing/chat.db", ["missing/chat.db", "No such file or directory"]),
        ("sqlite://folder", ["folder", "is a directory"]),
        ("sqlite://text.db", ["text.db", "not a database"]),
        ("postgres://app:hunter2@127.0.0.1:1/chat", ["Postgres", "refused"]),
        (&format!("postgres://app:hunter2@{NO_HOST}/chat"), ["Postgres", NO_HOST]),
    ] {
        let sandbox = Sandbox::new().with("DATABASE_URL", url).with("RUST_BACKTRACE", "1");
        fs::create_dir(sandbox.path("folder")).unwrap();
        fs::write(sandbox.path("text.db"), "this is no database, whatever its name says".repeat(50)).unwrap();
        assert_refused(&sandbox, &fragments).await;
        assert_refused(&sandbox, &["DATABASE_URL"]).await;
    }
}

#[tokio::test]
async fn an_unusable_key_is_named_with_its_setting() {
    let sandbox = Sandbox::new();
    fs::create_dir(sandbox.path("data")).unwrap();
    fs::write(sandbox.path("data/jwt.key"), "short").unwrap();
    assert_refusal(&sandbox.run(&[]).await, &["DATA_DIR", "data/jwt.key", "shorter than 32 bytes"]);
    let sandbox =
        Sandbox::new().with("JWT_PUBLIC_KEY_FILE", "none.pem").with("JWT_ISSUER", "id").with("JWT_AUDIENCE", "me");
    assert_refused(&sandbox, &["JWT_PUBLIC_KEY_FILE", "none.pem"]).await;
}

#[tokio::test]
async fn a_missing_postgres_database_is_named() {
    let scratch = Scratch::postgres();
    let sandbox = Sandbox::new().with("DATABASE_URL", format!("{}_not", scratch.url));
    assert_refused(&sandbox, &["DATABASE_URL", "_not", "does not exist"]).await;
}

#[tokio::test]
async fn a_data_directory_that_cannot_be_created_is_named() {
    let sandbox = Sandbox::new().with("DATA_DIR", "file/data");
    fs::write(sandbox.path("file"), "").unwrap();
    assert_refused(&sandbox, &["DATA_DIR", "file/data"]).await;
}

#[tokio::test]
async fn a_port_in_use_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let ended = Sandbox::new().with("BIND", &address).with("RUST_BACKTRACE", "1").run(&[]).await;
    assert_refusal(&ended, &["BIND", &address, "in use"]);
}

#[tokio::test]
async fn check_reports_whether_settings_and_database_are_valid() {
    for scratch in [Scratch::sqlite(), Scratch::postgres()] {
        let Ended { status, stdout, stderr } = Sandbox::new().with("DATABASE_URL", &scratch.url).run(&["check"]).await;
        assert_eq!((status.code(), stderr.as_str()), (Some(0), ""));
        assert_eq!(stdout.lines().count(), 1, "{stdout}");
    }
}

#[tokio::test]
async fn help_and_version_ignore_bad_settings_and_write_nothing() {
    let sandbox = Sandbox::new().with("BIND", "somewhere").with("DATABASE_URL", "mysql://db/chat");
    for (argument, fragment) in [("--help", "check"), ("--version", env!("CARGO_PKG_VERSION"))] {
        let Ended { status, stdout, stderr } = sandbox.run(&[argument]).await;
        assert_eq!((status.code(), stderr.as_str()), (Some(0), ""), "{argument}");
        assert!(stdout.contains(fragment), "{stdout}");
    }
    assert!(!sandbox.path("data").exists());
}

#[tokio::test]
async fn a_stopped_hub_closes_sockets_with_1012_and_exits_cleanly() {
    for signal in ["TERM", "INT"] {
        let sandbox = Sandbox::new();
        let mut hub = sandbox.start(&["serve"]);
        let address = hub.address().await;
        let (ann, bob) = (Person::register(&address, "ann").await, Person::register(&address, "bob").await);
        let mut sockets = Vec::new();
        for person in [&ann, &ann, &bob] {
            let mut socket = person.connect(&address).await.unwrap();
            assert!(matches!(socket.next().await, Some(Ok(Message::Text(welcome))) if welcome.contains("welcome")));
            sockets.push(socket);
        }
        // A silent connection must not delay the shutdown.
        let _silent = TcpStream::connect(&address).unwrap();
        let asked_at = Instant::now();
        hub.signal(signal);
        for socket in sockets {
            assert_eq!(close_code(socket).await, Some(1012), "{signal}");
        }
        let Ended { status, stdout, stderr } = hub.ended().await;
        assert_eq!(status.code(), Some(0), "{signal}: {stderr}");
        assert!(asked_at.elapsed() < Duration::from_secs(10), "{signal}: within SHUTDOWN_GRACE");
        assert_eq!(stdout.lines().count(), 1, "{stdout}");
        assert!(!stderr.contains("ERROR") && !stderr.contains("panicked"), "{stderr}");
        let left: Vec<_> = fs::read_dir(sandbox.path("data")).unwrap().map(|file| file.unwrap().file_name()).collect();
        // The files: the database, its lock, the key of access tokens, and two for noticing a
        // restored backup.
        assert_eq!(left.len(), 5, "the write-ahead log is written back, so the database is one file: {left:?}");
    }
}

#[tokio::test]
async fn a_broken_connection_is_not_logged_as_invalid_text() {
    let sandbox = Sandbox::new();
    let mut hub = sandbox.start(&[]);
    let address = hub.address().await;
    let mut socket = Person::register(&address, "ann").await.connect(&address).await.unwrap();
    assert!(matches!(socket.next().await, Some(Ok(Message::Text(_)))));
    drop(socket);
    let closed = wait_for("the line of the closed socket", async || {
        hub.log().lines().find(|line| line.contains("socket closed")).map(str::to_owned)
    });
    let closed = closed.await;
    assert!(closed.contains("code=1006") || closed.contains("code=none"), "{closed}");
}

#[tokio::test]
async fn stored_files_are_readable_only_by_their_owner() {
    let sandbox = Sandbox::new().with("DATA_DIR", "deep/data");
    let mut hub = sandbox.start(&[]);
    Person::register(&hub.address().await, "ann").await;
    assert_eq!(mode(&sandbox.path("deep/data")), 0o700);
    for file in [
        "switchboard.db",
        "switchboard.db-wal",
        "switchboard.db-shm",
        "switchboard.db.lock",
        "jwt.key",
        "history",
        "history.seal",
    ] {
        assert_eq!(mode(&sandbox.path("deep/data").join(file)), 0o600, "{file}");
    }
}

#[tokio::test]
async fn the_access_token_key_is_created_once_unless_configured() {
    let sandbox = Sandbox::new();
    let mut keys = Vec::new();
    for _ in 0..2 {
        let mut hub = sandbox.start(&[]);
        hub.address().await;
        keys.push(fs::read(sandbox.path("data/jwt.key")).unwrap());
    }
    assert!(keys[0] == keys[1] && keys[0].len() >= 32);

    let sandbox = Sandbox::new().with("JWT_SECRET", "Zk3vT9qLw1xR7bNs5mYc8hJd2fGp4aUe");
    sandbox.start(&[]).address().await;
    assert!(!sandbox.path("data/jwt.key").exists());
}

#[tokio::test]
async fn a_postgres_that_may_lose_messages_causes_a_warning() {
    #[derive(QueryableByName)]
    struct Setting {
        #[diesel(sql_type = diesel::sql_types::Text)]
        fsync: String,
    }
    let scratch = Scratch::postgres();
    let sandbox = Sandbox::new().with("DATABASE_URL", &scratch.url);
    let log_of_a_start = async || {
        let mut hub = sandbox.start(&[]);
        hub.address().await;
        hub.log()
    };
    let warning = |name: &str| format!("Postgres runs with {name} off: a crash can lose acknowledged messages");
    let mut conn = PgConnection::establish(&scratch.url).unwrap();
    let Setting { fsync } = diesel::sql_query("SHOW fsync").get_result(&mut conn).unwrap();

    let log = log_of_a_start().await;
    assert_eq!(log.contains(&warning("fsync")), fsync == "off", "fsync is {fsync}: {log}");
    assert!(!log.contains(&warning("synchronous_commit")), "{log}");

    let name = scratch.url.rsplit('/').next().unwrap();
    conn.batch_execute(&format!("ALTER DATABASE {name} SET synchronous_commit = off")).unwrap();
    let log = log_of_a_start().await;
    assert!(log.lines().any(|line| line.contains("WARN") && line.contains(&warning("synchronous_commit"))), "{log}");
}

#[tokio::test]
async fn environment_variables_override_dot_env() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.path(".env"), "# mine\nREGISTRATION=maybe\n").unwrap();
    assert_refused(&sandbox, &[".env, line 2: REGISTRATION", "maybe"]).await;
    let sandbox = sandbox.with("REGISTRATION", "closed");
    assert_eq!(sandbox.run(&["check"]).await.status.code(), Some(0));
}

#[tokio::test]
async fn an_unreadable_dot_env_is_refused_without_showing_it() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.path(".env"), "REGISTRATION=open\nJWT_SECRET=hunter2 and more\n").unwrap();
    assert_refused(&sandbox, &[".env, line 2: "]).await;
    fs::remove_file(sandbox.path(".env")).unwrap();
    fs::create_dir(sandbox.path(".env")).unwrap();
    assert_refused(&sandbox, &[".env"]).await;
}

#[tokio::test]
async fn an_invalid_dot_env_line_prevents_the_start() {
    for (text, refusal) in [
        ("REGISTRATON=closed\n", ".env, line 1: REGISTRATON is not a setting; did you mean REGISTRATION?"),
        ("\nregistration=closed\n", ".env, line 2: registration is not a setting; did you mean REGISTRATION?"),
        ("REGISTRATION=closed\n# or\nREGISTRATION=open\n", ".env, line 3: REGISTRATION is set on line 1 already"),
        ("DATABASE_URL=postgres://app:hunter2$x@db/chat\n", ".env, line 1: expected NAME=value"),
        ("BIND=127.0.0.1:0\nMAX_MESSAGE_CHARS=many\n", ".env, line 2: MAX_MESSAGE_CHARS=\"many\""),
    ] {
        let sandbox = Sandbox::new();
        fs::write(sandbox.path(".env"), text).unwrap();
        assert_refused(&sandbox, &[refusal]).await;
    }
}

#[tokio::test]
async fn a_misspelled_environment_variable_causes_a_warning() {
    let sandbox = Sandbox::new().with("REGISTRATON", "closed").with("bind", "0.0.0.0:1").with("PATH", "/bin");
    let warnings =
        ["REGISTRATON is not a setting; did you mean REGISTRATION?", "bind is not a setting; did you mean BIND?"];
    let checked = sandbox.run(&["check"]).await;
    assert_eq!((checked.status.code(), checked.stdout.lines().count()), (Some(0), 3), "{}", checked.stdout);
    let mut hub = sandbox.start(&[]);
    hub.address().await;
    for warning in warnings {
        assert!(checked.stdout.contains(warning), "{}", checked.stdout);
        assert!(hub.log().lines().any(|line| line.contains("WARN") && line.contains(warning)), "{}", hub.log());
    }
}

#[tokio::test]
async fn a_dot_env_of_a_parent_directory_is_ignored() {
    let sandbox = Sandbox::new().inside("hub");
    fs::write(sandbox.path("../.env"), "REGISTRATION=maybe\n").unwrap();
    assert_eq!(sandbox.run(&["check"]).await.status.code(), Some(0));
}
