//! What a mail says: made from the order and its event as they are now.
//!
//! A mail is a list of blocks. One template makes its HTML of them and one its text, so that both say the same.

#[cfg(test)]
mod tests;

mod office;

use super::{Compose, Composed, Letter, NotComposed, Part};
use crate::calendar::{self, Sequences};
use crate::catalogue::Catalogue;
use crate::clock::DatabaseClock;
use crate::codes::Codes;
use crate::identity::{buyer_key, untagged_key};
use crate::language::{Lang, Words};
use crate::links::Links;
use crate::pdf::{self, Printer};
use crate::qr;
use crate::reads::Reads;
use askama::Template;
use boxoffice::mutant::{Mutant, on};
use boxoffice::{
    Event, EventId, Money, Order, OrderId, OrderState, Refund, RefundId, RefundState, Tender,
    Ticket, TicketState, TimeMs,
};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::time::Duration;

/// So many tickets of an order are in its mail; the others are on its page. Mail programs cut off what is
/// much longer.
const MOST_TICKETS: usize = 20;
/// So many orders are in the mail to whoever has lost them, the next event first.
const MOST_ORDERS: usize = 30;
/// How many orders are looked at with one question.
const PAGE: usize = 5_000;
/// How long an event is waited for that another process has just changed.
const FRESH: Duration = Duration::from_secs(2);

/// Makes mails.
pub struct Composer {
    /// Reads orders.
    pub reads: Reads,
    /// The events as of the last commit.
    pub catalogue: Arc<Catalogue>,
    /// The addresses of orders' pages.
    pub links: Arc<Links>,
    /// Makes the codes of tickets.
    pub codes: Arc<Codes>,
    /// The time of the database.
    pub clock: Arc<DatabaseClock>,
    /// Makes PDF files.
    pub printer: Arc<Printer>,
    /// Whether real money moves.
    pub live: bool,
    /// What calendars were told of events.
    pub sequences: Sequences,
}

/// A part of a mail, from top to bottom.
enum Block {
    /// A paragraph.
    Text(String),
    /// A paragraph in small print.
    Fine(String),
    /// Lines that belong together.
    Lines(Vec<String>),
    /// Names and values.
    Facts(Vec<(String, String)>),
    Ticket(TicketBlock),
    Order(OrderBlock),
    /// A label, and where it leads.
    Button((String, String)),
}

struct TicketBlock {
    /// The Content-ID of its QR code.
    picture: String,
    /// Whose it is.
    name: String,
    /// Its type.
    kind: String,
    /// What people type.
    code: String,
}

struct OrderBlock {
    name: String,
    lines: Vec<String>,
    url: String,
}

/// A mail as its templates have it.
struct Page<'a> {
    lang: Lang,
    test_mode: bool,
    subject: &'a str,
    kicker: &'a str,
    heading: &'a str,
    blocks: &'a [Block],
    why: &'a str,
}

#[derive(Template)]
#[template(path = "mail/mail.html")]
struct Html<'a> {
    page: &'a Page<'a>,
}

#[derive(Template)]
#[template(path = "mail/mail.txt")]
struct Text<'a> {
    page: &'a Page<'a>,
}

/// What of a mail is its own.
struct Draft {
    lang: Lang,
    subject: String,
    kicker: String,
    heading: String,
    blocks: Vec<Block>,
    reply_to: Option<String>,
    inline: Vec<Part>,
    attachments: Vec<Part>,
    /// Why it is sent; none: because of an order.
    why: Option<String>,
}

fn needless(why: &str) -> NotComposed {
    NotComposed::Needless(why.into())
}

/// The language of an order.
fn language(order: &Order) -> Lang {
    Lang::of(order.buyer.language)
}

/// When something starts, with the place of its zone.
fn moment(lang: Lang, ms: TimeMs, zone: &str) -> String {
    format!("{} {}", lang.event_time(ms, None, zone), lang.place_of_zone(ms, zone))
}

/// When an event is, with its end if its organiser has named one.
fn span(lang: Lang, event: &Event) -> String {
    let spec = &event.spec;
    let time = lang.event_time(spec.starts_ms, spec.ends_ms, &spec.zone);
    format!("{time} {}", lang.place_of_zone(spec.starts_ms, &spec.zone))
}

