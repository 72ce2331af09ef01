//! The order in which waiting writes run. This module is pure.
//!
//! Light jobs share transactions. Light jobs without an owner, such as those of users who log in,
//! wait in a separate queue, and a transaction takes few of them. So a message waits for few of
//! them, however many users log in.
//!
//! Heavy jobs wait separately, in a share for each owner, and run one by one. A heavy job runs when
//! no light job waits, or after [`MAX_BATCHES_BEFORE_HEAVY`] batches of light ones. After each
//! heavy job light ones come first. So heavy jobs neither fill the queue nor delay a light job by
//! more than one job. The heavy jobs of one owner delay those of another by at most one each.
//!
//! Jobs of one class and owner keep their order. A session waits for the answer to each operation,
//! so its own jobs are never in two classes at once.

use crate::ids::UserId;
use crate::store::Cost;
use std::collections::VecDeque;

/// The number of batches of light jobs that a heavy job waits for. A light job that arrives while a
/// batch runs is mostly in the next batch. It then does not wait for a heavy job between the two.
const MAX_BATCHES_BEFORE_HEAVY: usize = 4;

/// The limits on waiting jobs.
#[derive(Clone, Copy, Debug)]
pub struct QueueBounds {
    /// Light jobs of users, and the same number of light jobs without an owner.
    pub light: usize,
    /// Heavy jobs of all owners together.
    pub heavy: usize,
    /// Heavy jobs of one owner.
    pub heavy_each: usize,
    /// Light jobs without an owner in one transaction. They also take at most half of its jobs.
    pub unowned_each_time: usize,
}

/// The limit that a refused job met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    Queue,
    Share,
}

/// The jobs that run next.
#[derive(Debug, PartialEq, Eq)]
pub enum Turn<J> {
    /// These jobs share one transaction.
    Light(Vec<J>),
    /// This job has its own transaction.
    Heavy(J),
}

pub struct WriteQueue<J> {
    bounds: QueueBounds,
    /// Light jobs of users.
    light: VecDeque<J>,
    /// Light jobs without an owner.
    unowned: VecDeque<J>,
    /// Shares in the order of their turns. No share is empty.
    heavy: VecDeque<Share<J>>,
    /// Batches of light jobs since the last heavy job, or since a heavy job began to wait.
    batches_before_heavy: usize,
}

/// The heavy jobs of one owner. The hub itself has no id.
struct Share<J> {
    owner: Option<UserId>,
    jobs: VecDeque<J>,
}

impl<J> WriteQueue<J> {
    pub fn new(bounds: QueueBounds) -> Self {
        let (light, unowned, heavy) = (VecDeque::new(), VecDeque::new(), VecDeque::new());
        Self { bounds, light, unowned, heavy, batches_before_heavy: 0 }
    }

    /// Adds a job, or returns it if there is no room for it.
    pub fn push(&mut self, job: J, cost: Cost, owner: Option<UserId>) -> Result<(), (J, Full)> {
        if cost != Cost::Heavy {
            let most = self.bounds.light;
            let queue = self.light_queue(owner);
            if queue.len() >= most {
                return Err((job, Full::Queue));
            }
            queue.push_back(job);
            return Ok(());
        }
        let waiting: usize = self.heavy.iter().map(|share| share.jobs.len()).sum();
        match self.heavy.iter_mut().find(|share| share.owner == owner) {
            Some(share) if share.jobs.len() >= self.bounds.heavy_each => return Err((job, Full::Share)),
            _ if waiting >= self.bounds.heavy => return Err((job, Full::Queue)),
            Some(share) => share.jobs.push_back(job),
            None => self.heavy.push_back(Share { owner, jobs: VecDeque::from([job]) }),
        }
        Ok(())
    }

    fn light_queue(&mut self, owner: Option<UserId>) -> &mut VecDeque<J> {
        if owner.is_some() { &mut self.light } else { &mut self.unowned }
    }

