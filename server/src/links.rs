//! The addresses of an order's pages. Each holds a secret that opens the page.

use crate::ids::Secrets;
use boxoffice::OrderId;

/// Makes the addresses of orders' pages.
pub struct Links {
    base: String,
    secrets: Secrets,
}

impl Links {
    /// Addresses below `base`, which has no slash at its end.
    pub fn new(base: String, secrets: Secrets) -> Links {
        Links { base, secrets }
    }

    /// The address under which the box office is reached, without a slash at its end.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// The path of an order's page: whoever has it may see and pay the order.
    pub fn order_path(&self, order: OrderId) -> String {
        format!("/orders/{}/{}", uuid::Uuid::from_u128(order.0), self.secrets.order(order))
    }

    /// The address of an order's page.
    pub fn order_url(&self, order: OrderId) -> String {
        format!("{}{}", self.base, self.order_path(order))
    }

    /// The path of an order's payment page: whoever has it may pay the order, and nothing else.
    pub fn pay_path(&self, order: OrderId) -> String {
        format!("/pay/{}/{}", uuid::Uuid::from_u128(order.0), self.secrets.pay(order))
    }

    /// The address of an order's payment page, which others than the buyer get to know.
    pub fn pay_url(&self, order: OrderId) -> String {
        format!("{}{}", self.base, self.pay_path(order))
    }

    /// The address of a link of the office that works once. `page`: what it opens.
    pub fn office_url(&self, page: &str, id: u128) -> String {
        format!("{}/office/{page}/{}", self.base, self.secrets.office_token(id))
    }

    /// From the payment page to where the order is told of.
    pub fn way_back(&self, order: OrderId) -> String {
        format!("{}/order", self.pay_path(order))
    }
}
