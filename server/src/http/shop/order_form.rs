//! The form of an event's page: what was filled in, what is wrong with it, and the hold that it asks for.
//!
//! Whatever the reason for which nothing was held, the answer is the form itself, filled in as it was, with
//! the reason. `Faults::of` says at which field; a reason that it does not know stands above the form.

use super::event::{back_until, event_page};
use super::order::JUST_MADE;
use super::{own_orders, pay};
use crate::actor::Actor;
use crate::admission::Reason;
use crate::admission::client::Client;
use crate::app::App;
use crate::http::extract::{Form, Sent, admit};
use crate::http::idempotency::key_of;
use crate::http::page::{Moment, Page, PageProblem, page, times_in_words};
use crate::http::problem::Problem;
use crate::http::site::Site;
use crate::identity::{buyer, untagged_key};
use crate::language::{Lang, Words};
use crate::problem_code;
use crate::sales::after_the_command;
use crate::text::{begin, capital};
use crate::writer::{CommandError, CommandOutcome};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use boxoffice::{
    CodeSpec, Command, Event, LineWish, Metadata, Money, Order, OrderId, Refusal, Reply, Terms,
    TimeMs, check_email, check_name,
};
use nts_api::ProblemCode;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// So many bytes of a code are looked at: one more than a code has.
const MOST_CODE: usize = 65;

/// How many bytes of a quantity that is no number are shown again.
const SHOWN: usize = 40;

/// What was filled in.
#[derive(Default)]
pub(super) struct Filled {
    /// By ticket type, as typed.
    pub(super) quantities: BTreeMap<String, String>,
    /// Ticket types that were sent more than once, as no form of ours does.
    twice: BTreeSet<String>,
    /// By ticket type, the price that the page has shown, in minor units.
    shown_prices: BTreeMap<String, i64>,
    /// The code, as typed; may be empty.
    pub(super) code: String,
    pub(super) name: String,
    pub(super) email: String,
    /// The version of the terms that is accepted, as the box says it; empty: it is not ticked.
    pub(super) accepts: String,
    /// The language of the page.
    lang: Lang,
}

/// A reason for which nothing was held.
pub(super) struct Faults {
    pub(super) status: StatusCode,
    pub(super) retry_after: Option<u32>,
    /// What is wrong, in a few words.
    pub(super) title: String,
    /// What concerns no field.
    pub(super) whole: Vec<String>,
    /// Where to go on instead.
    pub(super) link: Option<String>,
    quantities: BTreeMap<String, String>,
    /// The highest price of one that was told with this answer, by ticket type.
    told_prices: BTreeMap<String, i64>,
    /// What is wrong with the code.
    pub(super) code: Option<String>,
    pub(super) name: Option<String>,
    pub(super) email: Option<String>,
    pub(super) terms: Option<String>,
}

impl Filled {
    fn of(form: &Form, lang: Lang) -> Filled {
        let (mut quantities, mut twice) = (BTreeMap::new(), BTreeSet::new());
        for (id, number) in form.with_prefix("quantity:") {
            if quantities.insert(id.to_owned(), begin(number, SHOWN).to_owned()).is_some() {
                twice.insert(id.to_owned());
            }
        }
        let prices = form.with_prefix("price:");
        Filled {
            quantities,
            twice,
            shown_prices: prices
                .filter_map(|(id, minor)| Some((id.to_owned(), minor.parse().ok()?)))
                .collect(),
            code: begin(form.get("code").trim(), MOST_CODE).into(),
            name: form.get("name").into(),
            email: form.get("email").into(),
            accepts: begin(form.get("terms"), SHOWN).into(),
            lang,
        }
    }

    /// A form in which nothing but the code is filled in.
    pub(super) fn with_code(typed: &str, lang: Lang) -> Filled {
        Filled { code: begin(typed, MOST_CODE).into(), lang, ..Filled::default() }
    }

    /// The first ticket type that was chosen, or the first on offer.
    fn first_chosen(&self, event: &Event) -> String {
        let on_offer = || event.spec.ticket_types.iter();
        let chosen = |id: &str| self.quantities.get(id).is_some_and(|n| !matches!(&**n, "" | "0"));
        let first = on_offer().find(|t| chosen(&t.id));
        let first = first.or_else(|| on_offer().find(|t| !t.rules.hidden));
        first.map_or_else(String::new, |t| t.id.clone())
    }

