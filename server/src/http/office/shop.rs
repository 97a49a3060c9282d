//! The settings of the shop, and the pictures of events.

use super::events::shown;
use super::form::Faults;
use super::{OfficeFrame, Staff};
use crate::access::{Caller, may};
use crate::colour::Colour;
use crate::http::auth::staff;
use crate::http::extract::{Form, Sent, SentByStaff, receive_within};
use crate::http::multipart::Multipart;
use crate::http::page::{Page, PageProblem, page};
use crate::http::query::Query;
use crate::http::shop::about::picture_path;
use crate::http::site::Site;
use crate::http::staff::event_for;
use crate::picture::MOST_BYTES;
use crate::shop::{NotChanged, Texts};
use crate::store::records::shop::ShopRow;
use crate::writer::CommandError;
use askama::Template;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use std::sync::Arc;
use tokio::time::Duration;

/// A file may take so long to come: eight megabytes over a slow line.
const PATIENCE: Duration = Duration::from_secs(120);

/// The settings of the shop.
#[derive(Template)]
#[template(path = "office/shop.html")]
struct ShopPage {
    office: OfficeFrame,
    faults: Faults,
    texts: Texts,
    /// When that was changed which its reader sees.
    seen_ms: i64,
    done: Option<&'static str>,
    /// The logo's address and what is told of it.
    logo: Option<(String, String)>,
    terms_version: u32,
    /// The colours in which the accent stands on light and on dark pages, where they are others.
    light: Option<String>,
    dark: Option<String>,
}

fn shop_page(app: &Site, caller: &Caller, row: &ShopRow, texts: Texts, faults: Faults) -> ShopPage {
    let colour = Colour::parse(&texts.accent);
    let other = |other: Colour| Some(format!("#{}", other.hex())).filter(|_| Some(other) != colour);
    ShopPage {
        office: OfficeFrame::of_shop(app, caller, "/office/shop"),
        faults,
        seen_ms: row.changed_ms,
        done: None,
        logo: row.logo.map(|id| (picture_path(id), row.logo_alt.clone())),
        terms_version: row.terms_version,
        light: colour.and_then(|colour| other(colour.on_light())),
        dark: colour.and_then(|colour| other(colour.on_dark())),
        texts,
    }
}

fn texts_of(row: &ShopRow) -> Texts {
    let accent = if row.accent.is_empty() { String::new() } else { format!("#{}", row.accent) };
    Texts {
        name: row.name.clone(),
        accent,
        logo_alt: row.logo_alt.clone(),
        imprint: row.imprint.clone(),
        terms: row.terms.clone(),
        privacy: row.privacy.clone(),
    }
}

/// `GET /office/shop`
pub async fn show(State(app): State<Arc<Site>>, Staff(caller): Staff, query: Query) -> Page {
    _ = caller.shop_permit::<may::ManageShop>()?;
    app.shop.refresh().await.map_err(CommandError::from)?;
    let row = app.shop.known().row.clone();
    let done = match query.get("done") {
        Some("saved") => Some("The changes were saved. Every page has them now."),
        Some("logo") => Some("The logo was changed."),
        _ => None,
    };
    let shown = shop_page(&app, &caller, &row, texts_of(&row), Faults::none());
    Ok(page(&ShopPage { done, ..shown }))
}

/// What is wrong, in the form; or why nothing was done.
fn faults_of(no: NotChanged) -> Result<Faults, CommandError> {
    match no {
        NotChanged::Failed(no) => Err(no),
        NotChanged::Wrong(wrong) => {
            let mut faults = Faults::none();
            wrong.into_iter().for_each(|(field, text)| faults.add(field, text));
            Ok(faults)
        }
        NotChanged::Differs => Ok(Faults::of_all(
            "Somebody else has changed these settings meanwhile. Nothing of yours is saved yet. Below stands \
             what you typed; look at the settings in another window, and save again to replace theirs.",
        )),
    }
}

fn with_status(mut response: Response, status: StatusCode) -> Response {
    if response.status() == StatusCode::OK {
        *response.status_mut() = status;
    }
    response
}

