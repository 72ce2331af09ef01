//! Dispatcher: runs operations for all callers. Sockets and REST get the same limits, the same
//! transaction, the same order of effects and the same errors.
//!
//! The dispatcher loads no facts itself. It takes an operation and a principal, and runs the
//! operation on a snapshot or in the writer. It hands the effects to the hub, and logs internal
//! errors once.

use crate::auth::Caller;
use crate::clock::Clock;
use crate::error::{Error, Result};
use crate::hub::Hub;
use crate::limits::{Limits, RequestLimits};
use crate::metrics::{Metrics, Operation};
use crate::ops::check_writes::CheckWrites;
use crate::ops::op::{Access, AnyOp, Cx, OpTerms, Outcome, Principal, System};
use crate::policy::Rules;
use crate::store::{Cost, Db, Locks, Probe, ReadPool, ReadTerms, Terms, WriteJob, Writer};
use crate::wire::Effect;
use std::borrow::Cow;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// The deadline of a write. After it the caller is told that the outcome is unknown, and the writer
/// does not begin the write any more. The deadline allows for a database failover. The client may
/// retry safely.
const WRITE_DEADLINE: Duration = Duration::from_secs(10);

/// How long the node is not ready after a write that found no space or a read-only database. A
/// smaller write may succeed in the meantime.
const WRITE_TROUBLE: Duration = Duration::from_secs(10);

/// Runs operations. Cheap to clone.
#[derive(Clone)]
pub struct Dispatcher {
    inner: Arc<Inner>,
}

struct Inner {
    reads: ReadPool,
    probe: Probe,
    writer: Writer<Effect>,
    hub: Hub,
    limits: Limits,
    requests: RequestLimits,
    /// When a write last failed for want of space or a read-only database, and the error text.
    write_trouble: Mutex<Option<(Instant, Cow<'static, str>)>>,
    rules: Arc<Rules>,
    epoch: Arc<str>,
    clock: Clock,
    metrics: Metrics,
}

/// The dependencies of the dispatcher.
pub struct DispatcherParts {
    pub reads: ReadPool,
    pub probe: Probe,
    pub writer: Writer<Effect>,
    pub hub: Hub,
    pub limits: Limits,
    pub requests: RequestLimits,
    pub rules: Rules,
    pub epoch: String,
    pub clock: Clock,
    pub metrics: Metrics,
}

impl Dispatcher {
    pub fn new(parts: DispatcherParts) -> Self {
        let DispatcherParts { reads, probe, writer, hub, limits, requests, rules, epoch, clock, metrics } = parts;
        let (rules, epoch, write_trouble) = (Arc::new(rules), epoch.into(), Mutex::default());
        let inner = Inner { reads, probe, writer, hub, limits, requests, write_trouble, rules, epoch, clock, metrics };
        Self { inner: Arc::new(inner) }
    }

    /// Runs the operation for the principal. Before this returns `Ok`, a write is committed and its
    /// effects are handed to the hub.
    pub async fn call<P: Party, O: AnyOp<P>>(&self, principal: P, op: O) -> Result<O::Output> {
        let terms = op.terms();
        let (name, access, who) = (terms.name, terms.access, principal.into());
        let began_at = Instant::now();
        let outcome = self.run(principal, op, terms).await;
        self.measure(name, access, &outcome, began_at);
        if let Err(error) = &outcome {
            if access == Access::Write && matches!(error, Error::DatabaseFull(_) | Error::DatabaseReadOnly(_)) {
                let trouble = Some((Instant::now(), Cow::Owned(error.detail().into_owned())));
                *self.inner.write_trouble.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
            }
            match error {
                Error::Internal(_) => log::error!("{name} failed: {error} op={name} {who}"),
                Error::DatabaseAway(_)
                | Error::DatabaseBusy(_)
                | Error::DatabaseFull(_)
                | Error::DatabaseReadOnly(_) => log::warn!("{name} failed: {error} op={name} {who}"),
                _ => log::debug!("{name} refused: {error} op={name} {who}"),
            }
        }
        outcome
    }

    fn measure<T>(&self, operation: &'static str, access: Access, outcome: &Result<T>, began_at: Instant) {
        let metrics = &self.inner.metrics;
        let result = outcome.as_ref().map_or_else(|error| error.code().meaning().name, |_| "ok");
        metrics.operations.get_or_create(&Operation { operation, result }).inc();
        let seconds = if access == Access::Read { &metrics.read_seconds } else { &metrics.write_seconds };
        seconds.observe(began_at.elapsed().as_secs_f64());
    }

    async fn run<P: Party, O: AnyOp<P>>(&self, principal: P, op: O, terms: OpTerms) -> Result<O::Output> {
        let owner = principal.into().user_id();
        let within_limits =
            owner.map_or(Ok(()), |user_id| self.inner.limits.take(terms.class, user_id, terms.rate_tokens));
        match (within_limits, terms.access) {
            (Err(refusal), _) if terms.replays => self.replay(principal, op, refusal).await,
            (Err(refusal), _) => Err(refusal),
            (Ok(()), Access::Read) => self.read(principal, op, terms.cost).await,
            (Ok(()), Access::Write) => self.write(principal, op, terms).await,
        }
    }

    /// Answers a retry of an earlier success, even over the rate limit.
    async fn replay<P: Party, O: AnyOp<P>>(&self, principal: P, op: O, refusal: Error) -> Result<O::Output> {
        let env = self.env();
        let terms = ReadTerms { cost: Cost::Light, owner: principal.into().user_id() };
        let replayed = self.inner.reads.read(terms, move |db| op.replay(&principal, &mut env.cx(db))).await?;
        replayed.ok_or(refusal)
    }

