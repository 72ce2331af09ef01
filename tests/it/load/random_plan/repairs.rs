//! A lost live frame is recovered in each of three ways: by the next frame of its conversation, by
//! `resync`, and by the next connect.

use super::ledger::To;
use super::properties;
use super::world::World;
use crate::support::temp_database::Scratch;

/// Devices of three users.
const ANN: usize = 0;
const BOB: usize = 3;
const CAT: usize = 6;

#[tokio::test]
async fn a_lost_frame_is_recovered_in_three_ways_on_sqlite() {
    in_each_of_three_ways(Scratch::sqlite()).await;
}

#[tokio::test]
async fn a_lost_frame_is_recovered_in_three_ways_on_postgres() {
    in_each_of_three_ways(Scratch::postgres()).await;
}

async fn in_each_of_three_ways(database: Scratch) {
    let mut world = World::begin(database).await;
    for at in [ANN, BOB, CAT] {
        world.devices[at].connect().await;
    }
    world.ann_writes_to_bob().await;
    world.bob_hears().await;
    world.assert_complete();

    world.lose_frames().await;
    world.ann_writes_to_bob().await;
    world.people[1].adds_contact(&world.people[0]).await;
    world.bob_hears().await;
    world.assert_complete();

    // SQLite answers every COMMIT.
    if world.tables.may_leave_commits_unknown() {
        world.lose_frames().await;
        world.send_and_lose_the_answer(CAT).await;
        world.devices[BOB].wait_for("system").await;
        world.bob_hears().await;
        world.assert_complete();
    }

    world.lose_frames().await;
    world.disconnect(BOB, false).await;
    world.devices[BOB].connect().await;
    world.bob_hears().await;
    world.assert_complete();
    world.end().await;
}

impl World {
    async fn ann_writes_to_bob(&mut self) {
        let number = self.ledger.compose(self.people[0].id, To::Person(self.people[1].id));
        self.send(ANN, number, true).await;
    }

    async fn bob_hears(&mut self) {
        self.devices[BOB].settle(&mut self.order).await;
    }

    fn assert_complete(&mut self) {
        properties::a_reconnected_device_misses_nothing(&self.devices[BOB], &self.tables.look());
    }

    /// A message and a private change of Bob's that do not reach him, and that he does not learn of
    /// by himself.
    async fn lose_frames(&mut self) {
        let before = self.devices[BOB].model.clone();
        self.ann_writes_to_bob().await;
        self.people[1].removes_contact(&self.people[0]).await;
        self.people[1].adds_contact(&self.people[2]).await;
        self.people[1].removes_contact(&self.people[2]).await;
        self.devices[BOB].lose_frames(&mut self.order).await;
        self.bob_hears().await;
        assert_eq!(self.devices[BOB].model, before);
    }
}