    /// The next turn, or `None` when no job waits. It has at most `most` light jobs. The few
    /// without an owner come first, so that the time of a transaction is not used up before them.
    pub fn next(&mut self, most: usize) -> Option<Turn<J>> {
        let has_light = !self.light.is_empty() || !self.unowned.is_empty();
        if (!has_light || self.batches_before_heavy >= MAX_BATCHES_BEFORE_HEAVY)
            && let Some(job) = self.next_heavy()
        {
            self.batches_before_heavy = 0;
            return Some(Turn::Heavy(job));
        }
        self.batches_before_heavy = if self.heavy.is_empty() { 0 } else { self.batches_before_heavy + 1 };
        let unowned = self.unowned.len().min(self.bounds.unowned_each_time).min(most.div_ceil(2));
        let owned = self.light.len().min(most - unowned);
        let batch: Vec<J> = self.unowned.drain(..unowned).chain(self.light.drain(..owned)).collect();
        (!batch.is_empty()).then_some(Turn::Light(batch))
    }

    /// Puts back the light jobs for which there was no time, ahead of those that came later.
    pub fn requeue(&mut self, jobs: impl DoubleEndedIterator<Item = (J, Option<UserId>)>) {
        jobs.rev().for_each(|(job, owner)| self.light_queue(owner).push_front(job));
    }

    /// Removes and returns all waiting jobs, in no order.
    pub fn drain(&mut self) -> Vec<J> {
        let heavy = self.heavy.drain(..).flat_map(|share| share.jobs);
        self.light.drain(..).chain(self.unowned.drain(..)).chain(heavy).collect()
    }

