//! Random plans: no client misses anything. Users with several devices do random things, alone and
//! in groups that they join and leave. Frames are lost, doubled, late and out of order, connections
//! are lost, the hub is killed and started again, and backups are restored. At rest every client
//! has the state of the database.
//!
//! `plan` has the possible steps; `world`, `sends`, `changes` and `groups` perform them.
//! `properties` and `stays` define what must hold, and `tables` reads the tables directly.
//! `small_hub` is the hub, with small limits. One seed decides every choice of the plan. Effects of
//! the machine, such as how far a message got before the kill, differ each time.
//! `SWITCHBOARD_PLAN_SEED` and `SWITCHBOARD_PLAN_SEEDS` choose the first seed and how many,
//! `SWITCHBOARD_PLAN_STEPS` the length of each plan, and `SWITCHBOARD_PLAN_JOBS` how many run side
//! by side; `scripts/plan` runs the long form.

mod backups;
mod changes;
mod device;
mod doubts;
mod groups;
mod ledger;
mod lives;
mod plan;
mod properties;
mod repairs;
mod rows;
mod sends;
mod small_hub;
mod stays;
mod tables;
mod tally;
mod typing;
mod world;

use super::random::number_in;
use crate::support::temp_database::Scratch;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;
use tally::Tally;
pub use world::port_of;
use world::{DEVICES, World};

/// The defaults of the short form.
const SEEDS: u64 = 3;
const STEPS: u64 = 150;

#[test]
fn every_client_ends_with_what_the_database_has_on_sqlite() {
    run("sqlite", Scratch::sqlite);
}

#[test]
fn every_client_ends_with_what_the_database_has_on_postgres() {
    run("postgres", Scratch::postgres);
}

fn run(name: &'static str, make: fn() -> Scratch) {
    let setting = |name: &str, default: u64| number_in(&format!("SWITCHBOARD_PLAN_{name}")).unwrap_or(default);
    let (first, seeds, steps) = (setting("SEED", 1), setting("SEEDS", SEEDS), setting("STEPS", STEPS));
    let (next, tally, began_at) = (AtomicU64::new(first), Mutex::new(Tally::default()), Instant::now());
    std::thread::scope(|threads| {
        for _ in 0..setting("JOBS", 1) {
            threads.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + seeds {
                        return;
                    }
                    let counts = run_one(name, make(), seed, steps as usize);
                    tally.lock().unwrap().add(&counts);
                }
            });
        }
    });
    let (tally, seconds) = (tally.into_inner().unwrap(), began_at.elapsed().as_secs_f64());
    println!(
        "{name}: seeds {first} to {} of {steps} steps, {DEVICES} devices, {seconds:.0} s; {tally}",
        first + seeds - 1
    );
}

fn run_one(database: &'static str, scratch: Scratch, seed: u64, steps: usize) -> Tally {
    let mut replay = Replay { database, seed, step: 0 };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut world = World::begin(scratch).await;
        for (n, step) in (1..).zip(plan::steps(seed, steps, DEVICES)) {
            replay.step = n;
            world.perform(step).await;
            let rows = world.tables.look();
            let recounts = world.people.iter().map(|user| properties::unread_counts_equal_a_recount(user, &rows));
            futures_util::future::join_all(recounts).await;
        }
        world.end().await;
        Tally::of(&world, steps)
    })
}

/// Prints how to reproduce a plan that fails.
struct Replay {
    database: &'static str,
    seed: u64,
    step: usize,
}

impl Drop for Replay {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let Self { database, seed, step } = self;
            println!(
                "seed {seed} failed after step {step} on {database}; see it again with\n\
                 SWITCHBOARD_PLAN_SEED={seed} SWITCHBOARD_PLAN_SEEDS=1 SWITCHBOARD_PLAN_STEPS={step} \
                 scripts/with-servers cargo test --test it random_plan::every_client_ends -- {database}"
            );
        }
    }
}
