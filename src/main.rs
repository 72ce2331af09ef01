//! The command line: reads the settings, starts logging and runs the hub.

use clap::{Parser, Subcommand};
use env_logger::{Target, WriteStyle};
use log::LevelFilter;
use mimalloc::MiMalloc;
use std::backtrace::{Backtrace, BacktraceStatus};
use std::future::Future;
use std::io::{ErrorKind, IsTerminal, Write};
use std::net::TcpListener;
use std::process::ExitCode;
use std::time::Duration;
use switchboard::app::{self, App};
use switchboard::clock::Clock;
use switchboard::config::{Config, PublicUrl};
use switchboard::logging::LogWriter;
use switchboard::store::accounts::users::Appointed;
use tokio::signal::unix::{SignalKind, signal};

/// Takes less time than the C library's allocator, which took a tenth of the time of a message. It
/// uses no huge pages, because they would hold memory of sockets that are gone.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// A private-messaging hub for your web application.
///
/// Settings are read from the environment and from `.env` in the working
/// directory; `.env.example` lists them.
#[derive(Parser)]
#[command(name = "switchboard", version)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Run the hub (the default).
    Serve,
    /// Check the settings and the database connection, and report the first problem.
    Check,
    /// Record that a backup of the database was restored, so that every client reloads everything.
    /// A hub notices a restore by itself unless its data directory is new or was restored by a
    /// file-system snapshot.
    Restored,
    /// Manage administrators and passwords.
    #[command(subcommand)]
    User(UserCommand),
}

#[derive(Subcommand)]
enum UserCommand {
    /// Make a user an administrator. The hub may be running.
    Promote {
        /// The username.
        name: String,
    },
    /// Remove a user's administrator rights. The hub may be running.
    Demote {
        /// The username.
        name: String,
    },
    /// Set a user's password and sign the user out everywhere. The hub may be running.
    ///
    /// Asks twice on a terminal; otherwise reads one line of standard input.
    Password {
        /// The username.
        name: String,
    },
}

/// Time to write the last log lines when the process ends.
const LOG_PATIENCE: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let mut log = match LogWriter::start() {
        Ok(log) => log,
        // Without a standard error there is no place to report the reason.
        Err(_) => return ExitCode::FAILURE,
    };
    let outcome = settings().and_then(|config| match arguments.command {
        None | Some(Command::Serve) => serve(config, &log),
        Some(Command::Check) => check(&config),
        Some(Command::Restored) => restored(&config),
        Some(Command::User(UserCommand::Promote { name })) => set_admin(&config, &name, true),
        Some(Command::User(UserCommand::Demote { name })) => set_admin(&config, &name, false),
        Some(Command::User(UserCommand::Password { name })) => set_password(&config, &name),
    });
    // Uses the same path as the log, because standard error may be stuck.
    let code = match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            // Never fails: a line that finds no room is counted.
            let _ = log.write_all(format!("switchboard: {reason}\n").as_bytes());
            ExitCode::FAILURE
        }
    };
    log.finish(LOG_PATIENCE);
    code
}

/// An error of one line that says what is wrong, and where.
type Failure = String;

fn settings() -> Result<Config, Failure> {
    // Only `.env` in the working directory is read: one in a parent directory belongs to another
    // program.
    let dot_env = match std::fs::read_to_string(".env") {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
        Err(error) => return Err(format!("cannot read .env: {error}")),
    };
    Config::load(&dot_env)
}

fn check(config: &Config) -> Result<(), Failure> {
    app::check(config).map_err(|error| error.cause())?;
    for warning in warnings(config) {
        println!("switchboard: {warning}");
    }
    println!("switchboard: OK: settings valid, database reachable");
    Ok(())
}

fn restored(config: &Config) -> Result<(), Failure> {
    app::begin_epoch(config, &Clock::system()).map_err(|error| error.cause())?;
    println!("switchboard: a new epoch begins; every client loads everything again when it connects");
    Ok(())
}

fn set_admin(config: &Config, name: &str, is_admin: bool) -> Result<(), Failure> {
    let is = if is_admin { "is an administrator" } else { "is not an administrator" };
    match app::set_admin(config, name, is_admin).map_err(|error| error.cause())? {
        Appointed::Done => println!("switchboard: {name} {is} now"),
        Appointed::Already => println!("switchboard: {name} {is} (nothing changed)"),
        Appointed::NotFound => return Err(format!("no user has the username {name:?}")),
    }
    Ok(())
}

