//! Selling at the box office, and giving tickets away: a form, a page that says what will be recorded and what it
//! costs, and then the page of the order. The form carries a key: sent twice, it does what it does once.

use super::form::Faults;
use super::order_forms::{is_key, key_of_form, new_key};
use super::order_words::{money, paid_how};
use super::{OfficeFrame, Staff, Way};
use crate::access::{Caller, may};
use crate::app::App;
use crate::http::extract::{Form, Sent, SentByStaff};
use crate::http::office::order;
use crate::http::page::{Page, page};
use crate::http::problem::Problem;
use crate::http::site::Site;
use crate::http::speaks::preferred;
use crate::http::staff::event_for;
use crate::language::Lang;
use crate::organiser::sell::Sale;
use crate::text::{begin, capital, counted};
use crate::writer::CommandError;
use askama::Template;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use boxoffice::{
    Event, LineWish, MOST_SOLD_AT_ONCE, Metadata, Money, Offer, Order, Refusal, Tender, TimeMs,
    check_email, check_name,
};
use std::sync::Arc;

/// A note has so many characters at most.
const NOTE: usize = 100;
/// So many bytes of a number that is none are shown again.
const SHOWN: usize = 40;
/// In this name are tickets that are sold to somebody who gave none.
const NOBODY: &str = "Box office";

/// What a page is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Does {
    Sell,
    Give,
}

impl Does {
    /// The last part of the address.
    fn part(self) -> &'static str {
        match self {
            Does::Sell => "sell",
            Does::Give => "give",
        }
    }

    /// How it can be paid.
    fn tenders(self) -> &'static [Tender] {
        match self {
            Does::Sell => &[Tender::Cash, Tender::Terminal],
            Does::Give => &[Tender::Free],
        }
    }
}

/// The pages on which an organiser makes orders: the last part of the address, and what it is called.
const WAYS: [(&str, &str); 3] =
    [("sell", "Sell at the box office"), ("give", "Give away"), ("guests", "Guests from a file")];

/// The frame of such a page, and the ways to the others.
pub(super) fn frame(
    app: &App,
    caller: &Caller,
    event: &Event,
    here: &str,
) -> (OfficeFrame, Vec<Way>) {
    let slug = &event.spec.slug;
    let mut office = OfficeFrame::of_event(app, caller, (event.id, slug), here);
    let first = format!("/office/events/{slug}/sell");
    let pages = office.event.iter_mut().flat_map(|event| &mut event.pages);
    pages.for_each(|way| way.within = way.path == first && !way.here);
    let way = |(part, words): (&str, &'static str)| Way {
        path: format!("/office/events/{slug}/{part}"),
        words,
        here: part == here,
        within: false,
    };
    (office, WAYS.map(way).into())
}

/// Why nothing can be sold or given away any more, if so.
pub(super) fn closed(event: &Event, now: TimeMs) -> Option<&'static str> {
    match () {
        () if event.is_canceled() => Some("The event was cancelled: it has no tickets any more."),
        () if event.is_over(now) => Some("The event is over: it has no tickets any more."),
        () => None,
    }
}

/// The languages in which somebody can be written to: a tag, its name, and whether it is chosen.
pub(super) fn languages(chosen: &str) -> Vec<(&'static str, &'static str, bool)> {
    let name = |lang: Lang| match lang {
        Lang::En | Lang::Pseudo => "English",
        Lang::De => "German",
        Lang::Fr => "French",
        Lang::Es => "Spanish",
    };
    Lang::ALL.into_iter().map(|lang| (lang.tag(), name(lang), lang.tag() == chosen)).collect()
}

#[derive(Template)]
#[template(path = "office/sell.html")]
struct SellPage {
    office: OfficeFrame,
    ways: Vec<Way>,
    gift: bool,
    path: String,
    title: &'static str,
    faults: Faults,
    /// Why there is no form.
    closed: Option<&'static str>,
    typed: Typed,
    types: Vec<TypeField>,
    tenders: Vec<(&'static str, &'static str)>,
    languages: Vec<(&'static str, &'static str, bool)>,
    /// Once it is checked: what will be recorded.
    check: Option<Check>,
}

/// What stands in the form.
#[derive(Clone, Default)]
struct Typed {
    key: String,
    /// By ticket type.
    quantities: Vec<(String, String)>,
    tender: String,
    name: String,
    email: String,
    language: String,
    note: String,
}

/// A ticket type in the form.
struct TypeField {
    /// The id and the name of its field.
    field: String,
    name: String,
    price: String,
    left: String,
    none_left: bool,
    hidden: bool,
    value: String,
}