    fn next_heavy(&mut self) -> Option<J> {
        let mut share = self.heavy.pop_front()?;
        let job = share.jobs.pop_front();
        if !share.jobs.is_empty() {
            self.heavy.push_back(share);
        }
        job
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: QueueBounds = QueueBounds { light: 4, heavy: 5, heavy_each: 3, unowned_each_time: 16 };

    fn ann() -> Option<UserId> {
        Some(UserId::new(1))
    }

    fn bob() -> Option<UserId> {
        Some(UserId::new(2))
    }

    fn queue(light: &[u32], heavy: &[(u32, Option<UserId>)]) -> WriteQueue<u32> {
        let mut queue = WriteQueue::new(BOUNDS);
        light.iter().for_each(|job| queue.push(*job, Cost::Light, ann()).unwrap());
        heavy.iter().for_each(|(job, owner)| queue.push(*job, Cost::Heavy, *owner).unwrap());
        queue
    }

    fn turns(queue: &mut WriteQueue<u32>, most: usize) -> Vec<Turn<u32>> {
        std::iter::from_fn(|| queue.next(most)).collect()
    }

    #[test]
    fn light_jobs_precede_heavy_ones_and_heavy_ones_run_alone() {
        use Turn::{Heavy, Light};
        let mut queue = queue(&[1, 2, 3], &[(10, ann()), (11, ann()), (12, ann())]);
        assert_eq!(turns(&mut queue, 2), [Light(vec![1, 2]), Light(vec![3]), Heavy(10), Heavy(11), Heavy(12)]);
        assert_eq!(queue.next(2), None);
    }

    #[test]
    fn a_heavy_job_waits_for_four_batches_of_light_ones_at_most() {
        use Turn::{Heavy, Light};
        let bounds = QueueBounds { light: 100, ..BOUNDS };
        let mut queue = WriteQueue::new(bounds);
        (1..=10).for_each(|job| queue.push(job, Cost::Light, ann()).unwrap());
        assert_eq!(queue.next(1), Some(Light(vec![1])), "no heavy job waits yet");
        (11..=13).for_each(|job| queue.push(job, Cost::Heavy, bob()).unwrap());
        for (light, heavy) in [([2, 3, 4, 5], 11), ([6, 7, 8, 9], 12)] {
            assert_eq!(light.map(|_| queue.next(1)), light.map(|job| Some(Light(vec![job]))));
            assert_eq!(queue.next(1), Some(Heavy(heavy)));
        }
        assert_eq!(queue.next(1), Some(Light(vec![10])), "light ones come first after each heavy one");
        assert_eq!(queue.next(1), Some(Heavy(13)));
    }

    #[test]
    fn a_light_job_waits_for_at_most_one_heavy_job() {
        let mut queue = queue(&[], &[(10, ann()), (11, ann())]);
        assert_eq!(queue.next(2), Some(Turn::Heavy(10)));
        queue.push(1, Cost::Light, bob()).unwrap();
        assert_eq!(queue.next(2), Some(Turn::Light(vec![1])), "it came while the first ran");
        assert_eq!(queue.next(2), Some(Turn::Heavy(11)), "and heavy jobs make progress too");
    }

    #[test]
    fn owners_of_heavy_jobs_take_turns() {
        let mut queue = queue(&[], &[(10, ann()), (11, ann()), (12, ann()), (20, bob()), (30, None)]);
        let order: Vec<u32> = turns(&mut queue, 1)
            .into_iter()
            .map(|turn| match turn {
                Turn::Heavy(job) => job,
                Turn::Light(_) => panic!("no light job is waiting"),
            })
            .collect();
        assert_eq!(order, [10, 20, 30, 11, 12]);
    }

    #[test]
    fn each_bound_takes_its_last_job_and_refuses_the_next() {
        let mut queue = queue(&[1, 2, 3, 4], &[(10, ann()), (11, ann()), (12, ann()), (20, bob())]);
        assert_eq!(queue.push(5, Cost::Light, bob()), Err((5, Full::Queue)));
        assert_eq!(queue.push(13, Cost::Heavy, ann()), Err((13, Full::Share)));
        queue.push(21, Cost::Heavy, bob()).expect("the share of another owner has room");
        assert_eq!(queue.push(30, Cost::Heavy, None), Err((30, Full::Queue)), "but all together are bounded");
        queue.next(1);
        queue.push(5, Cost::Light, ann()).expect("one left");
    }

    #[test]
    fn a_batch_takes_only_a_few_jobs_without_an_owner() {
        let bounds = QueueBounds { light: 100, ..BOUNDS };
        let mut queue = WriteQueue::new(bounds);
        (100..200).for_each(|job| queue.push(job, Cost::Light, None).unwrap());
        queue.push(1, Cost::Light, ann()).unwrap();
        let expected: Vec<u32> = (100..116).chain([1]).collect();
        assert_eq!(queue.next(60), Some(Turn::Light(expected)), "and the message with the first of them");
        assert_eq!(queue.push(200, Cost::Admission, None), Ok(()));
        (201..216).for_each(|job| queue.push(job, Cost::Light, None).unwrap());
        assert_eq!(queue.push(216, Cost::Light, None), Err((216, Full::Queue)));
        queue.push(2, Cost::Light, ann()).expect("jobs with an owner have their own bound");
    }

    #[test]
    fn many_user_jobs_leave_room_for_jobs_without_an_owner() {
        let mut queue = queue(&[1, 2, 3, 4], &[]);
        queue.push(100, Cost::Light, None).unwrap();
        assert_eq!(queue.next(2), Some(Turn::Light(vec![100, 1])));
        queue.requeue([(100, None), (1, ann())].into_iter());
        assert_eq!(queue.next(3), Some(Turn::Light(vec![100, 1, 2])), "each is back in its own queue");
    }

    #[test]
    fn requeued_jobs_stay_ahead_of_later_ones() {
        let mut queue = queue(&[1, 2, 3], &[]);
        let Some(Turn::Light(mut batch)) = queue.next(3) else { panic!("they wait") };
        queue.push(4, Cost::Light, ann()).unwrap();
        queue.requeue(batch.split_off(1).into_iter().map(|job| (job, ann())));
        assert_eq!(queue.next(9), Some(Turn::Light(vec![2, 3, 4])));
    }

    #[test]
    fn draining_returns_every_waiting_job() {
        let mut queue = queue(&[1, 2], &[(10, ann()), (20, bob())]);
        let mut all = queue.drain();
        all.sort();
        assert_eq!(all, [1, 2, 10, 20]);
        assert_eq!(queue.next(9), None);
    }
}
