//! People and keys of the office, as tests make them: over its pages.
#![allow(dead_code, reason = "not every test target has people")]

use crate::forms::PageForm;
use crate::harness::*;
use std::collections::BTreeMap;

pub const PASSWORD: &str = "correct horse battery";
pub const OWNER: &str = "owner@example.org";

/// A browser with its cookies, which says what browsers say.
#[derive(Clone, Default, Debug)]
pub struct Visitor(pub BTreeMap<String, String>);

impl Visitor {
    /// As it goes with the cookies.
    pub fn dress(&self, request: Request) -> Request {
        if self.0.is_empty() {
            return request;
        }
        let cookies: Vec<String> = self.0.iter().map(|(n, v)| format!("{n}={v}")).collect();
        request.header("cookie", &cookies.join("; "))
    }

    pub fn send(&mut self, server: &Server, request: Request) -> Answer {
        let answer = server.send(self.dress(request).header("sec-fetch-site", "same-origin"));
        self.take(&answer);
        answer
    }

    pub fn get(&mut self, server: &Server, path: &str) -> Answer {
        self.send(server, Request::get(path))
    }

    pub fn post(&mut self, server: &Server, path: &str, fields: &[(&str, &str)]) -> Answer {
        self.send(server, Request::form(path, fields))
    }

    fn take(&mut self, answer: &Answer) {
        for set in cookies(answer) {
            let (name, rest) = set.split_once('=').unwrap();
            let value = rest.split(';').next().unwrap();
            match value {
                "" => _ = self.0.remove(name),
                value => _ = self.0.insert(name.into(), value.into()),
            }
        }
    }

    /// The header that its session is.
    pub fn session(&self) -> String {
        format!("nts-office={}", self.0["nts-office"])
    }
}

/// The cookies that an answer sets.
pub fn cookies(answer: &Answer) -> Vec<String> {
    let lines = answer.headers.lines().filter_map(|line| line.split_once(':'));
    let set = lines.filter(|(name, _)| name.eq_ignore_ascii_case("set-cookie"));
    set.map(|(_, value)| value.trim().to_owned()).collect()
}

/// The path of the link that a first start has printed.
pub fn first_link(server: &Server) -> Option<String> {
    let line = server.said.iter().find(|line| line.contains("/office/welcome/"))?;
    let at = line.find("/office/welcome/")?;
    Some(line[at..].trim().to_owned())
}

/// Somebody who has accepted this invitation.
pub fn accept(server: &Server, link: &str, email: &str) -> Visitor {
    let mut visitor = Visitor::default();
    let page = visitor.get(server, link);
    assert_eq!(page.status, 200, "{page:?}");
    let form = PageForm::of(&page.text(), link).expect("a form");
    let mut fields = vec![("name", "A Person"), ("password", PASSWORD)];
    if form.field("email").is_some() {
        fields.push(("email", email));
    }
    let done = visitor.post(server, link, &fields);
    assert_eq!((done.status, done.header("location")), (303, Some("/office")), "{done:?}");
    visitor
}

/// The owner, whom the link of the first start has made.
pub fn owner(server: &Server) -> Visitor {
    accept(server, &first_link(server).expect("the start prints a link"), OWNER)
}

pub fn sign_in(server: &Server, email: &str) -> Visitor {
    let mut visitor = Visitor::default();
    let fields = [("email", email), ("password", PASSWORD)];
    let done = visitor.post(server, "/office/sign-in", &fields);
    assert_eq!(done.status, 303, "{done:?}");
    visitor
}

/// The link of an invitation to this role, for one event (by its slug) or for all.
pub fn invite(
    server: &Server,
    owner: &mut Visitor,
    email: &str,
    role: &str,
    event: &str,
) -> String {
    let fields = [("email", email), ("role", role), ("event", event)];
    let done = owner.post(server, "/office/people/invitations", &fields);
    assert_eq!(done.status, 303, "{done:?}");
    let page = owner.get(server, done.header("location").unwrap()).text();
    let url = between(&page, r#"id="link" value=""#, "\"");
    url[url.find("/office/").unwrap()..].to_owned()
}

/// A key of this role, for one event or for all.
pub fn key(server: &Server, owner: &mut Visitor, role: &str, event: &str) -> String {
    let fields = [("name", "A program"), ("role", role), ("event", event)];
    let page = owner.post(server, "/office/keys", &fields);
    assert_eq!(page.status, 200, "{page:?}");
    between(&page.text(), r#"id="key" value=""#, "\"").to_owned()
}

/// How an account is named in addresses.
pub fn account(email: &str) -> String {
    format!("{:032x}", nts_server::accounts::account_id(email))
}

pub fn between<'a>(text: &'a str, begin: &str, end: &str) -> &'a str {
    let (_, rest) = text.split_once(begin).unwrap_or_else(|| panic!("{begin} in {text}"));
    rest.split_once(end).unwrap().0
}
