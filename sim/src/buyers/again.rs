//! Buyers who come again after a refund, and those who use the old routes.

use super::{Buyer, Mine, pause};
use crate::plan::Fault;
use crate::world::Ask;
use boxoffice::OrderId;
use tokio::time::sleep;

impl Buyer {
    /// Who has got money back comes again, now and then: the places are free again under a limit.
    pub(super) async fn comes_again(&mut self) {
        let chaos = &self.world.chaos;
        let may_be = [Fault::Refund, Fault::RefundedByHand].iter().any(|fault| chaos.has(*fault));
        for _ in 0..10 {
            if !may_be || self.taste.below(8) == 0 || self.world.chaos.is_calm() {
                return;
            }
            sleep(pause(&mut self.taste, 5_000, 60_000)).await;
            let refunded = self.world.audit(|a, _, _| a.has_refunded(&self.name));
            if refunded && !self.world.chaos.is_calm() {
                let quantity = 1 + self.taste.below(2) as u32;
                let wanted = self.wants(quantity);
                if let Some(mine) = self.holds(wanted).await {
                    self.world.mark("a buyer came again after a refund");
                    self.pays_somehow(&mine).await;
                }
                return;
            }
        }
    }

    /// Reserves by name, renews once or twice, and pays.
    pub(super) async fn by_the_old_routes(&mut self) {
        let email = std::mem::take(&mut self.email);
        self.world.audit(|a, _, _| a.comes_from(&self.name, "", self.network));
        if let Some(mine) = self.reserves(None).await {
            self.world.mark("a place was reserved by the old route");
            let hold = self.world.plan.hold_seconds * 1_000;
            for _ in 0..self.taste.below(4) {
                sleep(pause(&mut self.taste, hold / 10, hold * 9 / 10)).await;
                self.reserves(Some(&mine)).await;
                self.sees(&mine).await;
            }
            if self.taste.below(3) > 0 {
                self.pays_somehow(&mine).await;
            }
        }
        self.world.audit(|a, _, _| a.comes_from(&self.name, &email, self.network));
        self.email = email;
    }

    /// Reserves a place in the buyer's name, or renews the one that the buyer has.
    async fn reserves(&mut self, known: Option<&Mine>) -> Option<Mine> {
        let asked = self.world.audit(|a, _, at| {
            a.may_have(&self.name, 1);
            a.asks_for(self.network, 4);
            a.renew_asked(&self.name);
            a.question(at)
        });
        let mut form = format!("fullname={}", self.name.replace(' ', "+"));
        if let Some(mine) = known {
            form += &format!("&secret={}", mine.secret);
        }
        let ask = Ask { method: "POST", body: form, ..Ask::get("/nts/v1/reserve") };
        let answer = self.ask(ask).await?;
        if answer.status != 200 {
            return None;
        }
        let until = between(&answer.text, "(until ", " (UTC)");
        let path = between(&answer.text, "<a href=\"/orders/", "\"");
        let (id, secret) = match (path.and_then(|path| path.split_once('/')), known) {
            (Some((id, secret)), _) => (id.to_owned(), secret.to_owned()),
            (None, Some(mine)) => (mine.id.clone(), mine.secret.clone()),
            (None, None) => return None,
        };
        let order = OrderId(uuid::Uuid::try_parse(&id).ok()?.as_u128());
        if let Some(until) = until {
            self.world.audit(|a, s, at| a.reserved(s, at, asked, order, &self.name, until));
        }
        let total = self.world.audit(|a, _, _| a.order(order).map(|o| o.total().minor))?;
        Some(Mine { order, id, secret, total })
    }
}

/// What stands between two texts.
fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    Some(text.split_once(before)?.1.split_once(after)?.0)
}