    /// What the hold request says of prices.
    fn terms(&self) -> Terms {
        let code = (!self.code.is_empty()).then(|| self.code.clone());
        Terms { code, shown: self.shown_prices.clone() }
    }
}

impl Faults {
    fn new(status: StatusCode, title: impl Into<String>) -> Faults {
        Faults {
            status,
            retry_after: None,
            title: title.into(),
            whole: Vec::new(),
            link: None,
            quantities: BTreeMap::new(),
            told_prices: BTreeMap::new(),
            code: None,
            name: None,
            email: None,
            terms: None,
        }
    }

    /// What is wrong with the number of tickets of this type.
    pub(super) fn of_type(&self, id: &str) -> Option<&str> {
        self.quantities.get(id).map(String::as_str)
    }

    /// The price of this type that the answer tells, if it is about prices.
    pub(super) fn told_price(&self, id: &str) -> Option<i64> {
        self.told_prices.get(id).copied()
    }

    fn is_empty(&self) -> bool {
        self.quantities.is_empty()
            && self.code.is_none()
            && self.name.is_none()
            && self.email.is_none()
            && self.terms.is_none()
    }

    /// What follows from the answer to a hold request. All that is not known here stands above the form in
    /// the words of the problem.
    pub(super) fn of(no: CommandError, event: &Event, filled: &Filled, now: TimeMs) -> Faults {
        let lang = filled.lang;
        let name_of = |id: &str| {
            let known = event.ticket_types.iter().find(|t| t.id == id && !t.retired);
            known.map_or_else(|| begin(id, SHOWN).to_owned(), |t| t.name.clone())
        };
        let at = match &no {
            CommandError::Refused(Refusal::SoldOut { ticket_type, left, held }) => {
                let until = back_until(lang, event, now);
                let text = sold_out(lang, &name_of(ticket_type), *left, *held, &until);
                Some((ticket_type.clone(), text))
            }
            CommandError::Refused(Refusal::LimitPerOrder(limit)) => {
                let text = lang.at_most_in_order((*limit).into());
                Some((filled.first_chosen(event), text))
            }
            CommandError::Refused(Refusal::LimitPerBuyer { limit, has, .. }) => {
                let text = lang.limit_for_person_reached((*limit).into(), (*has).into());
                Some((filled.first_chosen(event), text))
            }
            CommandError::Refused(Refusal::PriceChanged {
                ticket_type,
                shown_minor,
                prices,
                currency,
            }) => {
                let before = lang.price(Money { minor: *shown_minor, currency: *currency });
                let text = match &prices[..] {
                    [(_, minor)] => {
                        let now = lang.price(Money { minor: *minor, currency: *currency });
                        lang.price_was_and_is(&before, &now)
                    }
                    several => lang.prices_are(&before, &lang.prices_of(several, *currency)),
                };
                Some((ticket_type.clone(), text))
            }
            CommandError::Refused(
                refusal @ (Refusal::TypeNotYetOnSale { ticket_type, .. }
                | Refusal::TypeSaleClosed { ticket_type, .. }),
            ) => {
                let at = |ms| Moment::short(lang, ms, &event.spec.zone).in_words();
                Some((ticket_type.clone(), lang.refused(refusal, at)))
            }
            _ => None,
        };
        let told_prices = match &no {
            CommandError::Refused(Refusal::PriceChanged { ticket_type, prices, .. }) => {
                let most = prices.iter().map(|(_, unit_minor)| *unit_minor).max();
                most.map(|most| (ticket_type.clone(), most)).into_iter().collect()
            }
            _ => BTreeMap::new(),
        };
        let of_code = match &no {
            CommandError::Refused(refusal) => matches!(
                problem_code::of(refusal),
                ProblemCode::CodeInvalid | ProblemCode::CodeUsedUp
            ),
            CommandError::OverBudget(over) => over.reason == Reason::Codes,
            _ => false,
        };
        let gone = matches!(no, CommandError::Refused(Refusal::UnknownTicketType(_)));
        let waits =
            matches!(no, CommandError::Refused(Refusal::SoldOut { left: 0, held: 1.., .. }));
        let closed = matches!(
            no,
            CommandError::Refused(
                Refusal::NotYetOnSale(_)
                    | Refusal::SaleClosed(_)
                    | Refusal::EventOver(_)
                    | Refusal::SalePaused
                    | Refusal::EventCanceled
            )
        );
        let problem = Problem::from(no);
        let title = if waits { lang.all_reserved_now().into() } else { problem.title };
        let mut faults = Faults::new(problem.status, title);
        faults.retry_after = problem.retry_after;
        faults.told_prices = told_prices;
        match at {
            Some((id, text)) => {
                faults.quantities.insert(id, text.into_owned());
            }
            None if of_code => {
                let text = times_in_words(lang, &problem.detail, now, &event.spec.zone);
                faults.code = Some(text);
            }
            None if gone => faults.whole.push(lang.chosen_not_on_offer().into()),
            // The page says it of every event that is not on sale.
            None if closed => faults.whole.push(lang.nothing_was_reserved().into()),
            None => faults.whole.push(times_in_words(lang, &problem.detail, now, &event.spec.zone)),
        }
        faults
    }
}