    async fn read<P: Party, O: AnyOp<P>>(&self, principal: P, op: O, cost: Cost) -> Result<O::Output> {
        let env = self.env();
        let terms = ReadTerms { cost, owner: principal.into().user_id() };
        let outcome = self.inner.reads.read(terms, move |db| op.run(&principal, &mut env.cx(db))).await?;
        let Outcome { output, effects } = outcome;
        self.inner.hub.deliver(effects).await;
        Ok(output)
    }

    async fn write<P: Party, O: AnyOp<P>>(&self, principal: P, op: O, terms: OpTerms) -> Result<O::Output> {
        let (reply, answer) = oneshot::channel();
        let OpTerms { name, cost, replays, .. } = terms;
        let deadline = Instant::now() + WRITE_DEADLINE;
        let terms = Terms { name, cost, owner: principal.into().user_id(), deadline };
        let locks = op.locks(&principal);
        let write = Write { principal, op, locks, replays, env: self.env(), output: None, reply };
        let wake = self.inner.writer.submit(Box::new(write), terms);
        // The other sockets that are ready come first, so that the writer takes their jobs too.
        tokio::task::yield_now().await;
        drop(wake);
        match tokio::time::timeout_at(deadline.into(), answer).await {
            Ok(Ok(outcome)) => outcome,
            // The hub delivers the answers, and it has stopped.
            Ok(Err(_)) => Err(Error::Unavailable("the hub is stopping: the change may or may not be saved")),
            Err(_) => Err(Error::Unavailable("the database does not answer: the change may or may not be saved")),
        }
    }

    fn env(&self) -> OpEnv {
        OpEnv {
            rules: Arc::clone(&self.inner.rules),
            epoch: Arc::clone(&self.inner.epoch),
            clock: self.inner.clock.clone(),
        }
    }

    /// Counts a request of an authenticated caller.
    ///
    /// # Errors
    /// `RateLimited` when the login has sent too many.
    pub fn count_request(&self, caller: Caller, tokens: NonZeroU32) -> Result<()> {
        self.inner.requests.take_login(caller.user_id, caller.login_id, tokens)
    }

    /// Counts a request from an address, or from a network of addresses.
    ///
    /// # Errors
    /// `RateLimited` when too many came from there.
    pub fn count_request_from(&self, address: IpAddr, tokens: NonZeroU32) -> Result<()> {
        self.inner.requests.take_address(address, tokens)
    }

    /// Drops the rate-limit state of idle users, logins and addresses.
    pub fn sweep_limits(&self) {
        self.inner.limits.sweep();
        self.inner.requests.sweep();
    }

    /// Checks that the database answers. It never waits behind the reads of other callers.
    pub async fn probe(&self) -> Result<()> {
        self.inner.probe.ask().await
    }

    /// Checks that the database accepts a write now.
    pub async fn check_writes(&self) -> Result<()> {
        self.call(System, CheckWrites).await.map(drop)
    }

    /// Why the write of any caller failed in the last seconds, if it found no space or a read-only
    /// database.
    pub fn recent_write_trouble(&self) -> Option<Cow<'static, str>> {
        let trouble = self.inner.write_trouble.lock().unwrap_or_else(PoisonError::into_inner);
        trouble.as_ref().filter(|(at, _)| at.elapsed() < WRITE_TROUBLE).map(|(_, what)| what.clone())
    }
}

/// The type of a [`Principal`].
pub trait Party: Into<Principal> + Copy + Send + 'static {}

impl<P: Into<Principal> + Copy + Send + 'static> Party for P {}

/// The input of an operation besides the database.
struct OpEnv {
    rules: Arc<Rules>,
    epoch: Arc<str>,
    clock: Clock,
}

impl OpEnv {
    fn cx<'a>(&'a self, db: &'a mut Db) -> Cx<'a> {
        Cx { db, now: self.clock.now(), rules: &self.rules, epoch: &self.epoch }
    }
}

/// A write operation as a job of the writer.
struct Write<P, O: AnyOp<P>> {
    principal: P,
    op: O,
    locks: Locks,
    replays: bool,
    env: OpEnv,
    output: Option<O::Output>,
    reply: oneshot::Sender<Result<O::Output>>,
}

impl<P: Party, O: AnyOp<P>> WriteJob<Effect> for Write<P, O> {
    fn run(&mut self, db: &mut Db) -> Result<Vec<Effect>> {
        self.locks.take(db)?;
        let Outcome { output, effects } = self.op.run(&self.principal, &mut self.env.cx(db))?;
        self.output = Some(output);
        Ok(effects)
    }

    fn resolve(&mut self, db: &mut Db, error: Error) -> Result<()> {
        if !self.replays {
            return Err(error);
        }
        self.output = self.op.replay(&self.principal, &mut self.env.cx(db))?;
        if self.output.is_some() { Ok(()) } else { Err(error) }
    }

    fn answer(self: Box<Self>, result: Result<()>) {
        let Write { output, reply, .. } = *self;
        let outcome = result.and_then(|()| output.ok_or_else(|| Error::bug("a job that succeeded has an output")));
        // No caller waits any more when the deadline passed or the request was dropped. A committed
        // write stays committed.
        let _ = reply.send(outcome);
    }
}