impl Compose for Composer {
    async fn compose(&self, letter: &Letter, to: &str) -> Result<Composed, NotComposed> {
        if let Letter::SignIn(id) | Letter::Invitation(id) = letter {
            return self.finish(self.office(*id).await?);
        }
        if let Letter::WebhookOff(id) = letter {
            return self.finish(self.webhook_off(*id).await?);
        }
        let Some(of) = letter.of() else { return self.finish(self.lost(to).await?) };
        let order = self.order(of.order()).await?;
        if order.is_erased() && !on(Mutant::MailNotStopped) {
            return Err(needless("the buyer was erased"));
        }
        // What was looked at before may have changed meanwhile: nobody else gets what opens the order.
        let elsewhere = order.buyer.email != to && !on(Mutant::MailToOldAddress);
        if elsewhere && !matches!(letter, Letter::AddressChanged(_)) {
            return Err(needless("the order has another address"));
        }
        let event = self.event(&order).await?;
        let lang = language(&order);
        let mut mail = self.written(lang, letter, &order, &event)?;
        let with_tickets = matches!(letter, Letter::Tickets(_) | Letter::Again(_));
        if with_tickets && event.spec.attach_pdf {
            mail.attachments.extend(self.pdf(lang, order, event).await?);
        }
        Ok(mail)
    }
}

impl Composer {
    /// A mail about an order, in this language.
    fn written(
        &self,
        lang: Lang,
        letter: &Letter,
        order: &Order,
        event: &Event,
    ) -> Result<Composed, NotComposed> {
        let write = match letter {
            Letter::Tickets(_) | Letter::Again(_) => Composer::tickets,
            Letter::Refunded(..) => Composer::refunded,
            Letter::Void(_) => Composer::void,
            Letter::Moved { .. } => Composer::moved,
            Letter::EventCanceled(_) => Composer::canceled,
            Letter::AddressChanged(_) => Composer::address_changed,
            Letter::Lost | Letter::SignIn(_) | Letter::Invitation(_) | Letter::WebhookOff(_) => {
                return Err(needless("it is about no order"));
            }
        };
        self.finish(write(self, lang, order, event, letter)?)
    }

    async fn order(&self, id: OrderId) -> Result<Order, NotComposed> {
        let order = self.reads.ask(move |reader| reader.order(id)).await;
        let order = order.map_err(|fault| NotComposed::Later(fault.to_string()))?;
        order.ok_or_else(|| needless("there is no such order any more"))
    }

    /// The event of an order, with all ticket types that the order names.
    async fn event(&self, order: &Order) -> Result<Arc<Event>, NotComposed> {
        let find = || {
            let event = self.catalogue.event_by_id(order.event)?;
            let known = |l: &boxoffice::Line| usize::from(l.ticket_type) < event.ticket_types.len();
            order.lines.iter().all(known).then_some(event)
        };
        if let Some(event) = find() {
            return Ok(event);
        }
        self.catalogue.fresh(FRESH).await;
        find().ok_or_else(|| NotComposed::Later("its event is not known here yet".into()))
    }

    /// The tickets as a PDF file. None where it cannot be made: then the mail is worth more without it.
    async fn pdf(
        &self,
        lang: Lang,
        order: Order,
        event: Arc<Event>,
    ) -> Result<Option<Part>, NotComposed> {
        let (codes, test) = (Arc::clone(&self.codes), !self.live);
        let name = format!("{}-{}.pdf", event.spec.slug, lang.pdf_file());
        let make =
            move || pdf::tickets(lang, &event, &order, &|ticket| codes.of(&order, ticket), test);
        let made = self.printer.print(make).await;
        let made = made.map_err(|_| NotComposed::Later("many files are being made".into()))?;
        match made {
            Ok(bytes) => Ok(Some(Part { name, media_type: "application/pdf", bytes })),
            Err(why) => {
                tracing::warn!(?why, "a mail goes without its PDF");
                Ok(None)
            }
        }
    }

    /// The host at which the box office is.
    fn site(&self) -> &str {
        let base = self.links.base();
        base.split_once("://").map_or(base, |(_, host)| host)
    }

    fn event_url(&self, event: &Event) -> String {
        format!("{}/events/{}", self.links.base(), event.spec.slug)
    }

    /// A mail without its blocks.
    fn draft(lang: Lang, event: &Event, subject: impl Into<String>) -> Draft {
        let contact = &event.spec.contact;
        Draft {
            lang,
            subject: subject.into(),
            kicker: String::new(),
            heading: event.spec.name.clone(),
            blocks: Vec::new(),
            reply_to: (!contact.is_empty()).then(|| contact.clone()),
            inline: Vec::new(),
            attachments: Vec::new(),
            why: None,
        }
    }