/// Hope only where something is held that may come back.
fn sold_out(lang: Lang, name: &str, left: u32, held: u32, until: &Moment) -> Words {
    let (at, day) = (&until.in_words(), until.has_day());
    match (left, held) {
        (0, 0) => lang.type_sold_out(name),
        (0, _) => lang.type_all_reserved(name, at, day),
        (left, 0) => lang.type_only_left(name, left.into()),
        (left, _) => {
            let only = lang.type_only_left(name, left.into());
            format!("{only} {}", lang.more_may_come_back(at, day)).into()
        }
    }
}

/// `POST /events/{event}/orders`: the form of the event page.
pub async fn hold(
    State(app): State<Arc<Site>>,
    Path(slug): Path<String>,
    client: Client,
    lang: Lang,
    headers: HeaderMap,
    sent: Result<Sent, Problem>,
) -> Page {
    let event = app.sales.event_named(&slug).await?;
    let back = |problem: Problem| PageProblem::from(problem).back_to_event(&event);
    let Sent { headers: _, body } = sent.map_err(back)?;
    let form = Form::read(&headers, &body).map_err(back)?;
    let filled = Filled::of(&form, lang);
    let own = own_orders::known(&app, &headers);
    match order(&app, client, &event, &form, &filled, &body, &own).await {
        Ok(order) => Ok(go_on(&app, client, &headers, &order).await),
        Err(faults) => {
            // As it is now: what has changed may be the reason.
            let event = app.sales.event_named(&slug).await.unwrap_or(event);
            let now = app.clock.now_ms();
            let open = own_orders::to_show(&app, &headers, lang).await;
            let open = open.into_iter().filter(|order| order.event == event.id).collect();
            let (status, retry_after) = (faults.status, faults.retry_after);
            // What is wrong with it is told already, and it does not count once more.
            let code = event.code(&filled.code, now).ok().filter(|_| faults.code.is_none());
            let shown = event_page(&app, &event, code, now, app.catalogue.as_of(now));
            let shown = shown.refused(filled, *faults).with_own_orders(open);
            let mut response = page(&shown);
            *response.status_mut() = status;
            if let Some(seconds) = retry_after {
                response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
            }
            Ok(response)
        }
    }
}

