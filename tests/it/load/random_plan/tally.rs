//! The totals of a run of plans.

use super::ledger::DraftState;
use super::world::World;
use std::fmt;

#[derive(Clone, Copy, Default)]
pub struct Tally {
    steps: u64,
    sends: u64,
    refused: u64,
    reopened: u64,
    reopened_but_stored: u64,
    repeated: u64,
    kills: u64,
    restarts: u64,
    backups_put_back: u64,
    failed_commits: u64,
    changes: u64,
    refused_changes: u64,
    regroupings: u64,
    refused_regroupings: u64,
    connects: u64,
    syncs: u64,
    arrived: u64,
    lost: u64,
    doubled: u64,
    late: u64,
}

impl Tally {
    pub fn of(world: &World, steps: usize) -> Self {
        let mut tally = Self {
            steps: steps as u64,
            sends: world.ledger.drafts.iter().filter(|draft| draft.attempts > 0).count() as u64,
            refused: world
                .ledger
                .drafts
                .iter()
                .filter(|draft| matches!(draft.state, DraftState::Refused(_) | DraftState::Withheld))
                .count() as u64,
            reopened: world.ledger.counts.reopened,
            reopened_but_stored: world.ledger.counts.reopened_but_stored,
            repeated: world.ledger.counts.repeated,
            kills: world.counts.kills,
            restarts: world.counts.restarts,
            backups_put_back: world.counts.backups_put_back,
            failed_commits: world.counts.failed_commits,
            changes: world.counts.changes,
            refused_changes: world.counts.refused_changes,
            regroupings: world.counts.regroupings,
            refused_regroupings: world.counts.refused_regroupings,
            ..Self::default()
        };
        for counts in world.devices.iter().map(|device| device.counts) {
            tally.connects += counts.connects;
            tally.syncs += counts.syncs;
            tally.arrived += counts.arrived;
            tally.lost += counts.lost;
            tally.doubled += counts.doubled;
            tally.late += counts.late;
        }
        tally
    }

    pub fn add(&mut self, other: &Self) {
        for (sum, more) in [
            (&mut self.steps, other.steps),
            (&mut self.sends, other.sends),
            (&mut self.refused, other.refused),
            (&mut self.reopened, other.reopened),
            (&mut self.reopened_but_stored, other.reopened_but_stored),
            (&mut self.repeated, other.repeated),
            (&mut self.kills, other.kills),
            (&mut self.restarts, other.restarts),
            (&mut self.backups_put_back, other.backups_put_back),
            (&mut self.failed_commits, other.failed_commits),
            (&mut self.changes, other.changes),
            (&mut self.refused_changes, other.refused_changes),
            (&mut self.regroupings, other.regroupings),
            (&mut self.refused_regroupings, other.refused_regroupings),
            (&mut self.connects, other.connects),
            (&mut self.syncs, other.syncs),
            (&mut self.arrived, other.arrived),
            (&mut self.lost, other.lost),
            (&mut self.doubled, other.doubled),
            (&mut self.late, other.late),
        ] {
            *sum += more;
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { steps, sends, refused, kills, restarts, backups_put_back, failed_commits, connects, syncs, .. } =
            self;
        let Self {
            reopened,
            reopened_but_stored,
            repeated,
            changes,
            refused_changes,
            regroupings,
            refused_regroupings,
            arrived,
            lost,
            doubled,
            late,
            ..
        } = self;
        write!(
            f,
            "{steps} steps, {kills} kills, {restarts} restarts, {backups_put_back} backups put back, {failed_commits} failed commits; {sends} sends, \
             {refused} refused, {reopened} repeated for want of an answer ({reopened_but_stored} were stored), \
             {repeated} repeated after it; {changes} changes, {refused_changes} refused; {regroupings} of groups, \
             {refused_regroupings} refused; {connects} connects, {syncs} syncs, {arrived} frames arrived, \
             {lost} lost, {doubled} doubled, {late} late"
        )
    }
}
