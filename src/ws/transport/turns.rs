//! Schedules the requests that begin, and the connections that end, on a worker. A few of them run,
//! then all other ready tasks, then a few more.
//!
//! A worker runs ready tasks one after another, requests and sockets alike. Without turns, it would
//! decode and answer a burst of hundreds of requests before the next message of a socket. It would
//! also close hundreds of connections together if they went idle together.

use actix_web::rt;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::task::{Context, Waker};

/// The requests that begin, and the connections that end, before all other ready tasks run.
const AT_ONCE: usize = 8;

thread_local! {
    static TURNS: Rc<Turns> = Rc::default();
}

/// The turns of one worker.
#[derive(Default)]
struct Turns {
    /// The requests and ends since the last pause.
    begun: Cell<usize>,
    /// The waiting connections, in the order in which they asked. While there are any,
    /// [`Turns::go_round`] runs.
    waiting: RefCell<VecDeque<Rc<Turn>>>,
    is_going_round: Cell<bool>,
}

/// The turn of one connection, to read or to end.
#[derive(Default)]
pub(super) struct Turn {
    has_come: Cell<bool>,
    /// The waker of a connection that waits.
    waker: RefCell<Option<Waker>>,
}

impl Turn {
    /// Returns whether the connection may continue now. It is woken when it may.
    pub fn has_come(self: &Rc<Self>, context: &Context<'_>) -> bool {
        if self.has_come.replace(false) {
            return true;
        }
        TURNS.with(|turns| {
            let mut waiting = turns.waiting.borrow_mut();
            if waiting.is_empty() && turns.begun.get() < AT_ONCE {
                return true;
            }
            let waits = self.waker.replace(Some(context.waker().clone())).is_some();
            if !waits {
                waiting.push_back(Rc::clone(self));
            }
            false
        })
    }
}

/// Counts a request that was read, a part of one, or a connection that ends.
pub(super) fn count() {
    TURNS.with(|turns| {
        turns.begun.set(turns.begun.get() + 1);
        if !turns.is_going_round.replace(true) {
            rt::spawn(Rc::clone(turns).go_round());
        }
    });
}

impl Turns {
    /// Runs all ready tasks, then some of the waiting connections, and repeats until none are left.
    async fn go_round(self: Rc<Self>) {
        loop {
            tokio::task::yield_now().await;
            self.begun.set(0);
            let next: Vec<_> = {
                let mut waiting = self.waiting.borrow_mut();
                let most = AT_ONCE.min(waiting.len());
                waiting.drain(..most).collect()
            };
            if next.is_empty() {
                self.is_going_round.set(false);
                return;
            }
            for turn in next {
                turn.has_come.set(true);
                if let Some(waker) = turn.waker.take() {
                    waker.wake();
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;
    use std::task::Poll;

    /// Reads one request.
    async fn read(begun: Rc<Cell<usize>>) {
        let turn = Rc::<Turn>::default();
        poll_fn(|context| if turn.has_come(context) { Poll::Ready(()) } else { Poll::Pending }).await;
        count();
        begun.set(begun.get() + 1);
    }

    #[actix_web::test]
    async fn a_burst_of_requests_starts_in_small_groups() {
        let begun = Rc::<Cell<usize>>::default();
        for _ in 0..100 {
            rt::spawn(read(Rc::clone(&begun)));
        }
        let (mut before, mut turns) = (0, 0);
        while begun.get() < 100 {
            tokio::task::yield_now().await;
            assert!(begun.get() - before <= AT_ONCE, "{before} and then {} had begun", begun.get());
            (before, turns) = (begun.get(), turns + 1);
        }
        assert!(turns >= 100 / AT_ONCE, "{turns}");
    }

    #[actix_web::test]
    async fn connections_that_ended_while_waiting_delay_no_others() {
        let begun = Rc::<Cell<usize>>::default();
        let readers: Vec<_> = (0..100).map(|_| rt::spawn(read(Rc::clone(&begun)))).collect();
        tokio::task::yield_now().await;
        let (gone, left): (Vec<_>, Vec<_>) = readers.into_iter().enumerate().partition(|(number, _)| number % 10 != 9);
        gone.iter().for_each(|(_, reader)| reader.abort());
        for (_, reader) in left {
            reader.await.unwrap();
        }
        TURNS.with(|turns| assert!(turns.waiting.borrow().is_empty()));
        rt::spawn(read(Rc::clone(&begun))).await.expect("and the next begins");
    }
}