    fn finish(&self, draft: Draft) -> Result<Composed, NotComposed> {
        let Draft { lang, kicker, heading, blocks, reply_to, inline, attachments, why, .. } = draft;
        let subject = one_line(&draft.subject);
        let page = &Page {
            lang,
            test_mode: !self.live,
            subject: &subject,
            kicker: &kicker,
            heading: &heading,
            blocks: &blocks,
            why: &why.unwrap_or_else(|| lang.mail_why(self.site()).into()),
        };
        let failed = |error: askama::Error| NotComposed::Later(error.to_string());
        let html = Html { page }.render().map_err(failed)?;
        let text = Text { page }.render().map_err(failed)?;
        Ok(Composed { subject, text, html, reply_to, inline, attachments })
    }

    fn tickets(
        &self,
        lang: Lang,
        order: &Order,
        event: &Event,
        letter: &Letter,
    ) -> Result<Draft, NotComposed> {
        let valid: Vec<&Ticket> = valid(order).collect();
        let count = valid.len() as u64;
        if count == 0 && !on(Mutant::MailNotStopped) {
            return Err(needless("none of its tickets is valid any more"));
        }
        let name = &event.spec.name;
        let subject = match letter {
            Letter::Again(_) => lang.mail_subject_again(count, name),
            _ => lang.mail_subject_tickets(count, name),
        };
        let mut draft = Composer::draft(lang, event, subject);
        draft.kicker = lang.mail_your_tickets(count).into();
        draft.blocks.push(when_and_where(lang, event));
        draft.hello(order);
        draft.blocks.push(Block::Text(lang.mail_here_are(count).into()));
        for ticket in valid.iter().take(MOST_TICKETS) {
            let code = self.codes.of(order, ticket);
            let picture = format!("ticket-{}@nts", ticket.serial);
            let bytes = qr::png(&code.url).unwrap_or_default();
            draft.inline.push(Part { name: picture.clone(), media_type: "image/png", bytes });
            let line = &order.lines[usize::from(ticket.line)];
            let kind = event.ticket_types[usize::from(line.ticket_type)].name.clone();
            let name = ticket.guest.as_ref().unwrap_or(&order.buyer.name).clone();
            let code = code.short;
            draft.blocks.push(Block::Ticket(TicketBlock { picture, name, kind, code }));
        }
        if let Some(more @ 1..) = count.checked_sub(MOST_TICKETS as u64) {
            draft.blocks.push(Block::Text(lang.mail_more_tickets(more).into()));
        }
        draft.order_button(&self.links, order);
        let mut facts = vec![(lang.paid().into(), paid(lang, order))];
        if order.refunded().minor > 0 {
            facts.push((lang.refunded().into(), lang.money(order.refunded())));
        }
        draft.blocks.push(Block::Facts(facts));
        let vat = order.vat();
        draft.blocks.extend(vat.iter().map(|vat| Block::Fine(lang.vat_of(vat))));
        draft.questions(event);
        draft.attachments.push(self.calendar_file(lang, order, event));
        Ok(draft)
    }

    fn refunded(
        &self,
        lang: Lang,
        order: &Order,
        event: &Event,
        letter: &Letter,
    ) -> Result<Draft, NotComposed> {
        let id = letter.refund().unwrap_or(RefundId(0));
        let refund = order.refunds.iter().find(|refund| refund.id == id);
        let refund = refund.ok_or_else(|| needless("there is no such refund"))?;
        let name = &event.spec.name;
        let amount = Money { minor: refund.amount_minor, currency: order.currency };
        let left = valid(order).count() as u64;
        let nothing = refund.amount_minor == 0;
        let failed = matches!(refund.state, RefundState::Failed(_));
        let subject = match (failed, nothing) {
            (true, _) => lang.mail_subject_refund_failed(name),
            (_, true) => lang.mail_subject_returned(back(refund), name),
            _ => lang.mail_subject_refunded(name),
        };
        let mut draft = Composer::draft(lang, event, subject);
        draft.kicker = if nothing { lang.your_order() } else { lang.mail_your_refund() }.into();
        draft.blocks.push(when_and_where(lang, event));
        let text = match (failed, nothing) {
            (true, _) => lang.mail_refund_failed(&lang.money(amount)),
            (_, true) => lang.mail_returned(),
            _ => money_back(lang, amount, order.total()),
        };
        draft.hello(order);
        draft.blocks.push(Block::Text(text.into()));
        if !failed && !nothing {
            draft.blocks.push(Block::Text(how_it_goes_back(lang, order).into()));
        }
        let what = quantities(event, order, &refund.quantities);
        if !what.is_empty() && left > 0 {
            draft.blocks.push(Block::Facts(vec![(lang.mail_refund_of().into(), what)]));
        }
        if !order.tickets.is_empty() {
            let all = order.tickets.len() as u64;
            let text = match left {
                0 => lang.mail_none_valid(all),
                _ if back(refund) == 0 => lang.mail_still_valid(left),
                _ => lang.mail_some_valid(left),
            };
            draft.blocks.push(Block::Text(text.into()));
        }
        draft.order_button(&self.links, order);
        draft.questions(event);
        Ok(draft)
    }

