//! The texts of the shop: who runs it, its terms, and what happens with personal data. And its pictures.

use crate::http::page::{Frame, Page, is_known, page, problem_for};
use crate::http::problem::Problem;
use crate::http::query::Query;
use crate::http::site::Site;
use crate::language::{Lang, Words};
use crate::markdown;
use crate::shop::Known;
use crate::writer::CommandError;
use askama::Template;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use std::sync::Arc;

#[derive(Template)]
#[template(path = "about.html")]
struct AboutPage {
    frame: Frame,
    title: Words,
    /// As HTML.
    text: String,
    /// Which version of the terms this is, and whether it is the one of now.
    version: Option<(Words, bool)>,
}

async fn shown(
    app: &Site,
    path: &str,
    title: fn(Lang) -> Words,
    text: impl Fn(&Known) -> String,
) -> Page {
    let text = text(&app.shop.known());
    if text.is_empty() {
        return Err(Problem::no_page().into());
    }
    let frame = Frame::of(app).at(path);
    let title = title(frame.lang);
    Ok(page(&AboutPage { frame, title, text: markdown::html(&text), version: None }))
}

/// `GET /imprint`
pub async fn imprint(State(app): State<Arc<Site>>) -> Page {
    shown(&app, "/imprint", Lang::imprint, |known| known.row.imprint.clone()).await
}

/// `GET /privacy`
pub async fn privacy(State(app): State<Arc<Site>>) -> Page {
    shown(&app, "/privacy", Lang::privacy, |known| known.row.privacy.clone()).await
}

/// `GET /terms?version=`: those of now, or those that an order names.
pub async fn terms(State(app): State<Arc<Site>>, query: Query) -> Page {
    let now = app.shop.known().row.clone();
    let asked = query.number("version", 1..=u32::MAX)?.unwrap_or(now.terms_version);
    let text = if asked == now.terms_version {
        now.terms
    } else {
        let old = app.shop.terms(asked).await.map_err(CommandError::from)?;
        old.map(|old| old.text).unwrap_or_default()
    };
    if text.is_empty() {
        return Err(Problem::no_page().into());
    }
    let frame = Frame::of(&app).at("/terms");
    let title = frame.lang.terms();
    let version = Some((frame.lang.terms_version(asked), asked == now.terms_version));
    Ok(page(&AboutPage { frame, title, text: markdown::html(&text), version }))
}

/// The address of a picture.
pub fn picture_path(id: u128) -> String {
    format!("/pictures/{id:032x}")
}

/// `GET /pictures/{picture}`: a picture never changes, so browsers may keep it.
pub async fn picture(
    State(app): State<Arc<Site>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Response {
    let read = if id.len() == 32 { u128::from_str_radix(&id, 16).ok() } else { None };
    let found = match read {
        Some(id) => app.shop.picture(id).await,
        None => Ok(None),
    };
    let picture = match found {
        Ok(Some(picture)) => picture,
        Ok(None) => return problem_for("/pictures/", &headers, Problem::no_page()),
        Err(fault) => {
            return problem_for("/pictures/", &headers, CommandError::from(fault).into());
        }
    };
    let tag = format!("\"{id}\"");
    let same = is_known(&headers, &tag);
    let kept = HeaderValue::from_static("public, max-age=31536000, immutable");
    let tag = HeaderValue::from_str(&tag).expect("hexadecimal digits");
    let common = [(header::ETAG, tag), (header::CACHE_CONTROL, kept)];
    if same {
        return (StatusCode::NOT_MODIFIED, common).into_response();
    }
    let kind = HeaderValue::from_str(&picture.media_type).expect("a media type of ours");
    let bytes = Bytes::copy_from_slice(&picture.bytes);
    ([(header::CONTENT_TYPE, kind)], common, bytes).into_response()
}
