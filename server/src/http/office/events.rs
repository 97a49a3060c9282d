//! The pages of an event for its organiser: making, changing and copying it, publishing and hiding it, pausing
//! its sale, cancelling and deleting it.

use super::event_form::{Row, Typed, slug_of, unused};
use super::form::Faults;
use super::{OfficeFrame, Staff};
use crate::access::{Caller, Right, may};
use crate::event_body;
use crate::http::api::event_sale::{places_left, places_to_give_back};
use crate::http::extract::{Form, Sent, SentByStaff};
use crate::http::page::{Moment, Page, page};
use crate::http::problem::Problem;
use crate::http::query::Query;
use crate::http::site::Site;
use crate::http::staff::event_for;
use crate::language::Lang;
use crate::sales::SaleError;
use crate::store::records::cancellations::Cancellation;
use crate::text::capital;
use crate::writer::CommandError;
use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use boxoffice::{Event, EventSpec, Money, Refusal, Sale};
use nts_api::EventBody;
use std::sync::Arc;

/// The form of an event.
#[derive(Template)]
#[template(path = "office/event_form.html")]
struct FormPage {
    office: OfficeFrame,
    /// What is done: `New event`, or the name of the event.
    title: String,
    faults: Faults,
    typed: Typed,
    pools: Vec<PoolFields>,
    types: Vec<TypeFields>,
    codes: Vec<Vec<Field>>,
    questions: Vec<Vec<Field>>,
    pool_names: Vec<String>,
    zones: Vec<String>,
    /// What the form was made from, as JSON; empty: a new event.
    seen: String,
    /// What others have changed meanwhile.
    changes: Vec<(String, String, String)>,
    /// What was just done.
    done: Option<String>,
    /// What is odd about the event.
    warnings: Vec<String>,
    /// Of an event that is there already.
    known: Option<Known>,
    /// The event that this is a copy of.
    copy_of: Option<String>,
    /// The field in which the cursor is to be.
    focus: String,
    /// Whether the details are open.
    open: bool,
}

/// What can be done with an event that is there.
struct Known {
    slug: String,
    hidden: bool,
    paused: bool,
    canceled: bool,
    on_sale: bool,
    /// Whether nobody has ordered yet, as far as the counts tell.
    unsold: bool,
    /// Whether its reader may cancel it.
    cancels: bool,
}

/// A pool in the form, with the ids of its fields.
struct PoolFields {
    n: usize,
    name_id: String,
    name: String,
    places_id: String,
    places: String,
    known: bool,
    gone: bool,
}

/// A field of a row: its id, what it is called, what stands in it, and a hint.
struct Field {
    id: String,
    label: &'static str,
    value: String,
    hint: &'static str,
    /// The kind of the input; `select`: one of the options; `area`: of several lines; `hidden`.
    kind: &'static str,
    /// What can be chosen: a value, its words, and whether it is chosen.
    options: Vec<(&'static str, &'static str, bool)>,
}

/// What can be chosen in a field of a question.
fn options_of(name: &str, chosen: &str) -> Vec<(&'static str, &'static str, bool)> {
    let all: &[(&str, &str)] = match name {
        "kind" => &[
            ("text", "One line of text"),
            ("long_text", "Several lines of text"),
            ("choice", "One of these choices"),
            ("yes_no", "Yes or no"),
        ],
        "required" => &[("no", "It may be left out"), ("yes", "Nobody pays without")],
        "per" => &[("order", "Once for the order"), ("ticket", "For each ticket")],
        _ => &[],
    };
    all.iter().map(|(value, words)| (*value, *words, *value == chosen)).collect()
}

