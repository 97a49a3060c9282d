//! Whether what buyers were told is true.

use crate::Counts;
use crate::books::{Books, Entry, Second, Told};
use crate::client::Request;
use crate::crowd::{Crowd, retry_until_ok};
use crate::order::Found;
use nts_api::OrderState;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

/// How long a payment may still be under way when the crowd is gone.
const SETTLES: Duration = Duration::from_secs(120);
/// At the most so many things that are wrong are told.
const TOLD: usize = 20;

/// What was found.
#[derive(Clone, Default, Debug)]
pub struct Verified {
    /// Orders that were looked at again.
    pub checked: usize,
    /// Of how many.
    pub orders: usize,
    /// The places at the end, as the server says.
    pub after: Counts,
    /// What is not as it was told; empty if all of it is true.
    pub wrong: Vec<String>,
}

/// Looks at orders again, and compares the books with the counts.
pub(crate) async fn verify(
    crowd: &Arc<Crowd>,
    seconds: &[Second],
    tell: &dyn Fn(usize, usize),
) -> Verified {
    let entries = crowd.books().entries.clone();
    let which = chosen(&entries, crowd.plan.check);
    let mut verified =
        Verified { orders: entries.len(), checked: which.len(), ..Verified::default() };
    let mut found: BTreeMap<usize, Found> = BTreeMap::new();
    let mut looks = JoinSet::new();
    for (n, at) in which.iter().enumerate() {
        if looks.len() >= 256
            && let Some(Ok((at, order))) = looks.join_next().await
        {
            note(&mut verified, &mut found, at, order, &entries);
        }
        let (crowd, entry, at) = (Arc::clone(crowd), entries[*at].clone(), *at);
        looks.spawn(async move { (at, look_again(&crowd, &entry).await) });
        if n % 1_000 == 0 {
            tell(n, which.len());
        }
    }
    while let Some(Ok((at, order))) = looks.join_next().await {
        note(&mut verified, &mut found, at, order, &entries);
    }
    let Some(after) = retry_until_ok(&crowd.client, &crowd.target).await else {
        verified.wrong.push("the server does not tell its counts any more".into());
        return verified;
    };
    verified.after = after;
    let now_ms = u32::try_from(crowd.begun.elapsed().as_millis()).unwrap_or(u32::MAX);
    let times = Times { now_ms, hold_ms: crowd.target.hold_s.saturating_mul(1000) };
    let books = crowd.books();
    let told = compare(&books, &found, (crowd.target.before, after), seconds, times);
    verified.wrong.extend(told);
    verified.wrong.truncate(TOLD);
    verified
}

fn note(
    verified: &mut Verified,
    found: &mut BTreeMap<usize, Found>,
    at: usize,
    order: Result<Found, String>,
    entries: &[Entry],
) {
    match order {
        Ok(order) => _ = found.insert(at, order),
        Err(why) => {
            let id = uuid::Uuid::from_u128(entries[at].id);
            verified.wrong.push(format!("order {id} was promised and cannot be had: {why}"));
        }
    }
}

/// All whose outcome nobody was told, and of the others as many as may be, evenly spread.
fn chosen(entries: &[Entry], most: usize) -> Vec<usize> {
    let every = entries.len().div_ceil(most.max(1)).max(1);
    let picked = entries.iter().enumerate();
    picked.filter(|(n, e)| e.told == Told::Asked || n % every == 0).map(|(n, _)| n).collect()
}

/// Reads an order, again while its payment is under way.
async fn look_again(crowd: &Crowd, entry: &Entry) -> Result<Found, String> {
    let path = format!("/api/v1/orders/{}", uuid::Uuid::from_u128(entry.id));
    let secret = String::from_utf8_lossy(&entry.secret).into_owned();
    let request = Request::get_with(&path, &secret);
    let begun = Instant::now();
    let mut last = String::from("no answer");
    while begun.elapsed() < SETTLES {
        match crowd.client.once(&request, Duration::from_secs(30)).await {
            Ok(answer) if answer.status == 200 => {
                let found = Found::read(&answer.body)
                    .map_err(|error| format!("it cannot be read: {error}"))?;
                if !(found.under_way() && entry.told == Told::Asked) {
                    return Ok(found);
                }
                last = format!("its payment is still {}", found.state);
            }
            Ok(answer) if matches!(answer.status, 429 | 503) => last = "not now".into(),
            Ok(answer) => return Err(format!("the answer is {}", answer.status)),
            Err(silence) => last = silence.to_string(),
        }
        sleep(Duration::from_millis(300)).await;
    }
    Err(last)
}