/// Makes the order that the form asks for.
async fn order(
    app: &Site,
    client: Client,
    event: &Event,
    form: &Form,
    filled: &Filled,
    body: &[u8],
    own: &[OrderId],
) -> Result<Arc<Order>, Box<Faults>> {
    let refused = |no: CommandError| {
        let known = match &no {
            CommandError::Refused(Refusal::LimitPerBuyer { order, .. }) => {
                own.contains(order).then_some(*order)
            }
            _ => None,
        };
        let mut faults = Faults::of(no, event, filled, app.clock.now_ms());
        faults.link = known.map(|order| app.links.way_back(order));
        Box::new(faults)
    };
    if let Err(problem) = admit(app) {
        let mut faults = Faults::new(problem.status, problem.title);
        faults.retry_after = problem.retry_after;
        faults.whole.push(problem.detail);
        return Err(Box::new(faults));
    }
    let code = match filled.code.as_str() {
        "" => None,
        typed => Some(app.sales.code(client, event, typed).map_err(&refused)?),
    };
    let to_accept = terms_of(app);
    let lines = checked(event, filled, to_accept, code, app.clock.now_ms()).map_err(|faults| {
        // First what no other choice mends.
        let closed = event.check_sale(app.clock.now_ms()).err();
        closed.map_or(faults, |no| refused(CommandError::Refused(no)))
    })?;
    let buyer = buyer(&filled.name, &filled.email, filled.lang.language());
    if let Some(order) = own_orders::same(app, own, event, &buyer, &lines, &filled.terms()).await {
        return Ok(order);
    }
    // The page's key makes a double click one order; changing the form makes it another request.
    let request = match form.get("key") {
        "" => None,
        key if key.len() > 64 => {
            let lang = filled.lang;
            let mut faults = Faults::new(StatusCode::BAD_REQUEST, lang.send_form_again());
            faults.whole.push(lang.form_was_changed().into());
            return Err(Box::new(faults));
        }
        key => {
            let scope: &[&[u8]] = &[b"form", event.spec.slug.as_bytes(), body];
            Some(key_of(scope, key.as_bytes(), body))
        }
    };
    let order = app.ids.order(app.clock.now_ms());
    let untagged = untagged_key(&buyer.email);
    let terms = filled.terms();
    let event_id = event.id;
    let command = Command::Hold {
        order,
        event: event_id,
        buyer,
        untagged,
        lines,
        terms,
        metadata: Metadata::default(),
        most_ms: None,
    };
    let outcome = app.sales.hold(client, event, command, request).await;
    let CommandOutcome { reply, order, .. } = outcome.map_err(&refused)?;
    let Reply::Held { order: id, .. } = reply else {
        return Err(refused(CommandError::KeyReused));
    };
    let order = match order {
        Some(order) => order,
        None => after_the_command(app.sales.find(id).await).map_err(&refused)?,
    };
    // Recorded before anybody hears of the order: a form that is sent again records the same.
    if let Some(version) = to_accept {
        app.shop.accept_terms(order.id, version).await.map_err(&refused)?;
    }
    Ok(order)
}

/// Which terms the buyer must accept, if the shop has some.
fn terms_of(app: &App) -> Option<u32> {
    let row = &app.shop.known().row;
    (!row.terms.is_empty()).then_some(row.terms_version)
}

/// What the form asks for, or all that is wrong with it.
fn checked(
    event: &Event,
    filled: &Filled,
    terms: Option<u32>,
    code: Option<&CodeSpec>,
    now: TimeMs,
) -> Result<Vec<LineWish>, Box<Faults>> {
    let limit =
        i64::from(event.spec.limit_per_order.min(event.spec.limit_per_buyer.unwrap_or(u32::MAX)));
    let lang = filled.lang;
    let too_many = lang.at_most_in_order(limit.unsigned_abs()).into_owned();
    let mut faults = Faults::new(StatusCode::CONFLICT, lang.check_marked_fields());
    let mut lines = Vec::new();
    for (id, typed) in &filled.quantities {
        let number = typed.strip_prefix('+').unwrap_or(typed);
        let digits = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
        let quantity = match number.parse::<i64>() {
            _ if number.is_empty() => 0,
            Ok(quantity) if digits => quantity,
            Err(_) if digits => {
                faults.status = StatusCode::BAD_REQUEST;
                i64::MAX
            }
            _ => {
                faults.status = StatusCode::BAD_REQUEST;
                faults.quantities.insert(id.clone(), lang.enter_whole_number().into());
                continue;
            }
        };
        if filled.twice.contains(id) {
            faults.status = StatusCode::BAD_REQUEST;
            faults.quantities.insert(id.clone(), lang.sent_twice().into());
        } else if quantity > limit {
            faults.quantities.insert(id.clone(), too_many.clone());
        } else if quantity > 0 {
            lines.push(LineWish { ticket_type: id.clone(), quantity });
        }
    }
    if lines.iter().map(|line| line.quantity).sum::<i64>() > limit {
        let text = format!("{too_many} {}", lang.more_of_all_kinds());
        faults.quantities.insert(filled.first_chosen(event), text);
    }
    if lines.is_empty() && faults.quantities.is_empty() {
        faults.status = StatusCode::BAD_REQUEST;
        faults.quantities.insert(filled.first_chosen(event), lang.choose_how_many().into());
    }
    let buyer = buyer(&filled.name, &filled.email, filled.lang.language());
    let wrong = |text: String| format!("{}.", capital(&text));
    if buyer.name.is_empty() {
        faults.name = Some(lang.enter_name().into());
    } else if let Err(text) = check_name(&buyer.name) {
        faults.name = Some(lang.wrong_name(&wrong(text)).into());
    }
    if buyer.email.is_empty() {
        faults.email = Some(lang.enter_email().into());
    } else if let Err(text) = check_email(&buyer.email) {
        faults.email = Some(lang.wrong_email(&wrong(text)).into());
    }
    if let Some(version) = terms
        && filled.accepts != version.to_string()
    {
        let others = !filled.accepts.is_empty();
        let text = if others { lang.terms_have_changed() } else { lang.accept_terms_first() };
        faults.terms = Some(text.into());
    }
    if faults.name.is_some() || faults.email.is_some() || faults.terms.is_some() {
        faults.status = StatusCode::BAD_REQUEST;
    }
    if !faults.is_empty() {
        return Err(Box::new(faults));
    }
    // Nothing is held until the buyer has seen what it costs.
    for LineWish { ticket_type, quantity } in &lines {
        let Some(shown) = filled.shown_prices.get(ticket_type).copied() else { continue };
        let Some(offer) = event.offer(ticket_type, code, now) else { continue };
        let prices = offer.split(u32::try_from(*quantity).unwrap_or(0));
        let prices: Vec<_> = prices.into_iter().map(|(n, price)| (n, price.unit_minor)).collect();
        if prices.iter().any(|(_, unit_minor)| *unit_minor > shown) {
            let (ticket_type, currency) = (ticket_type.clone(), event.spec.currency);
            let no = Refusal::PriceChanged { ticket_type, shown_minor: shown, prices, currency };
            let told = Faults::of(CommandError::Refused(no), event, filled, now);
            faults.title = told.title;
            faults.quantities.extend(told.quantities);
            faults.told_prices.extend(told.told_prices);
        }
    }
    if faults.is_empty() { Ok(lines) } else { Err(Box::new(faults)) }
}