    fn void(
        &self,
        lang: Lang,
        order: &Order,
        event: &Event,
        _: &Letter,
    ) -> Result<Draft, NotComposed> {
        if !matches!(order.state, OrderState::Void | OrderState::Released) {
            return Err(needless("it has tickets"));
        }
        let name = &event.spec.name;
        let mut draft = Composer::draft(lang, event, lang.mail_subject_void(name));
        draft.kicker = lang.your_order().into();
        draft.blocks.push(when_and_where(lang, event));
        draft.hello(order);
        draft.blocks.push(Block::Text(lang.mail_void().into()));
        let (owed, given) = (order.owed_back(), order.refunded());
        match (owed.minor, given.minor) {
            (1.., _) => {
                let text = lang.mail_refund_failed(&lang.money(owed));
                draft.blocks.push(Block::Text(text.into()));
            }
            (_, 1..) => {
                let text = lang.mail_void_money_back(&lang.money(given));
                draft.blocks.push(Block::Text(format!("{text} {}", lang.mail_refund_when())));
            }
            _ => draft.blocks.push(Block::Text(lang.mail_void_no_money().into())),
        }
        if event.on_sale(self.clock.now_ms()) {
            let again = (lang.order_again().into(), self.event_url(event));
            draft.blocks.push(Block::Button(again));
        }
        draft.questions(event);
        Ok(draft)
    }

    fn moved(
        &self,
        lang: Lang,
        order: &Order,
        event: &Event,
        letter: &Letter,
    ) -> Result<Draft, NotComposed> {
        let Letter::Moved { started_ms, place, .. } = letter else {
            return Err(needless("it did not move"));
        };
        let spec = &event.spec;
        let count = valid(order).count() as u64;
        if count == 0 {
            return Err(needless("it has no valid tickets"));
        }
        let name = &spec.name;
        let other = (spec.starts_ms != *started_ms, spec.place != *place);
        let (subject, kicker, text) = match other {
            (true, false) => {
                (lang.mail_subject_moved_date(name), lang.mail_new_date(), lang.mail_moved_date())
            }
            (false, true) => (
                lang.mail_subject_moved_place(name),
                lang.mail_new_place(),
                lang.mail_moved_place(),
            ),
            (true, true) => (
                lang.mail_subject_moved_both(name),
                lang.mail_new_date_and_place(),
                lang.mail_moved_both(),
            ),
            (false, false) => return Err(needless("it is when and where it was")),
        };
        let mut draft = Composer::draft(lang, event, subject);
        draft.kicker = kicker.into();
        draft.blocks.push(when_and_where(lang, event));
        draft.hello(order);
        draft.blocks.push(Block::Text(text.into()));
        let mut facts = Vec::new();
        if other.0 {
            let before = moment(lang, *started_ms, &spec.zone);
            facts.push((lang.mail_when_before().into(), before));
            facts.push((lang.mail_new_date().into(), span(lang, event)));
        }
        if other.1 {
            let or_none =
                |place: &str| if place.is_empty() { "–".into() } else { place.to_owned() };
            facts.push((lang.mail_where_before().into(), or_none(place)));
            facts.push((lang.mail_new_place().into(), or_none(&spec.place)));
        }
        draft.blocks.push(Block::Facts(facts));
        let text = format!("{} {}", lang.mail_nothing_to_do(count), lang.mail_cannot_come());
        draft.blocks.push(Block::Text(text));
        draft.order_button(&self.links, order);
        draft.questions(event);
        draft.attachments.push(self.calendar_file(lang, order, event));
        Ok(draft)
    }

