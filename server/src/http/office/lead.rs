//! Where somebody is led who is not signed in, or must sign in once more: to the page that asks, and from there
//! back to where they wanted to go. What was sent is not done, and that page says so.

use crate::app::App;
use crate::http::auth::is_office;
use crate::http::door::is_for_scripts;
use crate::http::problem::Problem;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use nts_api::ProblemCode;

/// The first page.
pub const HOME: &str = "/office";
/// No address of ours is longer.
const LONGEST: usize = 1_024;

/// Where somebody wants to go.
pub struct Way {
    next: String,
    /// Whether something was sent, which is not done.
    lost: bool,
}

impl Way {
    /// Of a request for a page of the office. `None`: who sends it is no browser of a person, and gets the
    /// answer as it is.
    pub fn of(app: &App, request: &Request) -> Option<Way> {
        let reads = [Method::GET, Method::HEAD].contains(request.method());
        let key = request.headers().contains_key(header::AUTHORIZATION);
        let path = request.uri().path();
        if key || !is_office(path) || is_for_scripts(path) {
            return None;
        }
        let next = match reads {
            true => request.uri().path_and_query().map(|path| path.as_str()),
            // The page with the form.
            false => referer(app, request.headers()),
        };
        let next = next.and_then(own).unwrap_or(HOME).to_owned();
        Some(Way { next, lost: !reads })
    }

    /// The answer, or the way to the page that lets somebody get it.
    pub fn lead(self, response: Response) -> Response {
        let page = match response.extensions().get::<Refusal>() {
            Some(Refusal(ProblemCode::Unauthorized)) => "/office/sign-in",
            Some(Refusal(ProblemCode::SignInAgain)) => "/office/confirm",
            _ => return response,
        };
        Redirect::to(&to(page, &self.next, self.lost)).into_response()
    }
}

/// Marks an answer with the code of its problem.
#[derive(Clone, Copy, Debug)]
pub struct Refusal(pub ProblemCode);

/// A page that goes on to another one.
pub fn to(page: &str, next: &str, lost: bool) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    if next != HOME {
        query.append_pair("next", next);
    }
    if lost {
        query.append_pair("lost", "1");
    }
    match query.finish() {
        none if none.is_empty() => page.to_owned(),
        query => format!("{page}?{query}"),
    }
}

/// An address that is a page of the office or of the door, as a browser reads it too; `None` for every other one.
pub fn own(next: &str) -> Option<&str> {
    let plain = |b: u8| b.is_ascii_graphic() && b != b'\\';
    let (path, _) = next.split_once(['?', '#']).unwrap_or((next, ""));
    // A browser goes up at these, however they are written.
    let up = |part: &str| {
        let part = part.to_ascii_lowercase().replace("%2e", ".");
        part == "." || part == ".."
    };
    let ours = is_office(path) && next.len() <= LONGEST && next.bytes().all(plain);
    (ours && !path.split('/').any(up)).then_some(next)
}

/// The page from which a form was sent, if it is one of ours.
fn referer<'a>(app: &App, headers: &'a HeaderMap) -> Option<&'a str> {
    let from = headers.get(header::REFERER)?.to_str().ok()?;
    let path = match from.strip_prefix(app.links.base()) {
        Some(path) => path,
        None => {
            let (_, rest) = from.split_once("://")?;
            let at = rest.find('/')?;
            let host = headers.get(header::HOST).map(HeaderValue::as_bytes);
            (Some(&rest.as_bytes()[..at]) == host).then_some(&rest[at..])?
        }
    };
    own(path)
}

/// The form again: what was typed is wrong.
pub fn with_status(mut page: Response, status: StatusCode) -> Response {
    *page.status_mut() = status;
    page
}

impl Refusal {
    /// The mark of this problem.
    pub fn of(problem: &Problem) -> Refusal {
        Refusal(problem.code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pages_of_the_office_are_gone_on_to() {
        for good in [
            "/office",
            "/office/people",
            "/office?a=b",
            "/office/events/x?next=//evil",
            "/office/a#b",
            "/door/rock",
            "/door/rock?gate=north",
        ] {
            assert_eq!(own(good), Some(good));
        }
        let long = format!("/office/{}", "a".repeat(LONGEST));
        for bad in [
            "",
            "/",
            "//evil.example",
            "/officer",
            "/door",
            "/door/",
            "/doors/rock",
            "/door/../rock",
            "https://evil.example/office",
            "/\\evil.example",
            "/office\\..\\x",
            "/office/../x",
            "/office/%2E%2e/x",
            "/office/./x",
            "javascript:alert(1)",
            "/office\r\nSet-Cookie: a=b",
            "/office /x",
            "office",
            "/office/é",
            &long,
        ] {
            assert_eq!(own(bad), None, "{bad}");
        }
        assert_eq!(to("/office/sign-in", "/office", false), "/office/sign-in");
        let page = to("/office/sign-in", "/office/a?b=c&d", true);
        assert_eq!(page, "/office/sign-in?next=%2Foffice%2Fa%3Fb%3Dc%26d&lost=1");
    }
}
