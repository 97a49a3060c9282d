//! Attempts to sign in to the office, as budgets that fill again: nobody is ever shut out for good.
//!
//! Whoever tries from a browser that has signed in to the account before, or within a session, has a budget of its
//! own, so nothing that others do keeps its owner out. Everybody else is counted by network, by network and account,
//! and by account; who finds the last of them used up by an attacker still gets in by a link sent by mail, which has
//! no password to guess. What succeeds costs nothing.
//!
//! Codes have budgets apart from those of passwords, so wrong passwords of a neighbour refuse no right code. Those
//! that known browsers try at an account are counted together as well, and so are those of its sessions: whoever has
//! stolen one guesses no code, however many more it gets. The budget of sessions keeps nobody from signing in.

use super::buckets::{Bucket, Buckets, Rate};
use super::client::Client;
use super::{Admission, HOUR_US, MINUTE_US, Reason, Refused};
use std::sync::atomic::{AtomicU64, Ordering};

/// Attempts of a network, per quarter of an hour, passwords and codes apart. A larger network has a multiple.
const OF_A_NETWORK: u32 = 60;
/// Attempts of a network at one account, and of a known browser or a session at its account, per quarter of an hour.
const OF_A_PAIR: u32 = 10;
/// Attempts of all unknown browsers at one account, per hour.
const OF_AN_ACCOUNT: u32 = 100;
/// Codes that all unknown browsers try at one account, per six hours: whoever tries them knows the password, and
/// a code is one of a million.
const CODES_OF_AN_ACCOUNT: u32 = 10;
/// Codes that all known browsers of an account try, and all of its sessions, per day.
const CODES_OF_KNOWN: u32 = 20;
/// Links to sign in that a network may ask for, per hour. An account gets only a few of them whoever asks.
const LINKS_OF_A_NETWORK: u32 = 20;

/// So many denials are told in the audit log, per hour: it is no place for a flood.
const TOLD_AN_HOUR: u32 = 120;

/// What is counted.
#[derive(Default)]
pub(super) struct SignIns {
    networks: Buckets,
    code_networks: Buckets,
    pairs: Buckets,
    accounts: Buckets,
    codes: Buckets,
    known_codes: Buckets,
    links: Buckets,
    /// Of denials in the audit log.
    told: Buckets,
    untold: AtomicU64,
}

/// What is tried.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tries {
    /// A password.
    Password,
    /// A code of the second step.
    Code,
}

/// By what somebody is known who tries.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Known {
    /// The browser of this number has signed in to the account before.
    Browser(u128),
    /// Whoever tries is signed in, by the session of this number.
    Session(u128),
}

/// An attempt that is under way.
#[derive(Clone, Copy, Debug)]
pub struct Attempt {
    client: Client,
    account: u128,
    known: Option<Known>,
    tries: Tries,
}

/// What an attempt takes one from.
struct Budget<'a> {
    of: &'a Buckets,
    rate: Rate,
    buckets: Vec<Bucket>,
}

fn per(count: u32, time_us: u64) -> Rate {
    Rate::per(count, time_us).expect("a limit")
}

impl Admission {
    /// Whether somebody may try to show that an account is theirs. `known`: by what they are known, if they are.
    pub fn may_sign_in(
        &self,
        client: Client,
        account: u128,
        known: Option<Known>,
        tries: Tries,
    ) -> Result<Attempt, Refused> {
        let attempt = Attempt { client, account, known, tries };
        let (now, budgets) = (self.now_us(), self.budgets(&attempt));
        for (at, budget) in budgets.iter().enumerate() {
            let taken = budget.of.take(budget.buckets.iter().copied(), budget.rate, 1, now);
            if let Err(wait_us) = taken {
                give_back(&budgets[..at]);
                return self.refuse(Refused::after(Reason::SignIns, wait_us));
            }
        }
        Ok(attempt)
    }

    /// An attempt has succeeded.
    pub fn signed_in(&self, attempt: Attempt) {
        give_back(&self.budgets(&attempt));
    }

    /// A request for a link that signs in, whatever becomes of it. Like the limit for look-ups it is off where that
    /// is.
    pub fn may_ask_for_link(&self, client: Client) -> Result<(), Refused> {
        let Client::Network(network) = client else { return Ok(()) };
        if self.limits.lookups == 0 {
            return Ok(());
        }
        let (of, rate) = (&self.sign_ins.links, per(LINKS_OF_A_NETWORK, HOUR_US));
        let taken = of.take(self.buckets_of(network), rate, 1, self.now_us());
        taken.or_else(|wait_us| self.refuse(Refused::after(Reason::Lost, wait_us)))
    }

    /// All that an attempt takes one from.
    fn budgets(&self, attempt: &Attempt) -> Vec<Budget<'_>> {
        let (of, account) = (&self.sign_ins, attempt.account);
        let quarter_us = 15 * MINUTE_US;
        let budget = |of, rate, buckets| Budget { of, rate, buckets };
        let mut budgets = vec![budget(&of.pairs, per(OF_A_PAIR, quarter_us), self.pair(attempt))];
        if let Some(known) = attempt.known {
            if attempt.tries == Tries::Code {
                let key = self.key.of(&(account, matches!(known, Known::Session(_))));
                let all = vec![Bucket { key, factor: 1 }];
                budgets.push(budget(&of.known_codes, per(CODES_OF_KNOWN, 24 * HOUR_US), all));
            }
            return budgets;
        }
        let (networks, accounts, of_account) = match attempt.tries {
            Tries::Password => (&of.networks, &of.accounts, per(OF_AN_ACCOUNT, HOUR_US)),
            Tries::Code => (&of.code_networks, &of.codes, per(CODES_OF_AN_ACCOUNT, 6 * HOUR_US)),
        };
        if let Client::Network(network) = attempt.client {
            let all = self.buckets_of(network).collect();
            budgets.push(budget(networks, per(OF_A_NETWORK, quarter_us), all));
        }
        budgets.push(budget(accounts, of_account, self.bucket_of(account).collect()));
        budgets
    }

    /// Whether the audit log is told of a denial now, and of how many it was not told before.
    pub fn may_tell_denial(&self) -> Option<u64> {
        let of = &self.sign_ins;
        let rate = per(TOLD_AN_HOUR, HOUR_US);
        match of.told.take(self.bucket_of(0), rate, 1, self.now_us()) {
            Ok(()) => Some(of.untold.swap(0, Ordering::Relaxed)),
            Err(_) => {
                of.untold.fetch_add(1, Ordering::Relaxed);
                None
            }
        }
    }

    /// The bucket of whoever is known, or else of a network, for one account. Whoever's network is not known has
    /// none.
    fn pair(&self, attempt: &Attempt) -> Vec<Bucket> {
        let code = attempt.tries == Tries::Code;
        let key = match (attempt.known, attempt.client) {
            (Some(known), _) => self.key.of(&(attempt.account, known, code)),
            (None, Client::Network(network)) => {
                self.key.of(&(attempt.account, network.levels().next(), code))
            }
            (None, Client::Unlimited) => return Vec::new(),
        };
        vec![Bucket { key, factor: 1 }]
    }
}

fn give_back(budgets: &[Budget<'_>]) {
    for budget in budgets {
        budget.of.give_back(budget.buckets.iter().copied(), budget.rate);
    }
}