/// The fields of a row. `begin_with`: how their ids begin.
fn fields(
    begin_with: &str,
    row: &Row,
    all: &[(&str, &'static str, &'static str, &'static str)],
) -> Vec<Field> {
    let field =
        |(name, label, kind, hint): &(&str, &'static str, &'static str, &'static str)| Field {
            id: format!("{begin_with}-{name}"),
            label,
            value: row.get(name).to_owned(),
            hint,
            kind,
            options: options_of(name, row.get(name)),
        };
    all.iter().map(field).collect()
}

const TYPE: [(&str, &str, &str, &str); 4] = [
    ("opens", "On sale from", "datetime-local", "Left empty: with the event."),
    ("closes", "On sale until", "datetime-local", "Left empty: with the event."),
    ("capacity", "At most so many", "text", "Left empty: as many as there are places."),
    (
        "vat",
        "VAT in per cent",
        "text",
        "The price includes it. Left empty: orders say nothing of VAT.",
    ),
];
const PHASE: [(&str, &str, &str, &str); 4] = [
    ("name", "Name of the phase", "text", "Such as Early bird."),
    ("price", "Price in it", "text", ""),
    ("until", "Until", "datetime-local", ""),
    ("capacity", "For at most so many", "text", ""),
];
const CODE: [(&str, &str, &str, &str); 8] = [
    ("code", "Code", "text", "What buyers type: letters, numbers, - and _."),
    ("uses", "For so many tickets", "text", ""),
    ("percent", "Per cent off", "text", ""),
    ("amount", "Or so much off each ticket", "text", ""),
    ("types", "Cheaper with it", "text", "Names of ticket types, with commas. Left empty: all."),
    ("opens", "Shows hidden types", "text", "Names of ticket types, with commas."),
    ("from", "Valid from", "datetime-local", ""),
    ("until", "Valid until", "datetime-local", ""),
];

const QUESTION: [(&str, &str, &str, &str); 7] = [
    ("text", "Question", "text", "What buyers read. Left empty, the question is gone."),
    ("id", "", "hidden", ""),
    ("kind", "Answered by", "select", ""),
    ("choices", "Choices", "area", "One a line."),
    ("required", "An answer", "select", ""),
    ("per", "Asked", "select", ""),
    ("types", "With these tickets", "text", "Names of ticket types, with commas. Left empty: all."),
];

/// The price phases, codes or questions of the form, and an empty one behind them.
fn rows(
    begin_with: &str,
    rows: &[Row],
    all: &[(&str, &'static str, &'static str, &'static str)],
) -> Vec<Vec<Field>> {
    let empty = Row::default();
    let rows = rows.iter().chain([&empty]).enumerate();
    rows.map(|(n, row)| fields(&format!("{begin_with}-{n}"), row, all)).collect()
}

/// A ticket type in the form.
struct TypeFields {
    /// When, how many, and to whom it is sold.
    more: Vec<Field>,
    hidden: bool,
    phases: Vec<Vec<Field>>,
    /// Whether that is shown.
    open: bool,
    n: usize,
    id: String,
    name_id: String,
    name: String,
    price_id: String,
    price: String,
    pool_id: String,
    pool: String,
    known: bool,
    gone: bool,
}

impl FormPage {
    fn new(office: OfficeFrame, title: &str, typed: Typed, faults: Faults) -> FormPage {
        let pools = typed.pools.iter().enumerate().map(|(n, row)| PoolFields {
            n,
            name_id: format!("pool-{n}-name"),
            name: row.name.clone(),
            places_id: format!("pool-{n}-places"),
            places: row.places.clone(),
            known: row.known,
            gone: row.gone,
        });
        let types = typed.types.iter().enumerate().map(|(n, row)| TypeFields {
            n,
            id: row.id.clone(),
            name_id: format!("type-{n}-name"),
            name: row.name.clone(),
            price_id: format!("type-{n}-price"),
            price: row.price.clone(),
            pool_id: format!("type-{n}-pool"),
            pool: row.pool.clone(),
            known: row.known,
            gone: row.gone,
            more: fields(&format!("type-{n}"), &row.more, &TYPE),
            hidden: !row.more.get("hidden").is_empty(),
            phases: rows(&format!("type-{n}-phase"), &row.phases, &PHASE),
            open: {
                let wrong = |field: &str| {
                    let rest = field.strip_prefix(&format!("type-{n}-"));
                    rest.is_some_and(|rest| !["name", "price", "pool"].contains(&rest))
                };
                faults.marked().iter().any(|(field, _)| wrong(field))
            },
        });
        let plain = ["name", "starts", "zone", "place", "currency"];
        let of_row = |field: &str| field.starts_with("pool-") || field.starts_with("type-");
        let in_details =
            |(field, _): &(String, String)| !plain.contains(&&**field) && !of_row(field);
        let open = faults.marked().iter().any(in_details);
        FormPage {
            title: title.to_owned(),
            pools: pools.collect(),
            types: types.collect(),
            codes: rows("code", &typed.codes, &CODE),
            questions: rows("question", &typed.questions, &QUESTION),
            pool_names: typed.pool_names(),
            zones: crate::when::zones(),
            seen: String::new(),
            changes: Vec::new(),
            done: None,
            warnings: Vec::new(),
            known: None,
            copy_of: None,
            focus: String::new(),
            open,
            office,
            faults,
            typed,
        }
    }

    fn field(&self, name: &str) -> &str {
        self.typed.get(name)
    }

    fn with_status(&self, status: StatusCode) -> Response {
        let mut response = page(self);
        if response.status() == StatusCode::OK {
            *response.status_mut() = status;
        }
        response
    }
}

/// What a button of the form does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Does {
    AddPool,
    AddType,
    Draft,
    Publish,
    /// As the event is.
    Save,
}

impl Does {
    fn of(form: &Form) -> Does {
        match form.get("do") {
            "add-pool" => Does::AddPool,
            "add-type" => Does::AddType,
            "draft" => Does::Draft,
            "publish" => Does::Publish,
            _ => Does::Save,
        }
    }
}

/// Adds an empty row, if the button says so. Gives the field in which to go on.
fn add_row(does: Does, typed: &mut Typed) -> Option<String> {
    match does {
        Does::AddPool => {
            // As soon as there are two, each has a name, and each ticket type says which it takes.
            if let [only] = &mut typed.pools[..]
                && only.name.is_empty()
            {
                only.name = "Places".into();
            }
            typed.pools.push(Default::default());
            Some(format!("pool-{}-name", typed.pools.len() - 1))
        }
        Does::AddType => {
            typed.types.push(Default::default());
            Some(format!("type-{}-name", typed.types.len() - 1))
        }
        _ => None,
    }
}

/// `GET /office/events/new?copy=`
pub async fn new(State(app): State<Arc<Site>>, Staff(caller): Staff, query: Query) -> Page {
    _ = caller.shop_permit::<may::ChangeEvents>()?;
    let office = OfficeFrame::of_shop(&app, &caller, "/office/events/new");
    let Some(slug) = query.get("copy") else {
        let typed = usual(&app);
        return Ok(page(&FormPage {
            focus: "name".into(),
            ..FormPage::new(office, "New event", typed, Faults::none())
        }));
    };
    let event = event_for(&app, &caller, slug).await?;
    // Its codes are in the copy.
    _ = caller.permit::<may::ChangeEvents>(event.id)?;
    let typed = Typed::of(&event_body::body(&event.spec), slug).as_copy();
    Ok(page(&FormPage {
        focus: "starts".into(),
        copy_of: Some(event.spec.name.clone()),
        ..FormPage::new(office, "New event", typed, Faults::none())
    }))
}

/// The form of a new event: in the zone and the currency of the event that was made last.
fn usual(app: &Site) -> Typed {
    let events = app.catalogue.events();
    let last = events.iter().max_by_key(|event| event.id);
    let zone = last.map_or("UTC", |event| &event.spec.zone);
    let currency = last.map_or("EUR".to_owned(), |event| event.spec.currency.code().to_owned());
    Typed::fresh(zone, &currency)
}

/// `POST /office/events/new`
pub async fn make(State(app): State<Arc<Site>>, sent: SentByStaff) -> Page {
    let SentByStaff(caller, Sent { headers, body }) = sent;
    let permit = caller.shop_permit::<may::ChangeEvents>()?;
    let form = Form::read(&headers, &body)?;
    let (mut typed, does) = (Typed::read(&form), Does::of(&form));
    let again = |typed: Typed, faults: Faults, focus: String| {
        let status =
            if faults.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
        let office = OfficeFrame::of_shop(&app, &caller, "/office/events/new");
        let new = FormPage::new(office, "New event", typed, faults);
        FormPage { focus, ..new }.with_status(status)
    };
    if let Some(focus) = add_row(does, &mut typed) {
        return Ok(again(typed, Faults::none(), focus));
    }
    let slug = match typed.get("slug") {
        "" => unused(&slug_of(typed.get("name"), "event"), |slug| {
            slug == "new" || app.catalogue.event(slug).is_some()
        }),
        slug => slug.to_owned(),
    };
    let spec = match typed.event(&slug, None, does == Does::Draft) {
        Ok(_) if slug == "new" => {
            let mut faults = Faults::none();
            faults.add(
                "slug",
                "This address is that of the form for new events. Choose another one.",
            );
            return Ok(again(typed, faults, String::new()));
        }
        Ok(spec) => spec,
        Err(faults) => return Ok(again(typed, faults, String::new())),
    };
    match app.organiser.make_event(&permit, spec).await {
        Ok(event) => Ok(shown(&event.spec, if event.spec.hidden { "draft" } else { "made" })),
        Err(CommandError::Refused(refusal)) => Ok(again(typed, faults_of(&refusal), String::new())),
        Err(no) => Err(no.into()),
    }
}

/// What the core refuses, at its field.
fn faults_of(refusal: &Refusal) -> Faults {
    let text = Lang::En.refused(refusal, |_| String::new()).into_owned();
    let mut faults = Faults::none();
    match refusal {
        Refusal::EventExists => {
            faults
                .add("slug", "There is an event at this address already. Choose another address.");
        }
        Refusal::CurrencyFixed => faults.add("currency", text),
        Refusal::TagsFixed => faults.add("tags", text),
        Refusal::LimitTooLate { .. } => faults.add("per_buyer", text),
        _ => faults.add_whole(capital(&text)),
    }
    faults
}

/// To the page that shows what was done.
pub fn shown(spec: &EventSpec, done: &str) -> Response {
    Redirect::to(&format!("/office/events/{}/edit?done={done}", spec.slug)).into_response()
}

/// What was done, in words.
fn done(query: &Query, event: &Event) -> Option<String> {
    let words = match query.get("done")? {
        "made" => "The event was made and is published.",
        "draft" => "The event was made as a draft: only whoever has its link sees it.",
        "saved" => "The changes were saved.",
        "published" => "The event is published.",
        "hidden" => {
            "The event is a draft now: no list has it, and only whoever has its link sees it."
        }
        "paused" => {
            "The sale is paused: nobody can reserve tickets. Whoever has reserved some can pay."
        }
        "resumed" => "The sale goes on.",
        "picture" => "The picture is on the page of the event now.",
        "picture-removed" => "The picture was removed.",
        _ => return None,
    };
    // The address may be old.
    let still = match query.get("done")? {
        "made" | "published" => !event.spec.hidden,
        "draft" | "hidden" => event.spec.hidden,
        "paused" => event.sale == Sale::Paused,
        "resumed" => event.sale == Sale::Open,
        _ => true,
    };
    still.then(|| words.into())
}

fn known(event: &Event, caller: &Caller, now: i64) -> Known {
    Known {
        slug: event.spec.slug.clone(),
        hidden: event.spec.hidden,
        paused: event.sale == Sale::Paused,
        canceled: event.is_canceled(),
        on_sale: event.on_sale(now),
        unsold: event.serials == 0 && places_left(event) == 0,
        cancels: caller.has(Right::Refund, Some(event.id)),
    }
}

fn json(body: &EventBody) -> String {
    serde_json::to_string(body).expect("an event is JSON")
}

/// `GET /office/events/{event}/edit`
pub async fn edit(
    State(app): State<Arc<Site>>,
    Path(slug): Path<String>,
    Staff(caller): Staff,
    query: Query,
) -> Page {
    let event = event_for(&app, &caller, &slug).await?;
    _ = caller.permit::<may::ChangeEvents>(event.id)?;
    let body = event_body::body(&event.spec);
    let typed = Typed::of(&body, &slug);
    let now = app.clock.now_ms();
    let office = OfficeFrame::of_event(&app, &caller, (event.id, &slug), "edit");
    Ok(page(&FormPage {
        seen: json(&body),
        done: done(&query, &event),
        warnings: event_body::warnings(&event.spec, now),
        known: Some(known(&event, &caller, now)),
        ..FormPage::new(office, &event.spec.name, typed, Faults::none())
    }))
}

/// `POST /office/events/{event}/edit`
pub async fn change(
    State(app): State<Arc<Site>>,
    Path(slug): Path<String>,
    sent: SentByStaff,
) -> Page {
    let SentByStaff(caller, Sent { headers, body }) = sent;
    let event = event_for(&app, &caller, &slug).await?;
    let permit = caller.permit::<may::ChangeEvents>(event.id)?;
    let form = Form::read(&headers, &body)?;
    let (mut typed, does) = (Typed::read(&form), Does::of(&form));
    typed.set("slug", &slug);
    // What the form was made from. Whoever sends something else has seen nothing.
    let seen: EventBody = serde_json::from_str(form.get("seen")).unwrap_or_default();
    let again = |event: &Event, typed: Typed, seen: &EventBody, faults: Faults| {
        let office = OfficeFrame::of_event(&app, &caller, (event.id, &slug), "edit");
        let new = FormPage::new(office, &event.spec.name, typed, faults);
        let known = Some(known(event, &caller, app.clock.now_ms()));
        FormPage { seen: json(seen), known, ..new }
    };
    if let Some(focus) = add_row(does, &mut typed) {
        let new = again(&event, typed, &seen, Faults::none());
        return Ok(page(&FormPage { focus, ..new }));
    }
    // Somebody else has changed it since the form was made.
    let conflict = |event: &Event, mut typed: Typed| {
        let now = event_body::body(&event.spec);
        let (old, new) = (Typed::of(&seen, &slug), Typed::of(&now, &slug));
        let changes = Typed::changes(&old, &new);
        typed.merge(&old, &new);
        let faults = Faults::of_all(
            "Somebody else has changed this event meanwhile. Nothing of yours is saved yet. Below stands what \
             you typed, and what they changed where you typed nothing: look at it, and save again.",
        );
        let shown = again(event, typed, &now, faults);
        FormPage { changes, ..shown }.with_status(StatusCode::CONFLICT)
    };
    if seen != event_body::body(&event.spec) {
        return Ok(conflict(&event, typed));
    }
    let hidden = match does {
        Does::Publish => false,
        Does::Draft => true,
        _ => event.spec.hidden,
    };
    let spec = match typed.event(&slug, Some(&seen), hidden) {
        Ok(spec) => spec,
        Err(faults) => {
            let shown = again(&event, typed, &seen, faults);
            return Ok(shown.with_status(StatusCode::UNPROCESSABLE_ENTITY));
        }
    };
    match app.organiser.change_seen_event(&permit, spec, event.spec.clone()).await {
        Ok(event) => {
            Ok(shown(&event.spec, if does == Does::Publish { "published" } else { "saved" }))
        }
        Err(CommandError::Refused(Refusal::EventDiffers)) => {
            let event = event_for(&app, &caller, &slug).await?;
            Ok(conflict(&event, typed))
        }
        Err(CommandError::Refused(refusal)) => {
            let shown = again(&event, typed, &seen, faults_of(&refusal));
            Ok(shown.with_status(StatusCode::UNPROCESSABLE_ENTITY))
        }
        Err(no) => Err(no.into()),
    }
}

/// `POST /office/events/{event}/sale`: publishes or hides the event, pauses or resumes its sale.
pub async fn sale(
    State(app): State<Arc<Site>>,
    Path(slug): Path<String>,
    sent: SentByStaff,
) -> Page {
    let SentByStaff(caller, Sent { headers, body }) = sent;
    let event = event_for(&app, &caller, &slug).await?;
    let permit = caller.permit::<may::ChangeEvents>(event.id)?;
    let form = Form::read(&headers, &body)?;
    let hide = |hidden: bool| EventSpec { hidden, ..event.spec.clone() };
    let (event, done) = match form.get("do") {
        "publish" => {
            let seen = event.spec.clone();
            (app.organiser.change_seen_event(&permit, hide(false), seen).await?, "published")
        }
        "hide" => {
            let seen = event.spec.clone();
            (app.organiser.change_seen_event(&permit, hide(true), seen).await?, "hidden")
        }
        "pause" => (app.organiser.pause_sale(&permit, true, None).await?, "paused"),
        "resume" => (app.organiser.pause_sale(&permit, false, None).await?, "resumed"),
        _ => {
            let what = "The form does not say what is to be done. Nothing was changed.";
            return Err(Problem::invalid(what).into());
        }
    };
    Ok(shown(&event.spec, done))
}

/// `POST /office/events/{event}/delete`: deletes an event that nobody has ordered from.
pub async fn delete(
    State(app): State<Arc<Site>>,
    Path(slug): Path<String>,
    sent: SentByStaff,
) -> Page {
    let SentByStaff(caller, _) = sent;
    let event = event_for(&app, &caller, &slug).await?;
    app.organiser.delete_event(&caller.permit(event.id)?, &slug, None).await?;
    Ok(Redirect::to("/office").into_response())
}

/// Cancelling an event, and how far it is.
#[derive(Template)]
#[template(path = "office/event_cancel.html")]
struct CancelPage {
    office: OfficeFrame,
    slug: String,
    name: String,
    starts: Moment,
    faults: Faults,
    /// Places that are sold and that are reserved.
    sold: u64,
    held: u64,
    progress: Option<Told>,
}

/// How far it is.
struct Told {
    since: Moment,
    finished: Option<Moment>,
    places: u64,
    settled: u64,
    released: i64,
    refunded: i64,
    amount: String,
    failed: i64,
}

fn cancel_page(
    app: &Site,
    caller: &Caller,
    event: &Event,
    done: Option<&Cancellation>,
    faults: Faults,
) -> CancelPage {
    let spec = &event.spec;
    let count =
        |of: fn(&boxoffice::Pool) -> u32| event.pools.iter().map(|p| u64::from(of(p))).sum();
    let at = |ms| Moment::short(Lang::En, ms, &spec.zone);
    let progress = done.map(|done| {
        let left = places_to_give_back(event, done);
        let places = done.places.unsigned_abs().max(left);
        let money = Money { minor: done.amount_minor, currency: spec.currency };
        Told {
            since: at(done.at_ms),
            finished: done.finished_ms.map(at),
            places,
            settled: places - left,
            released: done.released,
            refunded: done.refunded,
            amount: Lang::En.price(money),
            failed: done.failed,
        }
    });
    CancelPage {
        office: OfficeFrame::of_event(app, caller, (event.id, &spec.slug), "edit"),
        slug: spec.slug.clone(),
        name: spec.name.clone(),
        starts: Moment::of(Lang::En, spec),
        faults,
        sold: count(|pool| pool.sold),
        held: count(|pool| pool.held),
        progress,
    }
}

async fn progress(
    app: &Site,
    caller: &Caller,
    event: &Event,
) -> Result<Option<Cancellation>, SaleError> {
    match caller.permit::<may::SeeEvents>(event.id) {
        Ok(permit) => app.organiser.cancellation(&permit).await,
        Err(_) => Ok(None),
    }
}

/// `GET /office/events/{event}/cancel`
pub async fn ask_cancel(
    State(app): State<Arc<Site>>,
    Path(slug): Path<String>,
    Staff(caller): Staff,
) -> Page {
    let event = event_for(&app, &caller, &slug).await?;
    _ = caller.permit::<may::ChangeEvents>(event.id)?;
    let done = progress(&app, &caller, &event).await?;
    Ok(page(&cancel_page(&app, &caller, &event, done.as_ref(), Faults::none())))
}

/// `POST /office/events/{event}/cancel`
pub async fn cancel(
    State(app): State<Arc<Site>>,
    Path(slug): Path<String>,
    sent: SentByStaff,
) -> Page {
    let SentByStaff(caller, Sent { headers, body }) = sent;
    let event = event_for(&app, &caller, &slug).await?;
    let (change, refund) = (caller.permit(event.id)?, caller.permit(event.id)?);
    let form = Form::read(&headers, &body)?;
    if form.get("sure").is_empty() {
        let mut faults = Faults::none();
        faults.add("sure", "Tick this box to say that you mean it. Nothing was done yet.");
        let mut response = page(&cancel_page(&app, &caller, &event, None, faults));
        *response.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
        return Ok(response);
    }
    app.organiser.cancel_event(&change, &refund, None).await?;
    Ok(Redirect::to(&format!("/office/events/{slug}/cancel")).into_response())
}
