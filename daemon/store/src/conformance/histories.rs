//! Random histories of requests, workers, crashes and clocks against the model, one answer at a time.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::idempotency::wish;
use super::model::{Expected, Model, Name};
use super::{ACTOR, Fixture, LEASE_MS, PRICE, WIDE, completion, is_now, new_job};
use crate::{
    Accept, AccountId, Balance, Clock, Completion, Ended, Failure, FailureCode, Idempotency, JobId,
    JobStatus, KeyId, ManualClock, NewJob, NewKey, Reply, Store,
};

const KEYS: usize = 2;
const TEXTS: usize = 2;
const ATTEMPTS_MAX: u32 = 2;

struct History<'a> {
    number: u64,
    store: &'a dyn Store,
    clock: &'a ManualClock,
    account: AccountId,
    keys: &'a [KeyId],
    random: StdRng,
    model: Model,
}

pub(super) fn histories(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    let account = store.create_account("histories", ACTOR).unwrap().id;
    let keys: Vec<KeyId> = (0..KEYS)
        .map(|_| {
            store
                .create_key(&NewKey::named(account, "client"), ACTOR)
                .unwrap()
                .record
                .id
        })
        .collect();
    for number in 0..fixture.histories() {
        let mut random = StdRng::seed_from_u64(number);
        let credits = random.random_range(0..4 * PRICE);
        set_credits(store.as_ref(), account, credits);
        let model = Model::new(credits);
        let mut history = History {
            number,
            store: store.as_ref(),
            clock: fixture.clock(),
            account,
            keys: &keys,
            random,
            model,
        };
        history.run();
        if number % 1_000 == 999 {
            super::sound(store.as_ref());
        }
    }
}

fn set_credits(store: &dyn Store, account: AccountId, credits: i64) {
    let now = store.balance(account).unwrap();
    assert_eq!(now.held, 0, "the history before left a hold");
    if credits != now.available {
        store
            .correct(account, credits - now.available, ACTOR, "next history")
            .unwrap();
    }
}