/// From the form to what comes next: the payment page; or the tickets, if they are free.
async fn go_on(app: &App, client: Client, headers: &HeaderMap, order: &Order) -> Response {
    if order.total().minor == 0 {
        // Where this fails, the order's page offers it again and says why.
        _ = app.sales.pay(Actor::Buyer, client, order.id, String::new(), None).await;
        return remembered(app, headers, order, &app.links.order_path(order.id)).await;
    }
    // By way of the order's page, which sees whether the browser keeps cookies.
    let path = format!("{}?{JUST_MADE}", app.links.order_path(order.id));
    remembered(app, headers, order, &path).await
}

/// Leads there with the cookies that find back to the order.
async fn remembered(app: &App, headers: &HeaderMap, order: &Order, path: &str) -> Response {
    let mut response = pay::remember(app, order.id, Redirect::to(path).into_response());
    own_orders::remember(app, headers, order, &mut response).await;
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use nts_testkit::fixtures;

    fn event() -> Event {
        let ticket_type = |id: &str, price_minor| boxoffice::TicketType {
            id: id.into(),
            name: format!("The {id}"),
            pool: 0,
            price_minor,
            retired: false,
        };
        let mut spec = fixtures::event_spec("rock", 9);
        spec.limit_per_order = 3;
        spec.limit_per_buyer = None;
        let ticket_types = vec![ticket_type("adult", 2_500), ticket_type("child", 500)];
        let offered = |t: &boxoffice::TicketType| boxoffice::TicketTypeSpec {
            id: t.id.clone(),
            name: t.name.clone(),
            pool: "p".into(),
            price_minor: t.price_minor,
            rules: boxoffice::TypeRules::default(),
        };
        spec.ticket_types = ticket_types.iter().map(offered).collect();
        Event {
            id: boxoffice::EventId(1),
            spec,
            pools: vec![boxoffice::Pool { name: "p".into(), capacity: 9, held: 0, sold: 0 }],
            ticket_types,
            counters: vec![],
            serials: 0,
            sale: boxoffice::Sale::Open,
        }
    }

    fn filled(fields: &[(&str, &str)]) -> Filled {
        let headers = [(header::CONTENT_TYPE, "application/x-www-form-urlencoded")];
        let headers = headers.map(|(name, value)| (name, value.parse().expect("a value")));
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let form = Form::read(&HeaderMap::from_iter(headers), body.as_bytes());
        Filled::of(&form.unwrap_or_else(|_| panic!("a form")), Lang::En)
    }

    const ANN: [(&str, &str); 2] = [("name", "Ann"), ("email", "ann@example.org")];

    #[test]
    fn each_mistake_is_told_at_its_field_and_all_at_once() {
        let event = event();
        let faults = |quantities: &[(&str, &str)], name: &str, email: &str| {
            let mut fields = quantities.to_vec();
            fields.extend([("name", name), ("email", email)]);
            checked(&event, &filled(&fields), None, None, 0).err()
        };
        for typed in ["x", "-1", "1.5", "1e1", "٢", "0x1", "1 2", "--", "+"] {
            let faults = faults(&[("quantity:adult", typed)], "Ann", "ann@example.org");
            // A sign alone is no number, and nothing is chosen.
            let faults = faults.unwrap_or_else(|| panic!("{typed}"));
            assert_eq!(faults.status, StatusCode::BAD_REQUEST, "{typed}");
            assert!(faults.of_type("adult").is_some(), "{typed}");
        }
        for typed in ["4", "9", "1000000000", "+4"] {
            let faults = faults(&[("quantity:adult", typed)], "Ann", "ann@example.org");
            let faults = faults.unwrap_or_else(|| panic!("{typed}"));
            assert_eq!(faults.of_type("adult"), Some("At most 3 tickets in one order."));
            assert_eq!(faults.status, StatusCode::CONFLICT, "{typed}");
        }
        let both = [("quantity:adult", "2"), ("quantity:child", "2")];
        let together = faults(&both, "Ann", "ann@example.org").expect("a fault");
        assert!(together.of_type("adult").is_some_and(|text| text.contains("together")));
        let all = faults(&[("quantity:child", "x")], " ", "ann").expect("faults");
        assert!(all.of_type("child").is_some() && all.name.is_some() && all.email.is_some());
        let none = faults(&[], "Ann", "ann@example.org").expect("a fault");
        assert_eq!(none.of_type("adult"), Some("Choose how many tickets you want."));
        assert!(faults(&[("quantity:adult", "3")], "Ann", "ann@example.org").is_none());
    }

    #[test]
    fn a_price_that_was_shown_is_the_price_or_it_is_told() {
        let event = event();
        let with = |shown: &[(&str, &str)]| {
            let mut fields = vec![("quantity:adult", "1")];
            fields.extend(ANN);
            fields.extend(shown);
            checked(&event, &filled(&fields), None, None, 0)
        };
        assert!(with(&[]).is_ok(), "a program that shows no price");
        assert!(with(&[("price:adult", "2500")]).is_ok());
        assert!(with(&[("price:adult", "2500"), ("price:child", "1")]).is_ok(), "not chosen");
        let changed = with(&[("price:adult", "2000")]).expect_err("another price");
        assert_eq!(
            (changed.status, &*changed.title),
            (StatusCode::CONFLICT, "The price has changed")
        );
        let text = changed.of_type("adult").expect("at its field");
        assert!(text.contains("£20.00") && text.contains("£25.00"), "{text}");
    }

    #[test]
    fn what_the_form_does_not_know_stands_above_it() {
        let event = event();
        let filled = filled(&[("quantity:child", "2")]);
        let of = |no| Faults::of(no, &event, &filled, 0);
        for no in [
            CommandError::Unavailable,
            CommandError::InDoubt,
            CommandError::Busy,
            CommandError::Refused(Refusal::SaleClosed(0)),
            CommandError::Refused(Refusal::NotYetOnSale(0)),
            CommandError::Refused(Refusal::UnknownTicketType("vip".into())),
            CommandError::Refused(Refusal::Invalid("whatever comes".into())),
        ] {
            let told = format!("{no:?}");
            let faults = of(no);
            assert!(faults.is_empty() && faults.whole.len() == 1, "{told}");
            assert!(faults.status.is_client_error() || faults.status.is_server_error(), "{told}");
        }
        let sold_out = |left, held| {
            let ticket_type = "child".into();
            of(CommandError::Refused(Refusal::SoldOut { ticket_type, left, held }))
        };
        let said = |left, held| sold_out(left, held).of_type("child").unwrap_or("").to_owned();
        assert_eq!(said(0, 0), "“The child” is sold out.");
        assert!(said(0, 2).contains("Some may come back until 00:05 UTC."));
        assert_eq!(said(1, 0), "Only 1 left of “The child”.");
        assert!(said(1, 1).contains("More may come back until 00:05 UTC."));
        let limit = Refusal::LimitPerBuyer { limit: 2, has: 1, order: OrderId(1) };
        assert!(of(CommandError::Refused(limit)).of_type("child").is_some());
    }
}
