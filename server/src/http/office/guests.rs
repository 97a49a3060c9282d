//! Guests from a CSV file: a file or a pasted list, a page that says what each line will make and what is wrong with
//! which, and then free tickets for all of them. The same list gives nobody a second ticket, however often it is sent
//! (see `organiser/import.rs`); so what was made is the answer to the form itself.

use super::form::Faults;
use super::sell::{closed, frame, languages};
use super::shop::receive_file;
use super::{OfficeFrame, Staff, Way};
use crate::access::{Caller, Permit, may};
use crate::app::App;
use crate::http::auth::staff;
use crate::http::page::{Page, page};
use crate::http::problem::Problem;
use crate::http::site::Site;
use crate::http::speaks::preferred;
use crate::http::staff::event_for;
use crate::language::Lang;
use crate::organiser::import::{Checked, Column, MOST_ROWS, RowNote};
use crate::text::{capital, counted};
use askama::Template;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use boxoffice::Event;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::time::{Duration, Instant};

/// So many lines with mistakes, and so many that were left out, are listed.
const MOST_NOTES: usize = 200;
/// So many rows are shown before they are made.
const MOST_SHOWN: usize = 500;
/// A list of so many bytes at most can be changed in the form; a longer one is changed in its file.
const MOST_TYPED: usize = 256 * 1024;
/// So long one form makes tickets. Then somebody asks for the rest.
const LASTS: Duration = Duration::from_secs(10);

#[derive(Template)]
#[template(path = "office/guests.html")]
struct GuestsPage {
    office: OfficeFrame,
    ways: Vec<Way>,
    path: String,
    slug: String,
    title: &'static str,
    faults: Faults,
    /// Why there is no form.
    closed: Option<&'static str>,
    /// The list, as it was sent.
    list: String,
    /// The tag of the language in which the guests are written to.
    language: String,
    languages: Vec<(&'static str, &'static str, bool)>,
    /// Names of ticket types, as a list may have them.
    types: Vec<String>,
    most_rows: String,
    /// The lines with mistakes: the line, what stands there, and what is wrong.
    notes: Vec<RowNote>,
    more_notes: usize,
    /// What is read from which column.
    columns: Vec<Column>,
    source: Option<&'static str>,
    /// Once it is checked: what will be made.
    check: Option<Check>,
    /// Once it is made: what was.
    made: Option<Made>,
    /// Whether some of the lines from which this list comes were made. As another list, it gives all of its lines
    /// tickets, these as well.
    some_made: bool,
}

/// What a list will make.
struct Check {
    totals: Vec<Total>,
    rows: Vec<Row>,
    more_rows: usize,
    left_out: Vec<RowNote>,
    more_left_out: usize,
    /// The words of the button; none: everybody has tickets already.
    button: Option<String>,
    /// Whether somebody has tickets by this very list.
    known: bool,
}

/// What is made of one ticket type.
struct Total {
    name: String,
    rows: String,
    tickets: String,
    known: String,
}

struct Row {
    line: u64,
    name: String,
    email: String,
    ticket_type: String,
    quantity: u32,
    known: bool,
}

/// What was made of a list.
struct Made {
    /// What was made now, in sentences.
    told: Vec<String>,
    /// Whether all of it is made.
    all: bool,
    left_out: Vec<RowNote>,
    more_left_out: usize,
}

/// A list that was sent, and in which language its guests are written to.
struct Sent {
    bytes: Vec<u8>,
    language: Lang,
    /// See [`GuestsPage::some_made`].
    some_made: bool,
}

/// The notes that are shown, and how many are not.
fn begin_of(notes: &[RowNote]) -> (Vec<RowNote>, usize) {
    let shown = notes.iter().take(MOST_NOTES).cloned();
    let shown = shown.map(|note| RowNote { text: format!("{}.", capital(&note.text)), ..note });
    (shown.collect(), notes.len().saturating_sub(MOST_NOTES))
}

impl GuestsPage {
    fn of(
        app: &App,
        caller: &Caller,
        event: &Event,
        (list, language): (String, Lang),
        faults: Faults,
    ) -> GuestsPage {
        let (office, ways) = frame(app, caller, event, "guests");
        let on_offer = event.ticket_types.iter().filter(|t| !t.retired);
        GuestsPage {
            office,
            ways,
            path: format!("/office/events/{}/guests", event.spec.slug),
            slug: event.spec.slug.clone(),
            title: "Guests from a file",
            faults,
            closed: closed(event, app.clock.now_ms()),
            list,
            languages: languages(language.tag()),
            language: language.tag().into(),
            types: on_offer.map(|t| t.name.clone()).collect(),
            most_rows: Lang::En.number(MOST_ROWS as i64),
            notes: Vec::new(),
            more_notes: 0,
            columns: Vec::new(),
            source: None,
            check: None,
            made: None,
            some_made: false,
        }
    }

