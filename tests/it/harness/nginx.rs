//! A real nginx in front of a hub, with the lines of `deploy/nginx.conf` and with other common
//! configurations.

use super::client::Client;
use super::eventually;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command};
use std::sync::Arc;
use std::sync::atomic::AtomicU16;
use tempfile::TempDir;
use tokio::net::TcpStream;

const DOCUMENTED: &str = include_str!("../../../deploy/nginx.conf");

/// The additional configuration that nginx needs to run in a folder of its own, as the user who
/// runs the test.
const AROUND: [&str; 2] = [
    "daemon off;
     master_process off;
     pid nginx.pid;
     events { worker_connections 256; }
     http {
         access_log off;
         client_body_temp_path body;
         proxy_temp_path proxy;
         fastcgi_temp_path fastcgi;
         uwsgi_temp_path uwsgi;
         scgi_temp_path scgi;",
    "}",
];

pub struct Nginx {
    child: Child,
    dir: TempDir,
    pub port: u16,
}

/// A free port.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl Nginx {
    /// Starts nginx in front of a hub at this port, as documented.
    pub async fn start(hub: u16) -> Self {
        Self::start_with(free_port(), hub, &[]).await
    }

    /// Starts nginx at a port of its own, with some of the documented lines replaced.
    pub async fn start_with(port: u16, hub: u16, changes: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut lines = DOCUMENTED.to_owned();
        let (listen, pass) = (format!("listen 127.0.0.1:{port};"), format!("http://127.0.0.1:{hub};"));
        let to_test = [("listen 443 ssl;", &*listen), ("http://127.0.0.1:8080;", &*pass)];
        for (documented, other) in to_test.iter().chain(changes) {
            assert_eq!(lines.matches(documented).count(), 1, "{documented} is documented");
            lines = lines.replace(documented, other);
        }
        let without_tls = lines.lines().filter(|line| !line.trim_start().starts_with("ssl_"));
        let config: Vec<&str> = [AROUND[0]].into_iter().chain(without_tls).chain([AROUND[1]]).collect();
        fs::write(dir.path().join("nginx.conf"), config.join("\n")).unwrap();
        let mut nginx = Self { child: spawn(dir.path()), dir, port };
        eventually("nginx listens", async || {
            if let Some(status) = nginx.child.try_wait().unwrap() {
                panic!("nginx ended ({status}): {}", fs::read_to_string(nginx.dir.path().join("log")).unwrap());
            }
            TcpStream::connect(("127.0.0.1", port)).await.is_ok()
        })
        .await;
        nginx
    }

    /// A client without an account, which requests this host from nginx.
    pub fn visitor(&self, host: &str) -> Client {
        Client::new(Arc::new(AtomicU16::new(self.port)), None).with("host", host)
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // Both calls fail only when nginx has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(dir: &Path) -> Child {
    let log = File::create(dir.join("log")).unwrap();
    let start = |program: &str| {
        let mut command = Command::new(program);
        command.arg("-p").arg(dir).args(["-c", "nginx.conf", "-e", "stderr"]);
        command.stdout(log.try_clone().unwrap()).stderr(log.try_clone().unwrap()).spawn()
    };
    // Debian installs it where only root's PATH finds it.
    let started = match start("nginx") {
        Err(error) if error.kind() == ErrorKind::NotFound => start("/usr/sbin/nginx"),
        started => started,
    };
    started.unwrap_or_else(|error| panic!("nginx does not start ({error}); run scripts/need nginx"))
}
