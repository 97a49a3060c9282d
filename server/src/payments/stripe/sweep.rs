//! The lists of refunds and disputes of the last months: what was done in the dashboard, what failed after
//! it had succeeded, what the banks have decided. Without webhooks nothing else tells of it.

use super::objects::{self, DisputeObject};
use super::{Done, Pace, Stripe};
use crate::ids::digest;
use crate::payments::governor::Endpoint;
use boxoffice::{OrderId, RefundId, RefundOutcome};
use std::collections::BTreeSet;

/// From when on lists are read, in seconds since 1970.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Since {
    /// The list of refunds.
    pub refunds_s: i64,
    /// The list of disputes.
    pub disputes_s: i64,
}

/// What a row of a list says.
pub struct Sign {
    /// The payment that it is about, if the row says so.
    pub intent: Option<String>,
    /// A refund of ours, with the order that it names and what became of it.
    pub ours: Option<(RefundId, Option<OrderId>, Option<RefundOutcome>)>,
    /// A digest of what it is and how it stands.
    tag: u64,
}

/// How rows stood when they were taken in, so that only what has changed is looked at again.
#[derive(Default)]
pub struct Seen(BTreeSet<u64>);

impl Seen {
    /// More than so many rows are not remembered; then all are looked at once more.
    const MOST: usize = 500_000;

    /// Whether this was taken in already.
    pub fn has(&self, sign: &Sign) -> bool {
        self.0.contains(&sign.tag)
    }

    /// It is taken in.
    pub fn add(&mut self, sign: &Sign) {
        if self.0.len() >= Seen::MOST {
            self.0.clear();
        }
        self.0.insert(sign.tag);
    }
}

fn tag(id: &str, status: &str) -> u64 {
    digest(&[id.as_bytes(), status.as_bytes()]) as u64
}

impl Stripe {
    /// The rows of both lists, newest first, with turns that nobody else wants. What Stripe itself
    /// released because an authorisation expired is not among them. A list that cannot be read does not
    /// keep the other from being taken in.
    pub async fn signs(&self, since: Since) -> [Done<Vec<Sign>>; 2] {
        [self.refund_signs(since.refunds_s).await, self.dispute_signs(since.disputes_s).await]
    }

    async fn refund_signs(&self, since_s: i64) -> Done<Vec<Sign>> {
        let path = format!("/v1/refunds?created[gte]={since_s}");
        let id = |r: &objects::Refund| r.id.clone();
        let refunds = self.all(None, Pace::Gentle, Endpoint::Refunds, path, id).await?;
        let refunds = refunds.into_iter().filter(|refund| !refund.is_expiry()).map(|refund| Sign {
            tag: tag(&refund.id, refund.status()),
            ours: refund.ours().map(|id| (id, refund.order(), refund.outcome().ok())),
            intent: refund.payment_intent,
        });
        Ok(refunds.collect())
    }

    async fn dispute_signs(&self, since_s: i64) -> Done<Vec<Sign>> {
        let path = format!("/v1/disputes?created[gte]={since_s}");
        let id = |d: &DisputeObject| d.id().to_owned();
        let disputes = self.all(None, Pace::Gentle, Endpoint::Disputes, path, id).await?;
        let disputes = disputes.into_iter().map(|dispute| Sign {
            tag: tag(dispute.id(), dispute.status()),
            ours: None,
            intent: dispute.payment_intent,
        });
        Ok(disputes.collect())
    }
}
