//! Reads pages as plainly as can be: whether the tags of one are closed as they were opened, and whose
//! names and numbers are on it.

use boxoffice::{Money, Order, TicketState};
use nts_server::language::Lang;

/// Elements without an end (<https://html.spec.whatwg.org/multipage/syntax.html#void-elements>).
const VOID: [&str; 8] = ["area", "br", "hr", "img", "input", "link", "meta", "source"];

/// Whether each tag is closed, and in the order in which they were opened. The error says where not.
pub fn well_formed(html: &str) -> Result<(), String> {
    let mut open: Vec<&str> = Vec::new();
    let mut rest = html;
    while let Some(at) = rest.find('<') {
        rest = &rest[at + 1..];
        if rest.starts_with('!') {
            continue;
        }
        let end = end_of_tag(rest).ok_or("a tag does not end")?;
        let (tag, after) = (&rest[..end], &rest[end + 1..]);
        rest = after;
        let closes = tag.strip_prefix('/');
        let name = closes.unwrap_or(tag).split([' ', '\n', '/']).next().unwrap_or_default();
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric()) {
            return Err(format!("<{tag}> is no tag"));
        }
        if closes.is_some() {
            let opened = open.pop();
            if opened != Some(name) {
                return Err(format!("</{name}> closes {opened:?}"));
            }
        } else if !VOID.contains(&name) && !tag.ends_with('/') {
            open.push(name);
        }
    }
    if open.is_empty() { Ok(()) } else { Err(format!("{open:?} are not closed")) }
}

/// Where a tag ends: at a `>` that is in no attribute's value.
fn end_of_tag(rest: &str) -> Option<usize> {
    let mut quoted = false;
    rest.bytes().position(|b| {
        quoted ^= b == b'"';
        b == b'>' && !quoted
    })
}

/// The names and the secrets of other buyers that a page shows. Buyers are called `buyer 7` and
/// `script 1-7` here, so a name is one only where no digit follows.
pub fn others(html: &str, order: &Order, all: &[(Order, String)]) -> Vec<String> {
    let mut found = Vec::new();
    // Its own buyer's name may begin with another's.
    let mut html = html.to_owned();
    for own in [&order.buyer.name, &order.buyer.email] {
        if !own.is_empty() {
            html = html.replace(own.as_str(), "");
        }
    }
    for (other, url) in all {
        let secret = url.rsplit('/').next().unwrap_or_default();
        if other.id != order.id && !secret.is_empty() && html.contains(secret) {
            found.push(format!("the secret of {}", other.buyer.name));
        }
        if other.buyer.name != order.buyer.name && shows(&html, &other.buyer.name) {
            found.push(other.buyer.name.clone());
        }
        let email = &other.buyer.email;
        if *email != order.buyer.email && !email.is_empty() && shows(&html, email) {
            found.push(email.clone());
        }
    }
    found
}

/// Whether a text has this name.
pub fn shows(html: &str, name: &str) -> bool {
    let whole =
        |(at, _): (usize, &str)| !html[at + name.len()..].starts_with(|c: char| c.is_ascii_digit());
    html.match_indices(name).any(whole)
}

/// Whether an order's page is about that order, and about no other. The error says how not.
pub fn is_of(html: &str, order: &Order, all: &[(Order, String)]) -> Result<(), String> {
    let others = others(html, order, all);
    if !others.is_empty() {
        return Err(format!("tells of others: {others:?}"));
    }
    let show = |minor| Lang::En.money(Money { minor, currency: order.currency });
    let number = |n: u32| format!("<td class=\"num\">{n}</td>");
    let class = format!("class=\"state {}\"", order.state.word());
    let mut wanted =
        vec![class, format!("<td class=\"num\">{}</td></tr>", show(order.total().minor))];
    for line in &order.lines {
        let price = show(i64::from(line.quantity) * line.unit_minor);
        wanted.push(format!("{}<td class=\"num\">{price}</td>", number(line.quantity)));
        if line.refunded > 0 {
            wanted.push(format!("({} refunded)", line.refunded));
        }
    }
    if !order.tickets.is_empty() {
        wanted.push(order.buyer.name.clone());
    }
    let back = order.refunded().minor;
    if back > 0 {
        wanted.push(format!("Refunded</th><td class=\"num\">{}</td>", show(back)));
    }
    if let Some(missing) = wanted.iter().find(|wanted| !html.contains(wanted.as_str())) {
        return Err(format!("does not say {missing}"));
    }
    let valid = order.tickets.iter().filter(|t| t.state == TicketState::Valid).count();
    let codes = html.matches("<code>").count();
    let pictures = html.matches("<svg").count();
    if codes != order.tickets.len() || pictures != valid {
        return Err(format!("has {codes} tickets, {pictures} of them valid, it should be {valid}"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::well_formed;

    #[test]
    fn tags_are_closed_as_they_were_opened() {
        for good in ["", "<p>a<br>b</p>", "<!doctype html><a title=\"1 > 0\">x</a>", "<svg/>"] {
            assert_eq!(well_formed(good), Ok(()), "{good}");
        }
        for bad in ["<p>", "</p>", "<b><i></b></i>", "<a", "a < b"] {
            assert!(well_formed(bad).is_err(), "{bad}");
        }
    }
}