    /// The same with what is told of a list.
    fn with(mut self, checked: &Checked) -> GuestsPage {
        (self.notes, self.more_notes) = begin_of(&checked.problems);
        self.columns.clone_from(&checked.columns);
        self.source = checked.source;
        self
    }
}

/// The list as it can stand in the form.
fn typed(bytes: &[u8]) -> String {
    let text = std::str::from_utf8(bytes).unwrap_or_default();
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.len() <= MOST_TYPED && !text.contains('\0') { text.to_owned() } else { String::new() }
}

impl Check {
    fn of(checked: &Checked, event: &Event) -> Check {
        let name = |id: &str| {
            let known = event.ticket_types.iter().find(|t| t.id == id && !t.retired);
            known.map_or(id, |t| &t.name).to_owned()
        };
        // Rows and tickets that will be made, and tickets that were made before.
        let mut sums: BTreeMap<&str, (u64, u64, u64)> = BTreeMap::new();
        for row in &checked.rows {
            let (rows, tickets, known) = sums.entry(&row.ticket_type).or_default();
            match row.known {
                true => *known += u64::from(row.quantity),
                false => {
                    *rows += 1;
                    *tickets += u64::from(row.quantity);
                }
            }
        }
        let tickets: u64 = sums.values().map(|(_, tickets, _)| tickets).sum();
        let number = |n: u64| Lang::En.number(n as i64);
        let totals = event.ticket_types.iter().filter(|t| !t.retired).filter_map(|t| {
            let (rows, tickets, known) = sums.get(t.id.as_str()).copied()?;
            let (rows, tickets, known) = (number(rows), number(tickets), number(known));
            Some(Total { name: t.name.clone(), rows, tickets, known })
        });
        let rows = checked.rows.iter().take(MOST_SHOWN).map(|row| Row {
            line: row.line,
            name: row.name.clone(),
            email: row.email.clone(),
            ticket_type: name(&row.ticket_type),
            quantity: row.quantity,
            known: row.known,
        });
        let (left_out, more_left_out) = begin_of(&checked.left_out);
        Check {
            totals: totals.collect(),
            rows: rows.collect(),
            more_rows: checked.rows.len().saturating_sub(MOST_SHOWN),
            left_out,
            more_left_out,
            known: checked.rows.iter().any(|row| row.known),
            button: (tickets > 0).then(|| format!("Give {} away", counted(tickets, "ticket"))),
        }
    }
}

fn with_status(template: &impl Template, status: StatusCode) -> Response {
    (status, page(template)).into_response()
}

/// `GET /office/events/{event}/guests`
pub async fn show(
    State(app): State<Arc<Site>>,
    Path(slug): Path<String>,
    Staff(caller): Staff,
    headers: HeaderMap,
) -> Page {
    let event = event_for(&app, &caller, &slug).await?;
    caller.permit::<may::SellTickets>(event.id)?;
    let empty = (String::new(), preferred(&headers));
    Ok(page(&GuestsPage::of(&app, &caller, &event, empty, Faults::none())))
}

/// `POST /office/events/{event}/guests`: says what a list will make, and makes it once that is confirmed.
pub async fn take(
    State(app): State<Arc<Site>>,
    Path(slug): Path<String>,
    request: Request,
) -> Page {
    let caller = staff(&app, request.headers()).await?;
    let event = event_for(&app, &caller, &slug).await?;
    let permit = caller.permit::<may::SellTickets>(event.id)?;
    let form = receive_file(request).await?;
    let pasted = form.exact("list").to_owned();
    let language = Lang::parse(&form.text("language")).unwrap_or_default();
    let does = form.text("do");
    let some_made = form.text("some_made") == "yes";
    let is_pasted = !pasted.trim_ascii().is_empty();
    let file = form.file("file");
    let refused = |list: &[u8], faults| {
        let shown = GuestsPage::of(&app, &caller, &event, (typed(list), language), faults);
        let shown = GuestsPage { some_made, ..shown };
        with_status(&shown, StatusCode::UNPROCESSABLE_ENTITY)
    };
    let bytes = match (file, is_pasted) {
        (Some(_), true) => {
            let mut faults = Faults::none();
            faults.add(
                "list",
                "Choose a file or paste a list, not both: empty this field, or choose no file.",
            );
            return Ok(refused(&pasted, faults));
        }
        (None, false) => {
            let mut faults = Faults::none();
            faults.add("file", "Choose a file, or paste the list below.");
            return Ok(refused(&[], faults));
        }
        (Some(file), false) => file,
        (None, true) => pasted,
    };
    let sent = Sent { bytes, language, some_made };
    if does == "change" {
        let list = (typed(&sent.bytes), language);
        let shown = GuestsPage::of(&app, &caller, &event, list, Faults::none());
        return Ok(page(&GuestsPage { some_made, ..shown }));
    }
    let checked = app.organiser.check_guests(&permit, &event, &sent.bytes).await?;
    if !checked.problems.is_empty() {
        let shown = with_mistakes(&app, &caller, &event, &sent, &checked);
        return Ok(with_status(&shown, StatusCode::UNPROCESSABLE_ENTITY));
    }
    if does == "make" {
        return make(&app, &caller, (&permit, &event), &sent, &checked).await;
    }
    // Whole, however long: it is what the next form sends.
    let list = String::from_utf8_lossy(&sent.bytes).into_owned();
    let shown = GuestsPage::of(&app, &caller, &event, (list, language), Faults::none());
    let check = Some(Check::of(&checked, &event));
    let some_made = some_made || checked.rows.iter().any(|row| row.known);
    Ok(page(&GuestsPage { title: "Check the list", check, some_made, ..shown.with(&checked) }))
}