/// What will be recorded.
struct Check {
    lines: Vec<CheckLine>,
    total: String,
    total_minor: i64,
    /// What is known of it: a name and a value.
    facts: Vec<(&'static str, String)>,
    /// What happens then.
    told: Vec<String>,
    /// The words of the button that does it.
    button: String,
}

struct CheckLine {
    name: String,
    price: String,
    quantity: u32,
    sum: String,
}

/// The id of the field of a ticket type.
fn field_of(ticket_type: &str) -> String {
    format!("quantity:{ticket_type}")
}

impl Typed {
    fn of(form: &Form) -> Typed {
        let quantities = form.with_prefix("quantity:");
        let text = |name: &str| form.get(name).to_owned();
        Typed {
            key: text("key"),
            quantities: quantities.map(|(id, n)| (id.into(), begin(n, SHOWN).into())).collect(),
            tender: text("tender"),
            name: text("name"),
            email: text("email"),
            language: text("language"),
            note: text("note"),
        }
    }

    fn quantity(&self, ticket_type: &str) -> &str {
        let found = self.quantities.iter().find(|(id, _)| id == ticket_type);
        found.map_or("", |(_, quantity)| quantity)
    }

    /// What is to be sold, or what is wrong with which field.
    fn sale(&self, does: Does, event: &Event, now: TimeMs) -> Result<Sale, Faults> {
        let mut faults = Faults::none();
        let offers = event.all_offers(now);
        let mut lines = Vec::new();
        for Offer { spec, .. } in &offers {
            let quantity = match self.quantity(&spec.id) {
                "" => continue,
                typed => typed.parse::<u32>().ok().filter(|n| *n <= MOST_SOLD_AT_ONCE),
            };
            match quantity {
                Some(0) => {}
                Some(quantity) => {
                    lines.push(LineWish { ticket_type: spec.id.clone(), quantity: quantity.into() })
                }
                None => faults.add(
                    field_of(&spec.id),
                    format!(
                        "{}: type a number from 0 to {}.",
                        spec.name,
                        Lang::En.number(MOST_SOLD_AT_ONCE.into())
                    ),
                ),
            }
        }
        let asked = |id: &str| !self.quantity(id).is_empty() && self.quantity(id) != "0";
        for (id, _) in self.quantities.iter().filter(|(id, _)| asked(id)) {
            if !offers.iter().any(|offer| offer.spec.id == *id) {
                faults.add_whole(
                    "A ticket type is not sold any more. Look at the numbers once more.",
                );
            }
        }
        if let (true, true, Some(first)) = (lines.is_empty(), faults.is_empty(), offers.first()) {
            faults.add(field_of(&first.spec.id), "Type how many tickets, of one type at least.");
        }
        let tender = match does {
            Does::Give => Some(Tender::Free),
            Does::Sell => {
                does.tenders().iter().copied().find(|tender| tender.word() == self.tender)
            }
        };
        if tender.is_none() {
            faults.add("tender", "Choose how it is paid.");
        }
        let name = match does {
            Does::Sell if self.name.is_empty() => NOBODY,
            _ => &self.name,
        };
        if name.is_empty() {
            faults.add("name", "Type the name of the guest.");
        } else if let Err(why) = check_name(name) {
            faults.add("name", format!("{}.", capital(&why)));
        }
        if let Err(why) = check_email(&self.email) {
            faults.add("email", format!("{}.", capital(&why)));
        }
        if self.note.chars().count() > NOTE || self.note.chars().any(char::is_control) {
            faults.add("note", format!("A note is one line of at most {NOTE} characters."));
        }
        match tender.filter(|_| faults.is_empty()) {
            None => Err(faults),
            Some(tender) => Ok(Sale {
                name: name.to_owned(),
                email: self.email.clone(),
                language: Lang::parse(&self.language).unwrap_or_default().language(),
                lines,
                tender,
                reference: self.note.clone(),
                metadata: Metadata::default(),
                shown_minor: None,
            }),
        }
    }
}

/// The prices of a ticket type, that of now first.
fn prices(offer: &Offer<'_>, event: &Event) -> String {
    let told = offer.prices.iter().map(|price| {
        let each = Lang::En.price(Money { minor: price.unit_minor, currency: event.spec.currency });
        match price.left {
            Some(left) => format!("{each} for {left}"),
            None => each,
        }
    });
    // Where a phase ends by time alone, the next price does not hold yet.
    let ends = offer.prices.iter().position(|price| price.left.is_none()).unwrap_or(0);
    told.take(ends + 1).collect::<Vec<_>>().join(", then ")
}

impl SellPage {
    fn of(
        app: &App,
        caller: &Caller,
        event: &Event,
        does: Does,
        mut typed: Typed,
        faults: Faults,
    ) -> SellPage {
        let now = app.clock.now_ms();
        if !is_key(&typed.key) {
            typed.key = new_key(app);
        }
        let (office, ways) = frame(app, caller, event, does.part());
        let types = event.all_offers(now).into_iter().map(|offer| TypeField {
            field: field_of(&offer.spec.id),
            name: offer.ticket_type.name.clone(),
            price: match does {
                Does::Sell => capital(&prices(&offer, event)),
                Does::Give if offer.price().unit_minor == 0 => "Free".into(),
                Does::Give => format!("Free, instead of {}", prices(&offer, event)),
            },
            left: match (offer.left, offer.held) {
                (0, 0) => "None left".into(),
                (0, held) => format!("None left; {held} reserved may come back"),
                (left, _) => format!("{} left", Lang::En.number(left.into())),
            },
            none_left: offer.left == 0,
            hidden: offer.spec.rules.hidden,
            value: typed.quantity(&offer.spec.id).to_owned(),
        });
        let words = |tender: &Tender| match tender {
            Tender::Cash => (tender.word(), "In cash"),
            _ => (tender.word(), "By card, at your terminal"),
        };
        SellPage {
            office,
            ways,
            gift: does == Does::Give,
            path: format!("/office/events/{}/{}", event.spec.slug, does.part()),
            title: match does {
                Does::Sell => "Sell at the box office",
                Does::Give => "Give tickets away",
            },
            faults,
            closed: closed(event, now),
            types: types.collect(),
            tenders: does.tenders().iter().map(words).collect(),
            languages: languages(&typed.language),
            typed,
            check: None,
        }
    }