/// `POST /office/shop`
pub async fn change(State(app): State<Arc<Site>>, sent: SentByStaff) -> Page {
    let SentByStaff(caller, Sent { headers, body }) = sent;
    let permit = caller.shop_permit::<may::ManageShop>()?;
    let form = Form::read(&headers, &body)?;
    let text = |name: &str| form.get(name).to_owned();
    let texts = Texts {
        name: text("name"),
        accent: text("accent"),
        logo_alt: text("logo_alt"),
        imprint: text("imprint"),
        terms: text("terms"),
        privacy: text("privacy"),
    };
    let seen_ms = form.get("seen").parse().unwrap_or(-1);
    match app.shop.change(&permit, texts.clone(), seen_ms).await {
        Ok(()) => Ok(Redirect::to("/office/shop?done=saved").into_response()),
        Err(no) => {
            let differs = no == NotChanged::Differs;
            let faults = faults_of(no)?;
            let row = app.shop.known().row.clone();
            let shown = shop_page(&app, &caller, &row, texts, faults);
            // Somebody who has been told saves over what the other has changed.
            let seen_ms = if differs { row.changed_ms } else { seen_ms };
            let status =
                if differs { StatusCode::CONFLICT } else { StatusCode::UNPROCESSABLE_ENTITY };
            Ok(with_status(page(&ShopPage { seen_ms, ..shown }), status))
        }
    }
}

/// Receives a form with a file. It is large, so nothing of it is read before whoever sends it has shown that they may.
pub(super) async fn receive_file(request: Request) -> Result<Multipart, PageProblem> {
    // The file, and the little that stands around it.
    let Sent { headers, body } = receive_within(request, MOST_BYTES + 16 * 1024, PATIENCE).await?;
    Ok(Multipart::read(&headers, &body)?)
}

/// `POST /office/shop/logo`
pub async fn logo(State(app): State<Arc<Site>>, request: Request) -> Page {
    let caller = staff(&app, request.headers()).await?;
    let permit = caller.shop_permit::<may::ManageShop>()?;
    let form = receive_file(request).await?;
    let remove = form.text("do") == "remove";
    let file = form.file("logo");
    let changed = match (file, remove) {
        (None, false) => {
            let what = "Choose a file: a PNG, JPEG or WebP picture.";
            Err(NotChanged::Wrong(vec![("logo", what.into())]))
        }
        (_, true) => app.shop.set_logo(&permit, None).await,
        (file, false) => app.shop.set_logo(&permit, file).await,
    };
    match changed {
        Ok(()) => Ok(Redirect::to("/office/shop?done=logo").into_response()),
        Err(no) => {
            let faults = faults_of(no)?;
            let row = app.shop.known().row.clone();
            let shown = shop_page(&app, &caller, &row, texts_of(&row), faults);
            Ok(with_status(page(&shown), StatusCode::UNPROCESSABLE_ENTITY))
        }
    }
}

/// The picture of an event.
#[derive(Template)]
#[template(path = "office/event_picture.html")]
struct PicturePage {
    office: OfficeFrame,
    slug: String,
    name: String,
    faults: Faults,
    alt: String,
    /// Its address, and its size.
    picture: Option<(String, u32, u32)>,
}

fn picture_page(
    app: &Site,
    caller: &Caller,
    event: &boxoffice::Event,
    typed: Option<&str>,
    faults: Faults,
) -> PicturePage {
    let known = app.shop.known();
    let picture = known.pictures.get(&event.id);
    let slug = event.spec.slug.clone();
    PicturePage {
        office: OfficeFrame::of_event(app, caller, (event.id, &slug), "picture"),
        name: event.spec.name.clone(),
        faults,
        alt: typed.or(picture.map(|p| p.alt.as_str())).unwrap_or_default().to_owned(),
        picture: picture.map(|p| (picture_path(p.picture), p.width, p.height)),
        slug,
    }
}

/// `GET /office/events/{event}/picture`
pub async fn picture(
    State(app): State<Arc<Site>>,
    Path(slug): Path<String>,
    Staff(caller): Staff,
) -> Page {
    let event = event_for(&app, &caller, &slug).await?;
    _ = caller.permit::<may::ChangeEvents>(event.id)?;
    app.shop.refresh().await.map_err(CommandError::from)?;
    Ok(page(&picture_page(&app, &caller, &event, None, Faults::none())))
}

/// `POST /office/events/{event}/picture`
pub async fn set_picture(
    State(app): State<Arc<Site>>,
    Path(slug): Path<String>,
    request: Request,
) -> Page {
    let caller = staff(&app, request.headers()).await?;
    let event = event_for(&app, &caller, &slug).await?;
    let permit = caller.permit::<may::ChangeEvents>(event.id)?;
    let form = receive_file(request).await?;
    let alt = form.text("alt");
    let remove = form.text("do") == "remove";
    let changed = match remove {
        true => app.shop.remove_event_picture(&permit).await,
        false => app.shop.set_event_picture(&permit, form.file("picture"), &alt).await,
    };
    match changed {
        Ok(()) => Ok(shown(&event.spec, if remove { "picture-removed" } else { "picture" })),
        Err(no) => {
            let faults = faults_of(no)?;
            let shown = picture_page(&app, &caller, &event, Some(&alt), faults);
            Ok(with_status(page(&shown), StatusCode::UNPROCESSABLE_ENTITY))
        }
    }
}
