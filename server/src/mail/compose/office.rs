//! Mails to people of the office, in English: links that work once.

use super::{Block, Composer, Draft, NotComposed, needless};
use crate::language::Lang;
use crate::language::format::Style;
use crate::store::records::sessions::{OneTimeLink, Purpose};
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
        Ok(Draft {
            lang: Lang::En,
            heading: subject.clone(),
            subject,
            kicker: "Office".into(),
            blocks,
            reply_to: None,
            inline: Vec::new(),
            attachments: Vec::new(),
            why: Some(format!("You get this mail because of the office at {site}.")),
        })
    }
}
