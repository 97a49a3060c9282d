//! Cookies of a browser, and whether a browser goes to a page.

use crate::app::App;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;

/// The values of all cookies of this name.
pub(in crate::http) fn values<'a>(
    headers: &'a HeaderMap,
    name: &'a str,
) -> impl Iterator<Item = &'a str> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    cookies
        .flat_map(|cookies| cookies.split(';'))
        .filter_map(move |cookie| cookie.trim().strip_prefix(name)?.strip_prefix('='))
}

/// Sets a cookie that no script can read, for so many seconds. The value is of letters, digits, `-`, `.` and
/// `:`.
pub(in crate::http) fn set(
    app: &App,
    response: &mut Response,
    (name, value, path): (&str, &str, &str),
    seconds: i64,
) {
    let secure = if app.links.base().starts_with("https://") { "; Secure" } else { "" };
    let cookie =
        format!("{name}={value}; Path={path}; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}");
    let cookie = HeaderValue::try_from(cookie).expect("ids and secrets are letters and digits");
    response.headers_mut().append(header::SET_COOKIE, cookie);
}

/// Whether a browser goes to a page, as far as it says: not a script of a page that reads another one, nor a
/// frame (<https://www.w3.org/TR/fetch-metadata/>).
pub(in crate::http) fn navigates(headers: &HeaderMap) -> bool {
    let says = |name: &str, allowed: &str| {
        headers.get_all(name).iter().all(|value| value.as_bytes() == allowed.as_bytes())
    };
    says("sec-fetch-mode", "navigate") && says("sec-fetch-dest", "document")
}