    fn canceled(
        &self,
        lang: Lang,
        order: &Order,
        event: &Event,
        _: &Letter,
    ) -> Result<Draft, NotComposed> {
        let name = &event.spec.name;
        let mut draft = Composer::draft(lang, event, lang.mail_subject_canceled(name));
        draft.kicker = lang.mail_canceled_head().into();
        draft.blocks.push(when_and_where(lang, event));
        draft.hello(order);
        draft.blocks.push(Block::Text(lang.mail_canceled().into()));
        let (total, given) = (order.total().minor, order.refunded());
        let money = match given.minor {
            _ if total == 0 => None,
            0 => Some(lang.mail_canceled_money().into_owned()),
            _ => {
                let text = money_back(lang, given, order.total());
                Some(format!("{text} {}", how_it_goes_back(lang, order)))
            }
        };
        draft.blocks.extend(money.map(Block::Text));
        draft.order_button(&self.links, order);
        draft.questions(event);
        Ok(draft)
    }

    /// To the former address, whose owner may have nothing to do with the order: so it says nothing of it,
    /// and opens nothing.
    fn address_changed(
        &self,
        lang: Lang,
        order: &Order,
        event: &Event,
        _: &Letter,
    ) -> Result<Draft, NotComposed> {
        let name = &event.spec.name;
        let mut draft = Composer::draft(lang, event, lang.mail_subject_address(name));
        draft.kicker = lang.your_order().into();
        draft.blocks.push(when_and_where(lang, event));
        let text = lang.mail_address_changed(&masked(&order.buyer.email));
        draft.blocks.push(Block::Text(text.into()));
        draft.blocks.push(Block::Text(lang.mail_address_not_you().into()));
        draft.questions(event);
        Ok(draft)
    }

    /// All orders of an address for events to come that can be used.
    async fn lost(&self, to: &str) -> Result<Draft, NotComposed> {
        let now = self.clock.now_ms();
        let mut found = Vec::new();
        for order in self.orders_of(to, now).await? {
            let event = self.event(&order).await?;
            let open = matches!(order.state, OrderState::Held | OrderState::Paying);
            let useful = match order.state {
                OrderState::Committed => true,
                _ if open => !order.over(now),
                _ => valid(&order).next().is_some(),
            };
            if useful {
                found.push((event, order, open));
            }
        }
        found.sort_by_key(|(event, order, _)| (event.spec.starts_ms, event.id, order.id));
        let Some((first, ..)) = found.first() else {
            return Err(needless("the address has no orders for events to come"));
        };
        let newest = found.iter().map(|(_, order, _)| order).max_by_key(|order| order.placed_ms);
        let (lang, count) = (newest.map_or(Lang::En, language), found.len() as u64);
        let name = &first.spec.name;
        let subject = match count {
            1 => lang.mail_subject_lost(name),
            _ => lang.mail_subject_lost_more(name, count - 1),
        };
        let mut draft = Composer::draft(lang, first, subject);
        // Several organisers may be asked.
        draft.reply_to = None;
        draft.heading = lang.mail_your_orders(count).into();
        draft.blocks.push(Block::Text(lang.mail_lost(count, self.site()).into()));
        for (event, order, open) in found.iter().take(MOST_ORDERS) {
            let mut lines = vec![span(lang, event)];
            lines.extend((!event.spec.place.is_empty()).then(|| event.spec.place.clone()));
            let all: Vec<u32> = order.lines.iter().map(|l| l.quantity - l.refunded).collect();
            lines.push(quantities(event, order, &all));
            lines.extend(open.then(|| lang.mail_lost_unpaid().into_owned()));
            let (name, url) = (event.spec.name.clone(), self.links.order_url(order.id));
            draft.blocks.push(Block::Order(OrderBlock { name, lines, url }));
        }
        draft.blocks.push(Block::Fine(lang.mail_lost_not_you().into()));
        Ok(draft)
    }

