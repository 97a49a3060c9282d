//! Webhooks: what other programs are told, and how they are managed.

use super::{flag, text, whole};
use crate::http::openapi::{Group, Needs, Operation, operation};
use nts_api::ProblemCode::{NotFound, UnknownEvent};
use nts_api::{Webhook, WebhookBody, WebhookDeliveries, WebhookDelivery, WebhookList};
use serde_json::json;

pub fn list_webhooks() -> Operation {
    operation(Group::Webhooks, "list_webhooks", "List the webhooks")
        .gives::<WebhookList<'static>>(200, "All of them, the oldest first.")
}

pub fn make_webhook() -> Operation {
    operation(Group::Webhooks, "make_webhook", "Make a webhook")
        .says(
            "Messages are signed as Standard Webhooks 1.0 says. The secret is told this once. An address is refused if \
             it is not `https`, or leads into a network that is not public.",
        )
        .takes::<WebhookBody>(json!({"url": "https://hooks.example/nts", "types": ["order.paid"]}))
        .gives::<Webhook<'static>>(201, "The webhook, with its secret.")
        .problems(&[UnknownEvent])
}

pub fn webhook() -> Operation {
    operation(Group::Webhooks, "get_webhook", "Read a webhook")
        .gives::<Webhook<'static>>(200, "The webhook, without its secret.")
        .on(Needs::Webhook)
        .problems(&[NotFound])
}

pub fn change_webhook() -> Operation {
    operation(Group::Webhooks, "change_webhook", "Change a webhook")
        .says("What is left out stays as it is.")
        .takes::<WebhookBody>(json!({"enabled": false}))
        .gives::<Webhook<'static>>(200, "The webhook as it is from now on.")
        .on(Needs::Webhook)
        .problems(&[NotFound, UnknownEvent])
}

pub fn remove_webhook() -> Operation {
    operation(Group::Webhooks, "delete_webhook", "Delete a webhook")
        .says("It gets no messages any more, also none that are owed to it. They are removed soon afterwards.")
        .gives_nothing("It is deleted.")
        .on(Needs::Webhook)
        .problems(&[NotFound])
}

pub fn test_webhook() -> Operation {
    operation(Group::Webhooks, "test_webhook", "Send a test message")
        .says("A message of the type `webhook.test`, also to a webhook that is switched off.")
        .gives::<WebhookDelivery<'static>>(202, "The message, which is sent at once.")
        .on(Needs::Webhook)
        .problems(&[NotFound])
}

pub fn renew_secret() -> Operation {
    operation(Group::Webhooks, "renew_webhook_secret", "Give a webhook another secret")
        .says(
            "For a day messages are signed with the secret before as well: see `old_secret_until`. Whoever asks again \
             within that day gets the same secret.",
        )
        .query("at_once", flag(), "Another one in any case, and the secrets before sign no more.")
        .gives::<Webhook<'static>>(200, "The webhook, with its new secret.")
        .on(Needs::Webhook)
        .problems(&[NotFound])
}

pub fn deliveries() -> Operation {
    operation(Group::Webhooks, "list_deliveries", "List what a webhook was told")
        .query("after", text(), "What `next` of an answer was: the next page.")
        .query("limit", whole(1, 500), "The most messages on a page; 50 if it is not said.")
        .gives::<WebhookDeliveries<'static>>(200, "The newest first, with how their last try went.")
        .with_header("Link")
        .on(Needs::Delivery)
        .problems(&[NotFound])
}

pub fn replay() -> Operation {
    operation(Group::Webhooks, "replay_delivery", "Send a message again")
        .gives::<WebhookDelivery<'static>>(202, "The message, which is sent at once.")
        .on(Needs::Delivery)
        .problems(&[NotFound])
}