/// Times that matter for what may have become of an order.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// Now, in milliseconds since the crowd began to come.
    pub now_ms: u32,
    /// How long a hold lasts, in milliseconds.
    pub hold_ms: u64,
}

/// Compares what was told with what was found, and says what does not fit; nothing, if all does.
/// `found` has some of the orders, by their place in the books, and all whose outcome is unknown.
pub fn compare(
    books: &Books,
    found: &BTreeMap<usize, Found>,
    (before, after): (Counts, Counts),
    seconds: &[Second],
    times: Times,
) -> Vec<String> {
    let mut wrong = books.wrong.clone();
    // Places that are paid although no buyer was told so.
    let mut silent = 0;
    for (at, order) in found {
        let Some(entry) = books.entries.get(*at) else { continue };
        let id = uuid::Uuid::from_u128(entry.id);
        let valid = order.codes.len();
        match (entry.told, order.state) {
            (Told::Paid, OrderState::Paid) if valid == usize::from(entry.places) => {}
            (Told::Paid, OrderState::Paid) => wrong.push(format!(
                "order {id} was told as paid with {} tickets and has {valid}",
                entry.places
            )),
            (Told::Paid, state) => {
                wrong.push(format!("order {id} was told as paid and is {state}"));
            }
            (Told::Asked, OrderState::Paid) => silent += u64::from(entry.places),
            (Told::Asked, _) => {}
            (Told::Held, OrderState::Paid) => {
                wrong.push(format!("order {id} is paid although its buyer never paid"));
            }
            (Told::Held, OrderState::Released) => {
                let held_ms = u64::from(times.now_ms.saturating_sub(entry.asked_ms));
                if held_ms < times.hold_ms {
                    wrong.push(format!(
                        "order {id} was released after {held_ms} ms at most; its hold lasts {} ms",
                        times.hold_ms
                    ));
                }
            }
            (Told::Held, _) => {}
        }
    }
    let mut codes = books.codes.clone();
    codes.sort_unstable();
    let all = codes.len();
    codes.dedup();
    if codes.len() != all {
        wrong.push(format!("{} ticket codes were given twice", all - codes.len()));
    }
    let told = books.paid_places();
    let sold = after.sold.saturating_sub(before.sold);
    if sold != told + silent {
        wrong.push(format!(
            "{sold} places were sold by the server's counts, but buyers were told of {told}, and \
             {silent} more were paid without an answer"
        ));
    }
    for (held, sold) in seconds.iter().filter_map(|s| s.places).chain([(after.held, after.sold)]) {
        if held + sold > after.capacity {
            wrong.push(format!("{held} held and {sold} sold are more than {}", after.capacity));
            break;
        }
    }
    // Who was refused `n` places was told that fewer were left. If nothing has come back since,
    // fewer must be left now.
    let came_back = books.entries.iter().enumerate().any(|(at, entry)| {
        let is_paid = entry.told == Told::Paid;
        let is_held =
            found.get(&at).is_some_and(|f| matches!(f.state, OrderState::Held | OrderState::Paid));
        !is_paid && !is_held
    });
    let refused = u64::from(books.refused_places);
    if refused > 0 && !came_back && after.left() >= refused {
        wrong.push(format!(
            "somebody was refused {refused} places, nobody gave any back, and {} are left",
            after.left()
        ));
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;
    use nts_api::AttemptState;

    const BEFORE: Counts = Counts { capacity: 10, held: 0, sold: 1 };
    const TIMES: Times = Times { now_ms: 20_000, hold_ms: 60_000 };

    fn entry(id: u128, places: u8, told: Told) -> Entry {
        Entry { id, secret: [b'A'; 26], places, asked_ms: 1_000, told }
    }

    fn order(state: OrderState, tickets: usize) -> Found {
        Found { state, codes: vec![String::new(); tickets], attempts: Vec::new() }
    }

    /// Two have tickets, one walked away, one never heard.
    fn true_books() -> (Books, BTreeMap<usize, Found>, Counts) {
        let entries = vec![
            entry(1, 2, Told::Paid),
            entry(2, 3, Told::Paid),
            entry(3, 1, Told::Held),
            entry(4, 2, Told::Asked),
        ];
        let books = Books { entries, codes: vec![11, 12, 13, 14, 15], ..Books::default() };
        let found = [
            order(OrderState::Paid, 2),
            order(OrderState::Paid, 3),
            order(OrderState::Held, 0),
            order(OrderState::Paid, 2),
        ];
        let after = Counts { capacity: 10, held: 1, sold: 8 };
        (books, found.into_iter().enumerate().collect(), after)
    }

    fn check(change: impl FnOnce(&mut Books, &mut BTreeMap<usize, Found>, &mut Counts)) -> String {
        let (mut books, mut found, mut after) = true_books();
        change(&mut books, &mut found, &mut after);
        compare(&books, &found, (BEFORE, after), &[], TIMES).join("; ")
    }

    #[test]
    fn what_is_true_is_found_true() {
        assert_eq!(check(|_, _, _| ()), "");
        // Only a part is looked at again.
        assert_eq!(check(|_, found, _| _ = found.remove(&0)), "");
        assert_eq!(check(|books, _, _| books.refused_places = 2), "");
    }

    #[test]
    fn a_lie_is_noticed() {
        let lies = [
            (
                check(|_, found, _| found.get_mut(&0).expect("it").state = OrderState::Held),
                "is held",
            ),
            (check(|_, found, _| _ = found.insert(1, order(OrderState::Paid, 2))), "and has 2"),
            (check(|_, found, _| _ = found.insert(2, order(OrderState::Paid, 1))), "never paid"),
            (
                check(|_, found, _| _ = found.insert(2, order(OrderState::Released, 0))),
                "was released after",
            ),
            (check(|books, _, _| books.codes[1] = 11), "given twice"),
            (check(|_, _, after| after.sold = 7), "6 places were sold"),
            (check(|_, _, after| after.sold = 9), "buyers were told of 5, and 2 more"),
            (check(|_, _, after| after.held = 3), "more than 10"),
            (check(|books, _, _| books.refused_places = 1), "somebody was refused 1 places"),
            (check(|books, _, _| books.wrong("a riddle".into())), "a riddle"),
        ];
        for (said, expected) in lies {
            assert!(said.contains(expected), "{said:?} does not say {expected:?}");
        }
    }

    #[test]
    fn what_is_the_buyers_turn_is_not_waited_for() {
        use AttemptState::{Action, Authorised, Declined, Pending};
        let paying = |attempts: &[AttemptState]| {
            let attempts = attempts.to_vec();
            Found { attempts, ..order(OrderState::Paying, 0) }.under_way()
        };
        assert!(!paying(&[Declined]));
        assert!(!paying(&[Action]));
        assert!(paying(&[Pending]));
        assert!(paying(&[Declined, Authorised]));
        assert!(
            order(OrderState::Paying, 0).under_way() && order(OrderState::Canceling, 0).under_way()
        );
        assert!(!order(OrderState::Paid, 1).under_way() && !order(OrderState::Held, 0).under_way());
    }

    #[test]
    fn an_oversold_moment_is_noticed_although_it_has_passed() {
        let (books, found, after) = true_books();
        let seconds = [Second { places: Some((6, 5)), ..Second::default() }];
        let said = compare(&books, &found, (BEFORE, after), &seconds, TIMES);
        assert!(said.iter().any(|s| s.contains("6 held and 5 sold")), "{said:?}");
    }

    #[test]
    fn those_who_never_heard_are_all_looked_at_again() {
        let mut entries: Vec<Entry> = (0..1000).map(|n| entry(n, 1, Told::Paid)).collect();
        entries[501].told = Told::Asked;
        let some = chosen(&entries, 10);
        assert_eq!(some.len(), 11);
        assert!(some.contains(&501));
        assert_eq!(chosen(&entries, 5_000).len(), 1000);
        assert!(chosen(&[], 5).is_empty());
    }
}