    /// The orders with exactly this address, but for the case of its letters, whose events are not over. An
    /// address that only counts as the same for a limit may be another mailbox.
    async fn orders_of(&self, to: &str, now: TimeMs) -> Result<Vec<Order>, NotComposed> {
        let later = |fault: crate::store::Fault| NotComposed::Later(fault.to_string());
        let (key, untagged) = (buyer_key("", to), untagged_key(to));
        let mut to_come: BTreeMap<EventId, bool> = BTreeMap::new();
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let page = self.reads.ask(move |reader| reader.owners(after, PAGE)).await;
            let page = page.map_err(later)?;
            for owner in &page.owners {
                if owner.buyer != key && Some(owner.buyer) != untagged {
                    continue;
                }
                let coming = to_come.entry(owner.event).or_insert_with(|| {
                    let event = self.catalogue.event_by_id(owner.event);
                    event.is_none_or(|event| !event.is_over(now))
                });
                if *coming {
                    let id = owner.order;
                    let order = self.reads.ask(move |reader| reader.order(id)).await;
                    let order = order.map_err(later)?;
                    found.extend(order.filter(|o| o.buyer.email.eq_ignore_ascii_case(to.trim())));
                }
            }
            after = page.next;
            if after.is_none() {
                return Ok(found);
            }
        }
    }

    fn calendar_file(&self, lang: Lang, order: &Order, event: &Event) -> Part {
        let now = self.clock.now_ms();
        let sequence = self.sequences.of(event, now);
        let all: Vec<u32> = order.lines.iter().map(|l| l.quantity - l.refunded).collect();
        let told = format!("{}\n{}", quantities(event, order, &all), span(lang, event));
        let text = calendar::file(
            lang,
            (order.id.0, order.state),
            event,
            &told,
            &self.event_url(event),
            (sequence, now),
        );
        Part {
            name: format!("{}.ics", event.spec.slug),
            media_type: "text/calendar; charset=utf-8",
            bytes: text.into_bytes(),
        }
    }
}

impl Draft {
    fn hello(&mut self, order: &Order) {
        self.blocks.push(Block::Text(self.lang.mail_hello(&order.buyer.name).into()));
    }

    /// The way to the order's page.
    fn order_button(&mut self, links: &Links, order: &Order) {
        let label = self.lang.mail_open_order().into();
        self.blocks.push(Block::Button((label, links.order_url(order.id))));
        self.blocks.push(Block::Fine(self.lang.mail_link_is_key().into()));
    }

    /// Whom to ask.
    fn questions(&mut self, event: &Event) {
        if !event.spec.contact.is_empty() {
            let text = self.lang.mail_questions(&event.spec.contact);
            self.blocks.push(Block::Text(text.into()));
        }
    }
}

fn valid(order: &Order) -> impl Iterator<Item = &Ticket> {
    order.tickets.iter().filter(|ticket| ticket.state == TicketState::Valid)
}

/// How many places a refund took.
fn back(refund: &Refund) -> u64 {
    refund.quantities.iter().map(|quantity| u64::from(*quantity)).sum()
}

fn paid(lang: Lang, order: &Order) -> String {
    match order.total() {
        Money { minor: 0, .. } => lang.mail_free().into(),
        total => lang.money(total),
    }
}

fn when_and_where(lang: Lang, event: &Event) -> Block {
    let place = Some(&event.spec.place).filter(|place| !place.is_empty());
    Block::Lines([span(lang, event)].into_iter().chain(place.cloned()).collect())
}

/// `2 × Adult, 1 × Child`: so many of each line of an order, without those of which there are none.
fn quantities(event: &Event, order: &Order, of_lines: &[u32]) -> String {
    let some = order.lines.iter().zip(of_lines).filter(|(_, quantity)| **quantity > 0);
    let told = some.map(|(line, quantity)| {
        format!("{quantity} × {}", event.ticket_types[usize::from(line.ticket_type)].name)
    });
    told.collect::<Vec<_>>().join(", ")
}

/// In which way the money of an order goes back.
fn how_it_goes_back(lang: Lang, order: &Order) -> Words {
    match order.tender {
        Tender::Cash => lang.mail_refund_in_cash(),
        Tender::Terminal => lang.mail_refund_at_terminal(),
        Tender::Online | Tender::Free => lang.mail_refund_when(),
    }
}

/// That so much of what an order cost goes back: all of it, or a part.
fn money_back(lang: Lang, amount: Money, total: Money) -> Words {
    match amount.minor >= total.minor {
        true => lang.mail_refund_all(&lang.money(amount)),
        false => lang.mail_refund_part(&lang.money(amount), &lang.money(total)),
    }
}

/// An address of which only its owner knows whose it is: `b•••@example.org`.
fn masked(email: &str) -> String {
    let (name, host) = email.rsplit_once('@').unwrap_or((email, ""));
    let first: String = name.chars().take(1).collect();
    format!("{first}•••@{host}")
}

/// A text as one line of a header.
fn one_line(text: &str) -> String {
    let plain = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    plain.collect::<String>().split_whitespace().collect::<Vec<_>>().join(" ")
}