    /// The page that says what will be recorded.
    fn checked_by(self, event: &Event, order: &Order, sale: &Sale) -> SellPage {
        let lines = order.lines.iter().map(|line| CheckLine {
            name: event.ticket_types[usize::from(line.ticket_type)].name.clone(),
            price: money(line.unit_minor, order),
            quantity: line.quantity,
            sum: money(line.price_minor(), order),
        });
        let tickets = counted(order.places(), "ticket");
        let total = money(order.total().minor, order);
        let mut facts = vec![("Name", order.buyer.name.clone())];
        if !order.buyer.email.is_empty() {
            facts.push(("E-mail", order.buyer.email.clone()));
        }
        facts.push(("Paid", paid_how(sale.tender).into()));
        if !sale.reference.is_empty() {
            facts.push(("Note", sale.reference.clone()));
        }
        let mailed = match order.buyer.email.is_empty() {
            true => "Nothing is mailed. The page of the order has the tickets to print.".to_owned(),
            false => format!("The tickets are mailed to {}.", order.buyer.email),
        };
        let moves = match sale.tender {
            Tender::Cash => format!("You take {total} in cash: nts moves no money."),
            Tender::Terminal => {
                format!("You take {total} at your card terminal: nts moves no money.")
            }
            Tender::Free | Tender::Online => "Nothing is paid. No money moves.".into(),
        };
        let button = match sale.tender {
            Tender::Cash => format!("Record {total} in cash"),
            Tender::Terminal => format!("Record {total} by card"),
            Tender::Free | Tender::Online => format!("Give {tickets} away"),
        };
        let title = if self.gift { "Check the gift" } else { "Check the sale" };
        let check = Check {
            lines: lines.collect(),
            total_minor: order.total().minor,
            facts,
            told: vec![format!("{} valid at once.", are(&tickets, order.places())), moves, mailed],
            button,
            total,
        };
        SellPage { title, check: Some(check), ..self }
    }
}

fn are(what: &str, many: u32) -> String {
    format!("{what} {}", if many == 1 { "is" } else { "are" })
}

/// What is wrong with a form because of a rule, at the field that it is about.
fn faults_of(refusal: &Refusal, event: &Event) -> Faults {
    let mut faults = Faults::none();
    let name = |id: &str| {
        let known = event.spec.ticket_types.iter().find(|t| t.id == id);
        known.map_or(id, |t| &t.name).to_owned()
    };
    match refusal {
        Refusal::SoldOut { ticket_type, left, held } => {
            let back = match held {
                0 => String::new(),
                held => format!(" {} not paid yet, and may come back.", are(&held.to_string(), *held)),
            };
            let name = name(ticket_type);
            let left = if *left == 0 { "none".into() } else { format!("only {left}") };
            faults.add(
                field_of(ticket_type),
                format!("{name}: {left} left. Nothing was recorded.{back}"),
            );
        }
        Refusal::LimitPerOrder(most) => faults.add_whole(format!(
            "An order has at most {} tickets. Nothing was recorded. Make two of it.",
            Lang::En.number((*most).into())
        )),
        Refusal::EventOver(_) => faults.add_whole("The event is over. Nothing was recorded."),
        Refusal::EventCanceled => faults.add_whole("The event was cancelled. Nothing was recorded."),
        Refusal::TotalChanged { .. } => faults.add_whole(
            "The price has changed since you saw it. Nothing was recorded yet: look at the new total first.",
        ),
        other => {
            let detail = Problem::from(CommandError::Refused(other.clone())).detail;
            faults.add_whole(format!("{detail} Nothing was recorded."));
        }
    }
    faults
}

fn with_status(template: &impl Template, status: StatusCode) -> Response {
    (status, page(template)).into_response()
}

async fn show(app: &Site, caller: &Caller, slug: &str, headers: &HeaderMap, does: Does) -> Page {
    let event = event_for(app, caller, slug).await?;
    caller.permit::<may::SellTickets>(event.id)?;
    let typed = Typed { language: preferred(headers).tag().into(), ..Typed::default() };
    Ok(page(&SellPage::of(app, caller, &event, does, typed, Faults::none())))
}

async fn take(app: &Site, slug: &str, sent: SentByStaff, does: Does) -> Page {
    let SentByStaff(caller, Sent { headers, body }) = sent;
    let event = event_for(app, &caller, slug).await?;
    let permit = caller.permit::<may::SellTickets>(event.id)?;
    let form = Form::read(&headers, &body)?;
    let typed = Typed::of(&form);
    let shown = |typed: Typed, faults| SellPage::of(app, &caller, &event, does, typed, faults);
    if form.get("do") == "change" {
        return Ok(page(&shown(typed, Faults::none())));
    }
    let refused =
        |faults| Ok(with_status(&shown(typed.clone(), faults), StatusCode::UNPROCESSABLE_ENTITY));
    let mut sale = match typed.sale(does, &event, app.clock.now_ms()) {
        Ok(sale) => sale,
        Err(faults) => return refused(faults),
    };
    // What would be recorded now, on a page that asks whether it is meant.
    let check = |sale: &Sale, faults, status| match app.organiser.preview_sale(
        &permit,
        &event,
        sale.clone(),
    ) {
        Ok(order) => {
            with_status(&shown(typed.clone(), faults).checked_by(&event, &order, sale), status)
        }
        Err(no) => with_status(
            &shown(typed.clone(), faults_of(&no, &event)),
            StatusCode::UNPROCESSABLE_ENTITY,
        ),
    };
    let total = form.get("total").parse::<i64>().ok();
    let Some(total) = total.filter(|_| form.get("do") == "record") else {
        return Ok(check(&sale, Faults::none(), StatusCode::OK));
    };
    let says = format!("{sale:?} {total}");
    let request = key_of_form(&caller, does.part(), &event.id.0.to_be_bytes(), &form, &says)?;
    sale.shown_minor = Some(total);
    let done = app.organiser.sell(&permit, sale.clone(), Some(request)).await;
    sale.shown_minor = None;
    match done {
        Ok(order) => {
            let to = format!("{}?done=sold#done", order::path(order.id));
            Ok(Redirect::to(&to).into_response())
        }
        Err(CommandError::Refused(no @ Refusal::TotalChanged { .. })) => {
            Ok(check(&sale, faults_of(&no, &event), StatusCode::CONFLICT))
        }
        Err(CommandError::Refused(no)) => refused(faults_of(&no, &event)),
        Err(CommandError::KeyReused) => {
            let faults = Faults::of_all(
                "This form was sent before with other entries, and has made an order then. Nothing was recorded now. \
                 Look at the orders of the event, and go on if you mean another one.",
            );
            let typed = Typed { key: String::new(), ..typed.clone() };
            Ok(with_status(&shown(typed, faults), StatusCode::CONFLICT))
        }
        Err(no) => {
            // Whether it was recorded or not: the same form does it once.
            let problem = Problem::from(no);
            let status = problem.status;
            let text = format!("{} Send this once more: it is recorded once.", problem.detail);
            Ok(check(&sale, Faults::of_all(text), status))
        }
    }
}

/// `GET /office/events/{event}/sell`
pub async fn sell_form(
    State(app): State<Arc<Site>>,
    Path(slug): Path<String>,
    Staff(caller): Staff,
    headers: HeaderMap,
) -> Page {
    show(&app, &caller, &slug, &headers, Does::Sell).await
}

/// `POST /office/events/{event}/sell`: says what will be recorded, and records it once that is confirmed.
pub async fn sell(
    State(app): State<Arc<Site>>,
    Path(slug): Path<String>,
    sent: SentByStaff,
) -> Page {
    take(&app, &slug, sent, Does::Sell).await
}

/// `GET /office/events/{event}/give`
pub async fn give_form(
    State(app): State<Arc<Site>>,
    Path(slug): Path<String>,
    Staff(caller): Staff,
    headers: HeaderMap,
) -> Page {
    show(&app, &caller, &slug, &headers, Does::Give).await
}

/// `POST /office/events/{event}/give`: says what will be given away, and gives it once that is confirmed.
pub async fn give(
    State(app): State<Arc<Site>>,
    Path(slug): Path<String>,
    sent: SentByStaff,
) -> Page {
    take(&app, &slug, sent, Does::Give).await
}
