//! Mails to people of the office, in English: links that work once, and a webhook that was switched off.

use super::{Block, Composer, Draft, NotComposed, needless};
use crate::language::Lang;
use crate::language::format::Style;
use crate::store::records::sessions::{OneTimeLink, Purpose};
use crate::store::records::webhooks::{Webhook, host_of};
use crate::store::records::{Value, get};

impl Composer {
    /// The link of this id.
    pub(super) async fn office(&self, id: u128) -> Result<Draft, NotComposed> {
        let key = [Value::Blob(id.to_be_bytes().into())];
        let link = self.reads.ask(move |reader| get::<OneTimeLink>(reader.tables(), &key)).await;
        let link = link.map_err(|fault| NotComposed::Later(fault.to_string()))?;
        let now = self.clock.now_ms();
        let works = |link: &OneTimeLink| link.used_ms.is_none() && now < link.ends_ms;
        let link = link.filter(works).ok_or_else(|| needless("the link was used or has ended"))?;
        let until = Lang::En.moment(link.ends_ms, "UTC", Style::Short);
        let site = self.site();
        let (subject, text, button, page) = match link.purpose {
            Purpose::Invitation => (
                format!("Your invitation to the office of {site}"),
                "You are invited to the office of this box office. The link makes your account. It works once.",
                "Make the account",
                "welcome",
            ),
            _ => (
                format!("Sign in to the office of {site}"),
                "Somebody, most likely you, wants to sign in with this address. The link works once. If it was \
                 not you, do nothing.",
                "Sign in",
                "link",
            ),
        };
        let blocks = vec![
            Block::Text(text.into()),
            Block::Button((button.into(), self.links.office_url(page, id))),
            Block::Fine(format!("The link works until {until} UTC.")),
        ];
        let why = format!("You get this mail because of the office at {site}.");
        Ok(of_office(subject, blocks, why))
    }

    /// The webhook of this id was switched off, and is still off.
    pub(super) async fn webhook_off(&self, id: u128) -> Result<Draft, NotComposed> {
        let key = [Value::Blob(id.to_be_bytes().into())];
        let webhook = self.reads.ask(move |reader| get::<Webhook>(reader.tables(), &key)).await;
        let webhook = webhook.map_err(|fault| NotComposed::Later(fault.to_string()))?;
        let off = webhook.and_then(|webhook| Some((webhook.off_because?, webhook.address)));
        let (because, address) = off.ok_or_else(|| needless("the webhook is on again, or gone"))?;
        let host = host_of(&address);
        let site = self.site();
        let page = format!("{}/office/webhooks/{}", self.links.base(), uuid::Uuid::from_u128(id));
        let blocks = vec![
            Block::Text(format!("The box office has switched off the webhook to {host}. {because}")),
            Block::Text(
                "The receiver is told nothing while it is off, and what happens meanwhile is not told later. When the \
                 receiver works again, switch the webhook on: what was owed before and not given up is sent then. No \
                 sale and no payment is affected."
                    .into(),
            ),
            Block::Button(("Open the webhook".into(), page)),
        ];
        let why =
            format!("You get this mail because you are an owner of the box office at {site}.");
        Ok(of_office(format!("A webhook of {site} was switched off"), blocks, why))
    }
}

fn of_office(subject: String, blocks: Vec<Block>, why: String) -> Draft {
    Draft {
        lang: Lang::En,
        heading: subject.clone(),
        subject,
        kicker: "Office".into(),
        blocks,
        reply_to: None,
        inline: Vec::new(),
        attachments: Vec::new(),
        why: Some(why),
    }
}