impl History<'_> {
    fn run(&mut self) {
        for _ in 0..self.random.random_range(3..12) {
            match self.random.random_range(0..20) {
                0..8 => self.request(),
                8..12 => self.with_job(Self::claim),
                12..15 => self.with_job(Self::finish),
                15 => self.with_job(Self::fail),
                16 => self.with_job(Self::cancel),
                17 => self.with_job(Self::requeue),
                18 => self.restart(),
                _ => self.pass_time(),
            }
        }
        assert_eq!(
            self.store.balance(self.account).unwrap(),
            self.model.balance,
            "history {}",
            self.number
        );
        assert!(!self.model.charged_twice(), "history {}", self.number);
        for job in 0..self.model.jobs.len() {
            if !self.model.jobs[job].status.is_final() {
                self.cancel(job);
            }
        }
        assert_eq!(
            self.store.balance(self.account).unwrap(),
            Balance {
                held: 0,
                ..self.model.balance
            },
            "history {}",
            self.number
        );
    }

    fn with_job(&mut self, step: fn(&mut Self, usize)) {
        if !self.model.jobs.is_empty() {
            let job = self.random.random_range(0..self.model.jobs.len());
            step(self, job);
        }
    }

    fn request(&mut self) {
        let name: Name = (
            self.random.random_range(0..KEYS),
            self.random.random_range(0..TEXTS),
        );
        let request = if self.random.random_bool(0.85) { 1 } else { 2 };
        let known = self.random.random_bool(0.3).then(|| Reply {
            status: 202,
            body: b"{}".to_vec(),
        });
        let key = self.keys[name.0];
        let idempotency = Idempotency {
            reply: known.clone(),
            ..wish(key, &format!("{}-{}", self.number, name.1), request)
        };
        let new = NewJob {
            asynchronous: known.is_some(),
            idempotency: Some(idempotency),
            ..new_job((self.account, key))
        };
        let expected = self
            .model
            .request(new.id, name, request, known, self.clock.now_ms());
        let outcome = match self.store.accept(&new, &WIDE).unwrap() {
            Accept::Accepted { .. } => Expected::Accepted,
            Accept::Replay(reply) => Expected::Replay(reply),
            Accept::Done(job) => Expected::Done(job.id),
            Accept::InFlight(job) => Expected::InFlight(job),
            Accept::KeyReused => Expected::KeyReused,
            Accept::InsufficientCredits { .. } => Expected::InsufficientCredits,
            other => panic!("history {}: {other:?}", self.number),
        };
        assert_eq!(outcome, expected, "history {}", self.number);
    }

    fn claim(&mut self, job: usize) {
        let claimed = self
            .store
            .claim_job(self.id(job), "worker", LEASE_MS)
            .unwrap();
        assert_eq!(
            claimed.is_some(),
            self.model.claim(job),
            "history {}",
            self.number
        );
    }

    fn finish(&mut self, job: usize) {
        let attempt = self.attempt(job);
        let credits = if self.random.random_bool(0.8) {
            PRICE
        } else {
            1
        };
        let reply = self.reply(200);
        let current = self.model.is_current(job, attempt);
        let done = Completion {
            reply: reply.clone(),
            ..completion(credits)
        };
        let outcome = self.store.finish(self.id(job), attempt, &done).unwrap();
        if current {
            self.model.finish(job, credits, reply);
        }
        self.check(&outcome, current);
    }

    fn fail(&mut self, job: usize) {
        let attempt = self.attempt(job);
        let reply = self.reply(422);
        let current = self.model.is_current(job, attempt);
        let outcome = self
            .store
            .fail(
                self.id(job),
                attempt,
                &Failure::new("x".into(), ""),
                reply.as_ref(),
            )
            .unwrap();
        if current {
            self.model.fail(job, reply);
        }
        self.check(&outcome, current);
    }

    fn cancel(&mut self, job: usize) {
        let open = !self.model.jobs[job].status.is_final();
        let outcome = self
            .store
            .cancel(
                Some(self.account),
                self.id(job),
                &Failure::new(FailureCode::Cancelled, ""),
            )
            .unwrap();
        if open {
            self.model.fail(job, None);
        }
        self.check(&outcome, open);
    }

    fn requeue(&mut self, job: usize) {
        let attempt = self.attempt(job);
        let current = self.model.is_current(job, attempt);
        assert_eq!(
            self.store.requeue(self.id(job), attempt).unwrap(),
            current,
            "history {}",
            self.number
        );
        if current {
            self.model.requeue(job);
        }
    }

    fn restart(&mut self) {
        self.store.recover("worker", ATTEMPTS_MAX).unwrap();
        self.model.restart(ATTEMPTS_MAX);
    }

    fn pass_time(&mut self) {
        self.clock
            .advance_ms(self.random.random_range(0..3) * 13 * 60 * 60 * 1_000);
        if self.random.random_bool(0.5) {
            self.store.sweep_idempotency(100).unwrap();
        }
    }

    /// Mostly the attempt that is running, sometimes another one.
    fn attempt(&mut self, job: usize) -> u32 {
        let now = self.model.jobs[job].attempt;
        if self.random.random_bool(0.85) {
            now
        } else {
            self.random.random_range(0..3)
        }
    }

    fn reply(&mut self, status: u16) -> Option<Reply> {
        self.random.random_bool(0.5).then(|| Reply {
            status,
            body: vec![b'x'; 10],
        })
    }

    fn id(&self, job: usize) -> JobId {
        self.model.jobs[job].id
    }

    /// Whether the call ended the job, as the model expects, and the balance it answered.
    fn check(&self, outcome: &Ended, expected: bool) {
        assert_eq!(
            is_now(outcome),
            expected,
            "history {}: {outcome:?}",
            self.number
        );
        if let Ended::Now { job, balance } = outcome {
            assert!(job.status == JobStatus::Completed || job.status == JobStatus::Failed);
            assert_eq!(*balance, self.model.balance, "history {}", self.number);
        }
    }
}