fn set_password(config: &Config, name: &str) -> Result<(), Failure> {
    let password = app::new_password(name)?;
    match app::set_password(config, name, &password).map_err(|error| error.cause())? {
        Appointed::Done | Appointed::Already => {
            println!("switchboard: {name} has a new password and is signed out everywhere");
            Ok(())
        }
        Appointed::NotFound => Err(format!("no user with a password here has the username {name:?}")),
    }
}

/// Warnings about settings that are allowed but probably unintended.
fn warnings(config: &Config) -> Vec<String> {
    let without_effect = config.without_effect.iter();
    let mut warnings: Vec<String> =
        without_effect.map(|name| format!("{name} is set, but has no effect in this version")).collect();
    let misspelled = config.misspelled.iter();
    warnings.extend(misspelled.map(|(name, meant)| format!("{name} is not a setting; did you mean {meant}?")));
    let is_reachable = !config.http.bind.ip().is_loopback();
    match &config.http.public_url {
        None if is_reachable => {
            warnings
                .push("PUBLIC_URL is empty: the hub serves only loopback names, whatever BIND is; set PUBLIC_URL to the address people use".into());
        }
        Some(url) if !url.is_https() && (is_reachable || !url.is_loopback()) => {
            warnings.push("PUBLIC_URL is plain http: passwords and messages travel unencrypted; use https".into());
        }
        _ => {}
    }
    // The hub speaks no TLS, so an https URL means that there is a proxy.
    let is_https = config.http.public_url.as_ref().is_some_and(PublicUrl::is_https);
    if is_https && config.http.trusted_proxies.is_empty() {
        warnings.push(
            "TRUSTED_PROXIES is empty, but https needs a proxy: every client seems to come from the proxy's address, \
             so one attacker who guesses a password locks the real owner out; set TRUSTED_PROXIES to the proxy's address"
                .into(),
        );
    }
    if config.http.trusted_proxies.iter().any(|network| network.prefix_len() == 0) {
        warnings.push(
            "TRUSTED_PROXIES trusts every address: any client can claim any address; list only the proxies".into(),
        );
    }
    warnings
}

fn serve(config: Config, log: &LogWriter) -> Result<(), Failure> {
    start_logging(&config, log);
    let bind = config.http.bind;
    let warnings = warnings(&config);
    let settings = config.effective().collect::<Vec<_>>().join(" ");
    let app = App::open(config, Clock::system()).map_err(|error| error.cause())?;
    let listener = TcpListener::bind(bind).map_err(|error| format!("BIND: cannot listen on {bind}: {error}"))?;
    let address = listener.local_addr().map_err(|error| format!("BIND: cannot listen on {bind}: {error}"))?;
    // Logged only now: a start that fails reports its reason in one line.
    log::info!("settings {settings}");
    for warning in warnings {
        log::warn!("{warning}");
    }
    actix_web::rt::System::new().block_on(async move {
        let shutdown = asked_to_stop()?;
        // All start-up lines are written before the hub announces that it is ready.
        log.finish(LOG_PATIENCE);
        announce(&format!("http://{address}"));
        app.run(listener, shutdown).await.map_err(|error| error.cause())
    })
}

/// Starts logging through the writer, so that an unread standard error blocks no thread. Panics use
/// the writer too; by default they would go to standard error directly.
fn start_logging(config: &Config, log: &LogWriter) {
    let mut logger = env_logger::Builder::new();
    // The HTTP library logs invalid input from clients as its own errors.
    logger.filter_module("actix_http", LevelFilter::Off).filter_module("actix_server", LevelFilter::Warn);
    let style = if std::io::stderr().is_terminal() { WriteStyle::Always } else { WriteStyle::Never };
    logger.write_style(style).target(Target::Pipe(Box::new(log.clone())));
    logger.parse_filters(&config.log_filter).init();
    std::panic::set_hook(Box::new(|panic| {
        let thread = std::thread::current();
        let text = panic.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
        log::error!("thread {:?} {text}", thread.name().unwrap_or("unnamed"));
        let backtrace = Backtrace::capture();
        if backtrace.status() == BacktraceStatus::Captured {
            log::error!("{backtrace}");
        }
    }));
}

/// Prints the one line on standard output; a closed standard output does not stop the hub.
fn announce(address: &str) {
    let _ = writeln!(std::io::stdout(), "switchboard listening on {address}");
}

/// Completes when SIGTERM or Ctrl-C arrives.
fn asked_to_stop() -> Result<impl Future<Output = ()>, Failure> {
    let failed = |error| format!("cannot listen for signals: {error}");
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}
