//! A client that vanishes: it runs in a network namespace of its own, which is taken down.

use super::peers::handshake;
use crate::support::hub_process::Person;
use std::process::{Child, Command, Stdio};

/// A network namespace for one client; none where that is not allowed.
pub struct Elsewhere {
    name: String,
}

impl Elsewhere {
    const HUB: &str = "10.213.77.1";

    pub fn create() -> Option<Self> {
        let name = format!("sb{}", std::process::id() % 100_000);
        let elsewhere = Self { name: name.clone() };
        let made = [
            format!("netns add {name}"),
            format!("link add {name}a type veth peer name {name}b netns {name}"),
            format!("addr add {}/30 dev {name}a", Self::HUB),
            format!("link set {name}a up"),
            format!("-n {name} addr add 10.213.77.2/30 dev {name}b"),
            format!("-n {name} link set {name}b up"),
        ];
        made.iter().all(|command| ip(command)).then_some(elsewhere)
    }

    /// From now on all packets from there and to there are dropped.
    pub fn vanish(&self) {
        assert!(ip(&format!("-n {0} link set {0}b down", self.name)));
    }
}

impl Drop for Elsewhere {
    fn drop(&mut self) {
        ip(&format!("link del {}a", self.name));
        ip(&format!("netns del {}", self.name));
    }
}

fn ip(arguments: &str) -> bool {
    let done = Command::new("ip").args(arguments.split(' ')).output();
    done.is_ok_and(|output| output.status.success())
}

/// A client in a network namespace of its own, after its welcome.
pub async fn away(elsewhere: &Elsewhere, address: &str, port: &str, person: &Person) -> Child {
    let script = format!(
        "exec 3<>/dev/tcp/{}/{port} && printf '{}' >&3 && exec cat <&3",
        Elsewhere::HUB,
        handshake(address, person).replace("\r\n", "\\r\\n")
    );
    let child = Command::new("ip")
        .args(["netns", "exec", &elsewhere.name, "bash", "-c", &script])
        .stdout(Stdio::piped())
        .spawn();
    let mut child = child.unwrap();
    let mut stdout = child.stdout.take().unwrap();
    let welcomed = tokio::task::spawn_blocking(move || {
        let (mut read, mut piece) = (Vec::new(), [0; 4096]);
        while !String::from_utf8_lossy(&read).contains("presence_state") {
            let count = std::io::Read::read(&mut stdout, &mut piece).unwrap();
            assert!(count > 0, "{}", String::from_utf8_lossy(&read));
            read.extend_from_slice(&piece[..count]);
        }
        stdout
    });
    child.stdout = Some(welcomed.await.unwrap());
    child
}