/// The form again, with the lines that have mistakes.
fn with_mistakes(
    app: &App,
    caller: &Caller,
    event: &Event,
    sent: &Sent,
    checked: &Checked,
) -> GuestsPage {
    let list = typed(&sent.bytes);
    let mistakes = counted(checked.problems.len() as u64, "mistake");
    let mut faults = Faults::none();
    let (field, correct) = match list.is_empty() {
        true => ("file", "Correct them in your file, and choose it again."),
        false => ("list", "Correct them here, or in your file."),
    };
    faults.add(field, format!("The list has {mistakes}, told below. Nothing was made. {correct}"));
    let shown = GuestsPage::of(app, caller, event, (list, sent.language), faults).with(checked);
    GuestsPage { some_made: sent.some_made, ..shown }
}

/// How far a list was made.
#[derive(Default)]
struct Progress {
    given: usize,
    left: usize,
    problems: Vec<RowNote>,
    /// Why it did not get further, if the box office could not do more.
    stopped: Option<Problem>,
}

/// Makes what a list says, until all of it is made, a row is refused, or the time is over.
async fn make_all(
    app: &Site,
    (permit, event): (&Permit<may::SellTickets>, &Event),
    sent: &Sent,
    fresh: usize,
) -> Progress {
    let begun = Instant::now();
    let mut made = Progress { left: fresh, ..Progress::default() };
    loop {
        let language = sent.language.language();
        match app.organiser.import_guests(permit, event, &sent.bytes, language, false).await {
            Ok(done) => {
                let (given, left) = (made.given + done.given, done.left);
                made = Progress { given, left, problems: done.problems, stopped: None };
                let ended = made.left == 0 || done.given == 0 || !made.problems.is_empty();
                if ended || begun.elapsed() > LASTS {
                    return made;
                }
            }
            Err(no) => return Progress { stopped: Some(Problem::from(no)), ..made },
        }
    }
}

/// Makes what a list says, and tells what was made and what was not.
async fn make(
    app: &Site,
    caller: &Caller,
    (permit, event): (&Permit<may::SellTickets>, &Event),
    sent: &Sent,
    checked: &Checked,
) -> Page {
    let fresh: Vec<_> = checked.rows.iter().filter(|row| !row.known).collect();
    let known = checked.rows.len() - fresh.len();
    let made = make_all(app, (permit, event), sent, fresh.len()).await;
    let tickets: u64 = fresh.iter().take(made.given).map(|row| u64::from(row.quantity)).sum();
    let guests = |n: usize| counted(n as u64, "guest");
    let mut told = Vec::new();
    told.push(match made.given {
        0 => "No tickets were given away now.".to_owned(),
        given => format!(
            "{} of the list got {}. They are valid, and mailed where there is an address.",
            guests(given),
            counted(tickets, "ticket")
        ),
    });
    if known > 0 {
        told.push(format!("{} had the tickets of this list before.", guests(known)));
    }
    let mut faults = Faults::none();
    let go_on = "Go on with the rest: nobody gets tickets twice.";
    match (made.left, &made.stopped) {
        (0, _) => {}
        (left, Some(no)) => faults.add_whole(format!(
            "{} of the list may have no tickets yet. {} {go_on}",
            guests(left),
            no.detail
        )),
        (left, None) if made.problems.is_empty() => told.push(format!(
            "{} of the list {} still to get tickets. {go_on}",
            guests(left),
            if left == 1 { "is" } else { "are" }
        )),
        (left, None) => faults.add_whole(format!(
            "{} of the list {} no tickets: a line was refused, told below.",
            guests(left),
            if left == 1 { "has" } else { "have" }
        )),
    }
    let (notes, more_notes) = begin_of(&made.problems);
    let (left_out, more_left_out) = begin_of(&checked.left_out);
    let status = match &made.stopped {
        Some(no) => no.status,
        None if made.problems.is_empty() => StatusCode::OK,
        None => StatusCode::CONFLICT,
    };
    let list = String::from_utf8_lossy(&sent.bytes).into_owned();
    let shown = GuestsPage::of(app, caller, event, (list, sent.language), faults);
    let some_made = sent.some_made || known + made.given > 0;
    let made = Some(Made { told, all: made.left == 0, left_out, more_left_out });
    let title = "Guests of the list";
    let shown = GuestsPage { title, notes, more_notes, made, some_made, ..shown };
    Ok(with_status(&shown, status))
}
