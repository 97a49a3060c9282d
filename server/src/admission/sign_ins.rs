//! Attempts to sign in to the office, as budgets that fill again: nobody is ever shut out for good.
//!
//! Whoever tries from a browser that has signed in to the account before has a budget of its own, so nothing that
//! others do keeps its owner out. Everybody else is counted by network, by network and account, and by account;
//! who finds the last of them used up by an attacker still gets in by a link sent by mail, which has no password
//! to guess. What succeeds costs nothing.

use super::buckets::{Bucket, Buckets, Rate};
use super::client::Client;
use super::{Admission, HOUR_US, MINUTE_US, Reason, Refused};
use std::sync::atomic::{AtomicU64, Ordering};

/// Attempts of a network, per quarter of an hour. A larger network has a multiple.
const OF_A_NETWORK: u32 = 60;
/// Attempts of a network at one account, and of a known browser at its account, per quarter of an hour.
const OF_A_PAIR: u32 = 10;
/// Attempts of all unknown browsers at one account, per hour.
const OF_AN_ACCOUNT: u32 = 100;
/// Codes that all unknown browsers try at one account, per six hours: whoever tries them knows the password, and
/// a code is one of a million.
const CODES_OF_AN_ACCOUNT: u32 = 10;

/// So many denials are told in the audit log, per hour: it is no place for a flood.
const TOLD_AN_HOUR: u32 = 120;

/// What is counted.
#[derive(Default)]
pub(super) struct SignIns {
    networks: Buckets,
    pairs: Buckets,
    accounts: Buckets,
    codes: Buckets,
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

/// An attempt that is under way.
#[derive(Clone, Copy, Debug)]
pub struct Attempt {
    client: Client,
    account: u128,
    device: Option<u128>,
    tries: Tries,
}

fn per_quarter(count: u32) -> Rate {
    Rate::per(count, 15 * MINUTE_US).expect("a limit")
}

fn of_account(tries: Tries) -> Rate {
    match tries {
        Tries::Password => Rate::per(OF_AN_ACCOUNT, HOUR_US),
        Tries::Code => Rate::per(CODES_OF_AN_ACCOUNT, 6 * HOUR_US),
    }
    .expect("a limit")
}

impl Admission {
    /// Whether somebody may try to show that an account is theirs. `device`: the browser, if it is known to have
    /// signed in to this account before.
    pub fn may_sign_in(
        &self,
        client: Client,
        account: u128,
        device: Option<u128>,
        tries: Tries,
    ) -> Result<Attempt, Refused> {
        let (now, of) = (self.now_us(), &self.sign_ins);
        let refused = |wait_us| self.refuse(Refused::after(Reason::SignIns, wait_us));
        let attempt = Attempt { client, account, device, tries };
        let pair = per_quarter(OF_A_PAIR);
        if let Err(wait_us) = of.pairs.take(self.pair(&attempt), pair, 1, now) {
            return refused(wait_us);
        }
        if device.is_some() {
            return Ok(attempt);
        }
        if let Client::Network(network) = client {
            let taken =
                of.networks.take(self.buckets_of(network), per_quarter(OF_A_NETWORK), 1, now);
            if let Err(wait_us) = taken {
                of.pairs.give_back(self.pair(&attempt), pair);
                return refused(wait_us);
            }
        }
        let all = self.of_tries(tries).take(self.bucket_of(account), of_account(tries), 1, now);
        if let Err(wait_us) = all {
            of.pairs.give_back(self.pair(&attempt), pair);
            if let Client::Network(network) = client {
                of.networks.give_back(self.buckets_of(network), per_quarter(OF_A_NETWORK));
            }
            return refused(wait_us);
        }
        Ok(attempt)
    }

    /// An attempt has succeeded.
    pub fn signed_in(&self, attempt: Attempt) {
        let of = &self.sign_ins;
        of.pairs.give_back(self.pair(&attempt), per_quarter(OF_A_PAIR));
        if attempt.device.is_some() {
            return;
        }
        if let Client::Network(network) = attempt.client {
            of.networks.give_back(self.buckets_of(network), per_quarter(OF_A_NETWORK));
        }
        let (tries, account) = (attempt.tries, attempt.account);
        self.of_tries(tries).give_back(self.bucket_of(account), of_account(tries));
    }

    /// Whether the audit log is told of a denial now, and of how many it was not told before.
    pub fn may_tell_denial(&self) -> Option<u64> {
        let of = &self.sign_ins;
        let rate = Rate::per(TOLD_AN_HOUR, HOUR_US).expect("a limit");
        match of.told.take(self.bucket_of(0), rate, 1, self.now_us()) {
            Ok(()) => Some(of.untold.swap(0, Ordering::Relaxed)),
            Err(_) => {
                of.untold.fetch_add(1, Ordering::Relaxed);
                None
            }
        }
    }

    fn of_tries(&self, tries: Tries) -> &Buckets {
        match tries {
            Tries::Password => &self.sign_ins.accounts,
            Tries::Code => &self.sign_ins.codes,
        }
    }

    /// The bucket of a known browser, or else of a network, for one account. Whoever's network is not known has
    /// none.
    fn pair(&self, attempt: &Attempt) -> impl Iterator<Item = Bucket> + Clone {
        let code = attempt.tries == Tries::Code;
        let key = match (attempt.device, attempt.client) {
            (Some(device), _) => Some(self.key.of(&(attempt.account, device, code))),
            (None, Client::Network(network)) => {
                Some(self.key.of(&(attempt.account, network.levels().next(), code)))
            }
            (None, Client::Unlimited) => None,
        };
        key.map(|key| Bucket { key, factor: 1 }).into_iter()
    }
}
