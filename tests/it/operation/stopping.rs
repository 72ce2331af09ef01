//! A hub that stops finishes what it began.

use crate::support::binary::{Sandbox, wait_for};
use crate::support::hub_process::Person;

#[tokio::test]
async fn a_stopping_hub_records_users_within_the_presence_grace() {
    let sandbox = Sandbox::new().with("PRESENCE_GRACE", "5m");
    let mut hub = sandbox.start(&[]);
    let address = hub.address().await;
    let ann = Person::register(&address, "ann").await;
    // Without a close frame; the user counts as online for the grace.
    drop(ann.connect(&address).await.unwrap());
    wait_for("the end of the connection", async || hub.log().contains("socket closed").then_some(())).await;
    hub.signal("TERM");
    let ended = hub.ended().await;
    assert!(ended.status.success(), "{}", ended.stderr);
    assert!(ended.stderr.contains("draining"), "{}", ended.stderr);
    assert!(!ended.stderr.contains("were not stored"), "{}", ended.stderr);
}
