//! Runs the stories of `scripts/*.txt`. A story is a title and some steps:
//!
//! ```text
//! == the last place goes to one of two
//! event rock pools stalls=1 types adult:stalls:999 => new
//! hold o1 ann adult=1 => held until 300s
//! hold o2 bob adult=1 => refused sold_out adult left 0 held 1
//! ```
//!
//! CONTRIBUTING.md, "Scripts", lists all steps. After every step everything that must always hold is
//! checked (`world/mod.rs`).

#![allow(clippy::unwrap_used, reason = "a script that cannot be read fails its test")]

mod door_steps;
mod door_world;
mod world;

use boxoffice::*;
use door_world::DoorWorld;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use world::World;

#[test]
fn every_story_ends_well() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts");
    let mut files: Vec<_> = std::fs::read_dir(dir).unwrap().map(|f| f.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty(), "there are scripts");
    let (mut stories, mut failures) = (0, Vec::new());
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let name = format!("scripts/{}", file.file_name().unwrap().to_str().unwrap());
        assert!(text.starts_with('#'), "{name} starts by saying what lives there");
        for story in read_stories(&text) {
            stories += 1;
            if let Err((line, why)) = story.run() {
                failures.push(format!("{name}:{line}: {}\n    {why}", story.title));
            }
        }
    }
    assert!(failures.is_empty(), "{} of {stories}\n{}", failures.len(), failures.join("\n"));
}

/// A title and numbered lines.
struct Story<'a> {
    title: &'a str,
    steps: Vec<(usize, &'a str)>,
}

fn read_stories(text: &str) -> Vec<Story<'_>> {
    let mut stories: Vec<Story> = Vec::new();
    for (i, line) in text.lines().enumerate() {
        let line = line.trim();
        if let Some(title) = line.strip_prefix("==") {
            stories.push(Story { title: title.trim(), steps: Vec::new() });
        } else if !line.is_empty() && !line.starts_with('#') {
            stories.last_mut().expect("a story has a title").steps.push((i + 1, line));
        }
    }
    stories
}

impl Story<'_> {
    /// Plays it. The error is the number of a line and what is wrong there.
    fn run(&self) -> Result<(), (usize, String)> {
        let mut stage = Stage::default();
        for (number, line) in &self.steps {
            match catch_unwind(AssertUnwindSafe(|| stage.line(line))) {
                Ok(Ok(())) => {}
                Ok(Err(why)) => return Err((*number, format!("{line}\n    {why}"))),
                Err(panic) => {
                    let text = panic.downcast_ref::<String>().map(String::as_str);
                    let text = text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("panic");
                    return Err((*number, format!("{line}\n    {text}")));
                }
            }
        }
        Ok(())
    }
}

/// Where a story is played.
#[derive(Default)]
struct Stage {
    world: World,
    door: DoorWorld,
    now: TimeMs,
    /// The event that a hold is for if it does not say.
    event: String,
    names: BTreeMap<String, u32>,
    /// How many unused ids were handed out.
    fresh: u128,
    /// What was known when a reading began.
    asked: BTreeMap<String, SeenVersion>,
    /// Events as somebody has seen them.
    seen: BTreeMap<String, EventSpec>,
}

type Step = Result<(), String>;

impl Stage {
    fn line(&mut self, line: &str) -> Step {
        let (asked, expected) = match line.split_once("=>") {
            Some((asked, expected)) => (asked, Some(expected.trim())),
            None => (line, None),
        };
        let mut words = Words::read(asked)?;
        let first = words.next()?;
        if let Some(times) = first.strip_suffix('x').and_then(|n| n.parse::<u32>().ok()) {
            let (_, rest) = line.trim_start().split_once(' ').ok_or("do what?")?;
            return (0..times).try_for_each(|_| self.line(rest));
        }
        match expected {
            None => {
                self.look(&first, &mut words)?;
                words.end()
            }
            Some(expected) => {
                let answer = match self.door_command(&first, &mut words)? {
                    Some(command) => {
                        words.end()?;
                        self.ask_door(&command)
                    }
                    None => {
                        let command = self.command(&first, &mut words)?;
                        words.end()?;
                        self.ask(&command)
                    }
                };
                let answer = answer.trim_end();
                match expected.strip_suffix("...") {
                    Some(prefix) if answer.starts_with(prefix) => Ok(()),
                    None if answer == expected => Ok(()),
                    _ => Err(format!("=> {answer}")),
                }
            }
        }
    }

    fn ask(&mut self, command: &Command) -> String {
        match self.world.step(command, self.now) {
            Err(refusal) => format!("refused {}", self.refusal(&refusal)),
            Ok(decision) => {
                let mut text = match decision.reply {
                    Reply::Event { created: true, .. } => "new".into(),
                    Reply::Event { created: false, .. } => "changed".into(),
                    Reply::EventDeleted { .. } => "deleted".into(),
                    Reply::Held { until_ms, .. } => format!("held until {}", told(until_ms)),
                    Reply::Paying { attempt, .. } => format!("paying {attempt}"),
                    Reply::Order { state, .. } => state.word().into(),
                    Reply::Erased { erased, left, .. } => format!("erased {erased} left {left}"),
                    Reply::Found { order } => self.name_of(order),
                    Reply::Refunding { amount_minor, .. } => format!("refunding {amount_minor}"),
                };
                if decision.changes.is_empty() {
                    text += ", unchanged";
                }
                for alarm in &decision.alarms {
                    text += &format!(", alarm {}", alarm.text);
                }
                text
            }
        }
    }

    fn refusal(&self, refusal: &Refusal) -> String {
        match refusal {
            Refusal::Invalid(text) => format!("invalid {text}"),
            Refusal::UnknownEvent => "unknown_event".into(),
            Refusal::UnknownTicketType(t) => format!("unknown_ticket_type {t}"),
            Refusal::UnknownOrder => "unknown_order".into(),
            Refusal::NotYetOnSale(at) => format!("not_on_sale until {}", told(*at)),
            Refusal::SaleClosed(at) => format!("sale_closed since {}", told(*at)),
            Refusal::EventOver(at) => format!("event_over since {}", told(*at)),
            Refusal::SalePaused => "sale_paused".into(),
            Refusal::EventCanceled => "event_canceled".into(),
            Refusal::EventDiffers => "event_differs".into(),
            Refusal::EventExists => "event_exists".into(),
            Refusal::EventOrdered => "event_ordered".into(),
            Refusal::TypeNotYetOnSale { ticket_type, opens_ms } => {
                format!("not_on_sale {ticket_type} until {}", told(*opens_ms))
            }
            Refusal::TypeSaleClosed { ticket_type, closed_ms } => {
                format!("sale_closed {ticket_type} since {}", told(*closed_ms))
            }
            Refusal::UnknownCode => "unknown_code".into(),
            Refusal::CodeNotYetValid(from) => format!("code_invalid until {}", told(*from)),
            Refusal::CodeOver(until) => format!("code_invalid since {}", told(*until)),
            Refusal::CodeUsedUp { left, held } => format!("code_used_up left {left} held {held}"),
            Refusal::PriceChanged { ticket_type, shown_minor, prices, .. } => {
                let prices: Vec<_> = prices.iter().map(|(n, at)| format!("{n}x{at}")).collect();
                format!("price_changed {ticket_type} {shown_minor} to {}", prices.join(" "))
            }
            Refusal::TotalChanged { shown_minor, total_minor, .. } => {
                format!("total_changed {shown_minor} to {total_minor}")
            }
            Refusal::TypeSoldUncounted(t) => format!("capacity_too_late {t}"),
            Refusal::SoldOut { ticket_type, left, held } => {
                format!("sold_out {ticket_type} left {left} held {held}")
            }
            Refusal::LimitPerOrder(limit) => format!("limit_per_order {limit}"),
            Refusal::LimitPerBuyer { limit, has, order } => {
                let order = self.name_of(*order);
                format!("limit_per_buyer {limit} has {has} in {order}")
            }
            Refusal::TagsFixed => "tags_fixed".into(),
            Refusal::LimitTooLate { taken, most } => format!("limit_too_late {taken} {most}"),
            Refusal::HoldExpired => "hold_expired".into(),
            Refusal::PaymentExpired => "payment_expired".into(),
            Refusal::TooManyAttempts { most, until_ms } => {
                format!("too_many_attempts {most} until {}", told(*until_ms))
            }
            Refusal::PaymentUnderWay => "payment_under_way".into(),
            Refusal::AlreadyPaid => "already_paid".into(),
            Refusal::Canceled(state) => format!("canceled {}", state.word()),
            Refusal::NotDue => "not_due".into(),
            Refusal::AnswersMissing { question, ticket, .. } => {
                format!("answers_missing {}", told_at(question, *ticket))
            }
            Refusal::AnswerInvalid(FlawedAnswer { question, ticket, flaw }) => {
                let flaw = match flaw {
                    AnswerFlaw::UnknownQuestion => "unknown_question".into(),
                    AnswerFlaw::NotAsked => "not_asked".into(),
                    AnswerFlaw::Twice => "twice".into(),
                    AnswerFlaw::Missing => "missing".into(),
                    AnswerFlaw::TooLong(most) => format!("too_long {most}"),
                    AnswerFlaw::NotAChoice => "not_a_choice".into(),
                    AnswerFlaw::Unreadable(why) => format!("unreadable {why}"),
                };
                format!("answer_invalid {} {flaw}", told_at(question, *ticket))
            }
            Refusal::AnswersFixed(since) => format!("answers_fixed since {}", told(*since)),
            Refusal::AddressFixed(why) => match why {
                AddressFixed::NoTickets(state) => format!("address_fixed {}", state.word()),
                AddressFixed::Erased => "address_fixed erased".into(),
                AddressFixed::Never => "address_fixed never".into(),
                AddressFixed::EventOver(at) => format!("address_fixed over since {}", told(*at)),
                AddressFixed::Newest => "address_fixed newest".into(),
            },
            Refusal::NotPaid(state) => format!("not_paid {}", state.word()),
            Refusal::RefundUnderWay => "refund_under_way".into(),
            Refusal::NothingToRefund => "nothing_to_refund".into(),
            Refusal::RefundTooLarge { ticket_type, left } => {
                format!("refund_too_large {ticket_type} left {left}")
            }
            Refusal::AmountTooLarge { most } => format!("amount_too_large most {most}"),
            Refusal::NoTickets(state) => format!("no_tickets {}", state.word()),
            Refusal::UnknownTicket(number) => format!("unknown_ticket {number}"),
            Refusal::TicketRevoked => "ticket_revoked".into(),
            Refusal::NamesFixed(since) => format!("names_fixed since {}", told(*since)),
            Refusal::TooManyNames(most) => format!("too_many_names {most}"),
            Refusal::BuyerErased => "buyer_erased".into(),
            Refusal::CapacityBelowTaken { pool, taken } => {
                format!("capacity_below_taken {pool} {taken}")
            }
            Refusal::CurrencyFixed => "currency_fixed".into(),
            Refusal::PoolFixed(t) => format!("pool_fixed {t}"),
            Refusal::TooManyParts => "too_many_parts".into(),
        }
    }

    /// The same number for the same name, all through a story.
    fn number(&mut self, name: &str) -> u32 {
        let next = self.names.len() as u32 + 1;
        *self.names.entry(name.into()).or_insert(next)
    }

    fn event_id(&mut self, name: &str) -> EventId {
        EventId(self.number(name).into())
    }

    fn order_id(&mut self, name: &str) -> OrderId {
        OrderId(self.number(name).into())
    }

    /// The payment of an order.
    fn payment_id(&mut self, order: &str) -> PaymentId {
        PaymentId(u128::from(self.number(order)) + 1_000_000)
    }

    /// `late` is the refund that the office itself makes of money that came too late.
    fn refund_id(&mut self, order: &str, name: &str) -> RefundId {
        match name {
            "late" => RefundId(self.payment_id(order).0),
            name => RefundId(self.number(name).into()),
        }
    }

    fn buyer_key(&mut self, name: &str) -> BuyerKey {
        BuyerKey(self.number(name).into())
    }

    fn name_of(&self, order: OrderId) -> String {
        let named = |(_, n): &(&String, &u32)| u128::from(**n) == order.0;
        self.names.iter().find(named).map_or("?".into(), |(name, _)| name.clone())
    }

    /// What is known of an order now.
    fn known(&mut self, name: &str) -> SeenVersion {
        self.order(name).map_or(SeenVersion::NOTHING, SeenVersion::of)
    }

    fn order(&mut self, name: &str) -> Result<&Order, String> {
        let id = self.order_id(name);
        self.world.state.orders.get(&id).ok_or_else(|| format!("there is no order {name}"))
    }

    fn find_event(&self, slug: &str) -> Result<&Event, String> {
        let state = &self.world.state;
        let event = state.slugs.get(slug).and_then(|id| state.events.get(id));
        event.ok_or_else(|| format!("there is no event {slug}"))
    }
}

// Who asks.
impl Stage {
    fn command(&mut self, verb: &str, words: &mut Words) -> Result<Command, String> {
        if verb == "event" {
            return self.put_event(words);
        }
        if verb == "delete" {
            return Ok(Command::DeleteEvent { slug: words.next()?, seen: None });
        }
        if verb == "sale" {
            let slug = words.next()?;
            let to = match words.next()?.as_str() {
                "open" => Sale::Open,
                "paused" => Sale::Paused,
                "canceled" => Sale::Canceled,
                other => return Err(format!("no sale is {other:?}")),
            };
            return Ok(Command::SetSale { event: self.event_id(&slug), to, seen: None });
        }
        if verb == "hold" {
            return self.hold(words);
        }
        if verb == "find" {
            let who = words.next()?;
            let event = self.event_id(&self.event.clone());
            return Ok(Command::FindOrder { event, buyer: self.buyer_key(&who) });
        }
        if verb == "erase" {
            let because = if words.take("over") { Erasure::TimeOver } else { Erasure::Asked };
            let event = words.after("of")?.unwrap_or_else(|| self.event.clone());
            let names = std::mem::take(&mut words.0);
            let orders = names.iter().map(|name| self.order_id(name)).collect();
            return Ok(Command::Erase { event: self.event_id(&event), orders, because });
        }
        if verb == "address" {
            return self.address(words);
        }
        if verb == "sell" {
            return self.sell(words);
        }
        if verb == "rename" {
            let (name, who) = (words.next()?, words.next()?);
            let event = words.after("of")?.unwrap_or_else(|| self.event.clone());
            let (order, event) = (self.order_id(&name), self.event_id(&event));
            let key = self.buyer_key(&who);
            return Ok(Command::CorrectName { order, event, name: words.rest(), key });
        }
        let name = words.next()?;
        let order = self.order_id(&name);
        Ok(match verb {
            "renew" => Command::Renew { order, most_ms: duration_after(words, "most")? },
            "name" => {
                let number = words.number()?;
                Command::NameTicket { order, number, name: words.rest() }
            }
            "answer" => {
                let staff = words.take("staff");
                let answers = std::mem::take(&mut words.0);
                let answers = answers.iter().map(|word| answer_wish(word));
                let answers = answers.collect::<Result<_, String>>()?;
                Command::Answer { order, answers, staff }
            }
            "meta" => {
                let entries = std::mem::take(&mut words.0);
                Command::PutMetadata { order, metadata: metadata(&entries)? }
            }
            "cancel" => Command::Cancel { order },
            "expire" => Command::Expire { order },
            "forget" => {
                let before = words.after("before")?.ok_or("before when?")?;
                Command::Forget { order, placed_before_ms: time(&before)? }
            }
            "unread" => Command::GiveUp { order, attempt: words.number()? },
            "pay" => {
                let token = words.next()?;
                let live = words.take("live");
                let payment = words.after("payment")?.unwrap_or(name);
                Command::Pay { order, payment: self.payment_id(&payment), live, token }
            }
            "created" => Command::IntentCreated { order, intent: words.next()? },
            "declined" => {
                let attempt = words.number()?;
                Command::AttemptDeclined { order, attempt, reason: words.rest() }
            }
            "read" => {
                let mut known = match words.take("asked") {
                    true => self.asked.remove(&name).ok_or("it was not asked for")?,
                    false => self.known(&name),
                };
                known.answers = words.take("confirmed");
                Command::Reconcile { order, intent: self.intent(&name, words)?, known }
            }
            "defer" => {
                let wait_ms = words.after("wait")?.map(|w| time(&w)).transpose()?;
                Command::Defer { order, trouble: words.rest(), wait_ms }
            }
            "refund" => {
                let refund = words.next()?;
                let refund = self.refund_id(&name, &refund);
                let restock = words.take("restock");
                let amount = words.after("amount")?;
                let amount = amount.map(|word| word.parse().map_err(|_| "an amount is a number"));
                let wish = match (words.take("all"), words.take("failed"), amount.transpose()?) {
                    (true, ..) => RefundWish::All,
                    (_, true, _) => RefundWish::Failed,
                    (.., Some(amount)) => RefundWish::Amount(amount),
                    _ => RefundWish::Lines(wishes(words)?),
                };
                Command::Refund { order, refund, wish, restock }
            }
            "answered" => {
                let refund = words.next()?;
                let refund = self.refund_id(&name, &refund);
                let outcome = match words.next()?.as_str() {
                    "succeeded" => RefundOutcome::Succeeded(words.rest()),
                    "pending" => RefundOutcome::Pending,
                    "failed" => RefundOutcome::Failed(words.rest()),
                    other => return Err(format!("no outcome: {other}")),
                };
                Command::RefundAnswered { order, refund, outcome }
            }
            other => return Err(format!("nobody asks {other:?}")),
        })
    }

    fn put_event(&mut self, words: &mut Words) -> Result<Command, String> {
        let slug = words.next()?;
        let (new, as_seen) = (words.take("as-new"), words.take("as-seen"));
        let kept = words.after("keeps")?;
        let kept = kept.map(|word| word.split('+').map(part).collect::<Result<Vec<_>, _>>());
        let kept = kept.transpose()?;
        let only = words.after("only")?.map(|id| self.event_id(&id));
        let id = words.after("id")?.unwrap_or_else(|| slug.clone());
        let currency = words.after("currency")?;
        let zone = "Europe/London".into();
        let currency = Currency::parse(currency.as_deref().unwrap_or("GBP")).ok_or("currency")?;
        let starts_ms = words.after("starts")?.map_or(Ok(86_400_000), |w| time(&w))?;
        let mut rules = rules(words)?;
        let mut codes = Vec::new();
        while let Some(word) = words.after("code")? {
            codes.push(code(&word)?);
        }
        let mut spec = EventSpec {
            codes,
            name: words.after("name")?.unwrap_or_else(|| "A show".into()),
            place: words.after("place")?.unwrap_or_default(),
            description: words.after("about")?.unwrap_or_default(),
            ends_ms: words.after("ends")?.map(|w| time(&w)).transpose()?,
            zone,
            limit_per_order: words.number_after("limit")?.unwrap_or(10),
            limit_per_buyer: words.number_after("buyer-limit")?,
            ignore_email_tags: words.after("tags")?.is_some_and(|w| w == "ignored"),
            hold_ms: words.after("hold")?.map_or(Ok(300_000), |w| time(&w))?,
            sale_opens_ms: words.after("opens")?.map(|w| time(&w)).transpose()?,
            sale_closes_ms: words.after("closes")?.map(|w| time(&w)).transpose()?,
            names_until_ms: words.after("names")?.map(|w| time(&w)).transpose()?,
            hidden: words.take("hidden"),
            keep_buyers_days: words.number_after("keep")?,
            contact: words.after("contact")?.unwrap_or_default(),
            questions: match words.0.iter().any(|word| word == "asks") {
                true => words.list("asks", "pools", question)?,
                false => Vec::new(),
            },
            pools: words.list("pools", "types", |word| {
                let (name, capacity) = word.split_once('=').ok_or("a pool is NAME=PLACES")?;
                let capacity = capacity.parse().map_err(|_| "a capacity is a number")?;
                Ok(PoolSpec { name: name.into(), capacity })
            })?,
            ticket_types: words.list("types", "", |word| {
                let mut parts = word.split(':').map(String::from);
                let mut part = || parts.next().ok_or("a ticket type is ID:POOL:PRICE");
                let (id, pool, price) = (part()?, part()?, part()?);
                let price_minor = price.parse().map_err(|_| "a price is a number")?;
                let name = parts.next().unwrap_or_else(|| format!("The {id}"));
                let rules = TypeRules::default();
                Ok(TicketTypeSpec { id, name, pool, price_minor, rules })
            })?,
            ..EventSpec::new(&slug, currency, starts_ms)
        };
        let seen = self.seen.get(&slug).cloned().map(Box::new);
        for t in &mut spec.ticket_types {
            t.rules = rules.remove(&t.id).unwrap_or_default();
        }
        if let Some(other) = rules.keys().next() {
            return Err(format!("there is no ticket type {other}"));
        }
        self.event = slug;
        let id = self.event_id(&id);
        Ok(match (new, as_seen) {
            (true, _) => Command::PutEventIf { id, spec, seen: None },
            (_, true) => Command::PutEventIf { id, spec, seen },
            _ if kept.is_some() || only.is_some() => {
                Command::PutEventParts { id, spec, kept: kept.unwrap_or_default(), only }
            }
            _ => Command::PutEvent { id, spec },
        })
    }

    fn hold(&mut self, words: &mut Words) -> Result<Command, String> {
        let Whose { order, event, who, key, untagged, email } = self.whose(words)?;
        let name = words.after("name")?.unwrap_or(who);
        let buyer = Buyer { name, email, key, language: boxoffice::Language::EN };
        let most_ms = duration_after(words, "most")?;
        let mut terms = Terms { code: words.after("with")?, ..Terms::default() };
        while let Some(word) = words.after("shown")? {
            let (ticket_type, minor) = word.split_once('=').ok_or("shown is TYPE=PRICE")?;
            let minor = minor.parse().map_err(|_| "a price is a number")?;
            terms.shown.insert(ticket_type.into(), minor);
        }
        let metadata = metadata_after(words)?;
        let lines = wishes(words)?;
        Ok(Command::Hold { order, event, buyer, untagged, lines, terms, metadata, most_ms })
    }

    fn sell(&mut self, words: &mut Words) -> Result<Command, String> {
        let Whose { order, event, who, key, untagged, email } = self.whose(words)?;
        let name = words.after("name")?.unwrap_or(who);
        let buyer = Buyer { name, email, key, language: boxoffice::Language::EN };
        let reference = words.after("reference")?.unwrap_or_default();
        let metadata = metadata_after(words)?;
        let tender = words.next()?;
        let tender = Tender::ALL.into_iter().find(|known| known.word() == tender);
        let tender = tender.ok_or("no such tender")?;
        let shown_minor = words.number_after("shown")?;
        let lines = wishes(words)?;
        Ok(Command::Sell {
            order,
            event,
            buyer,
            untagged,
            lines,
            tender,
            reference,
            metadata,
            shown_minor,
        })
    }

    fn address(&mut self, words: &mut Words) -> Result<Command, String> {
        let Whose { order, event, key, untagged, email, .. } = self.whose(words)?;
        Ok(Command::ChangeAddress { order, event, email, key, untagged })
    }

    /// `O BUYER [of SLUG] [email W] [untagged BUYER]`
    fn whose(&mut self, words: &mut Words) -> Result<Whose, String> {
        let order = words.next()?;
        let order = self.order_id(&order);
        let who = words.next()?;
        let event = words.after("of")?.unwrap_or_else(|| self.event.clone());
        let event = self.event_id(&event);
        let key = self.buyer_key(&who);
        let untagged = words.after("untagged")?.map(|who| self.buyer_key(&who));
        let email = words.after("email")?.unwrap_or_else(|| format!("{who}@example.org"));
        Ok(Whose { order, event, who, key, untagged, email })
    }

    /// What a truthful provider says of an order's payment, but for what the step says.
    fn intent(&mut self, order: &str, words: &mut Words) -> Result<Intent, String> {
        let status = match words.next()?.as_str() {
            "requires_payment_method" => IntentStatus::RequiresPaymentMethod,
            "requires_confirmation" => IntentStatus::RequiresConfirmation,
            "requires_action" => IntentStatus::RequiresAction,
            "processing" => IntentStatus::Processing,
            "requires_capture" => IntentStatus::RequiresCapture,
            "succeeded" => IntentStatus::Succeeded,
            "canceled" => IntentStatus::Canceled,
            other => return Err(format!("no status: {other}")),
        };
        let known = self.order(order).ok().cloned();
        let payment = known.as_ref().and_then(|o| o.payment.as_ref());
        let intent = payment.and_then(|p| p.intent.clone());
        let intent = words.after("intent")?.or(intent).unwrap_or_else(|| "pi_?".into());
        let truth = known.as_ref().map_or(0, |o| o.total().minor);
        let minor = words.number_after("amount")?.unwrap_or(truth);
        let currency = match words.after("currency")? {
            Some(code) => Currency::parse(&code).ok_or("currency")?,
            None => known.map_or(Currency::parse("GBP").unwrap(), |o| o.currency),
        };
        let received = words.number_after("received")?;
        let taken = if status == IntentStatus::Succeeded { minor } else { 0 };
        let refunds = words.after("refunds")?.unwrap_or_default();
        let refunds: Result<_, String> =
            refunds.split_terminator(',').map(|word| self.refund_seen(order, word)).collect();
        let dispute = words.after("dispute")?.map(|word| {
            let (status, minor) = word.split_once(':').ok_or("a dispute is STATUS:MINOR")?;
            let amount_minor = minor.parse().map_err(|_| "a dispute is about a number")?;
            Ok::<_, String>(Dispute { id: "du_1".into(), amount_minor, status: status.into() })
        });
        let live = words.take("live");
        let (whose, paid) = (words.after("for")?, words.after("payment")?);
        Ok(Intent {
            id: intent,
            status,
            amount: Money { minor, currency },
            received_minor: received.unwrap_or(taken),
            live,
            order: match whose.as_deref() {
                Some("nobody") => None,
                name => Some(self.order_id(name.unwrap_or(order))),
            },
            payment: match paid.as_deref() {
                Some("nobody") => None,
                name => Some(self.payment_id(name.unwrap_or(order))),
            },
            action: words.after("action")?,
            last_error: words.take("error").then(|| words.rest()),
            refunds: refunds?,
            dispute: dispute.transpose()?,
        })
    }

    /// `re_1:500`, `re_1:500:failed`, `re_1:500:of=r1` for one that carries our own id.
    fn refund_seen(&mut self, order: &str, word: &str) -> Result<RefundSeen, String> {
        let mut parts = word.split(':');
        let provider_id = parts.next().unwrap_or_default().to_string();
        let amount_minor = parts.next().and_then(|n| n.parse().ok()).ok_or("ID:MINOR")?;
        let (mut ours, mut failed, mut done) = (None, false, true);
        for part in parts {
            match part.strip_prefix("of=") {
                Some(refund) => ours = Some(self.refund_id(order, refund)),
                None if part == "failed" => (failed, done) = (true, false),
                None if part == "under-way" => done = false,
                None => return Err(format!("a refund is not {part:?}")),
            }
        }
        self.fresh += 1;
        let fresh = RefundId(2_000_000 + self.fresh);
        Ok(RefundSeen { provider_id, ours, fresh, amount_minor, failed, done })
    }

    /// Leads a new order to a state by the usual way.
    fn given(&mut self, words: &mut Words) -> Step {
        let (o, state) = (words.next()?, words.next()?);
        let rest = words.rest();
        let to_paying = format!("pay {o} ctoken_ok");
        let opened = vec![to_paying.clone(), format!("created {o} pi_{o}")];
        let and = |steps: &[&str]| {
            let more = steps.iter().map(|s| s.replace('@', &o));
            opened.iter().cloned().chain(more).collect::<Vec<_>>()
        };
        let paid = ["read @ requires_capture", "read @ succeeded"];
        let steps = match state.as_str() {
            "held" => vec![],
            // No PaymentIntent is known yet.
            "paying" => vec![to_paying],
            // It is known, and the first attempt is not decided.
            "open" => opened,
            "action" => and(&["read @ requires_action action show_me"]),
            // The first attempt was declined.
            "between" => and(&["declined @ 1 no"]),
            "canceling" => and(&["cancel @"]),
            "committed" => and(&paid[..1]),
            "paid" => and(&paid),
            "refunding" => and(&[paid[0], paid[1], "refund @ r_@ all"]),
            "refunded" => and(&[paid[0], paid[1], "refund @ r_@ all", "answered @ r_@ succeeded"]),
            "released" => and(&["cancel @", "read @ canceled"]),
            "void" => and(&[paid[0], "read @ canceled"]),
            other => return Err(format!("no way leads to {other:?}")),
        };
        for step in [vec![format!("hold {o} {rest}")], steps].concat() {
            let mut words = Words::read(&step)?;
            let verb = words.next()?;
            let command = self.command(&verb, &mut words)?;
            let answer = self.ask(&command);
            if answer.starts_with("refused") {
                return Err(format!("{step} => {answer}"));
            }
        }
        Ok(())
    }
}

// Who looks.
impl Stage {
    fn look(&mut self, verb: &str, words: &mut Words) -> Step {
        match verb {
            "at" => {
                let at = time(&words.next()?)?;
                if at < self.now {
                    return Err("time does not go back".into());
                }
                self.now = at;
                Ok(())
            }
            "after" => {
                self.now += time(&words.next()?)?;
                Ok(())
            }
            "counted" => {
                self.world.state.most_counted = Some(words.number()?);
                Ok(())
            }
            "ask" => {
                let name = words.next()?;
                let known = self.known(&name);
                self.asked.insert(name, known);
                Ok(())
            }
            "see" => {
                let slug = words.next()?;
                let spec = self.find_event(&slug)?.spec.clone();
                self.seen.insert(slug, spec);
                Ok(())
            }
            "given" => self.given(words),
            "gate" => self.look_gate(words),
            "scans" => self.look_scans(words),
            "pool" => self.look_pool(words),
            "counter" => self.look_counter(words),
            "lines" => {
                let name = words.next()?;
                let order = self.order(&name)?.clone();
                let event = &self.world.state.events[&order.event];
                let line = |l: &boxoffice::Line| {
                    let t = &event.ticket_types[usize::from(l.ticket_type)].id;
                    let off = match l.extra.discount_minor {
                        0 => String::new(),
                        minor => format!("-{minor}"),
                    };
                    format!("{}x{t}@{}{off}", l.quantity, l.unit_minor)
                };
                let there: Vec<_> = order.lines.iter().map(line).collect();
                same("lines", &there.join(" "), &words.rest())
            }
            "offers" => {
                let (slug, with) = (words.next()?, words.after("with")?);
                let event = self.find_event(&slug)?;
                let code = with.map(|typed| event.code(&typed, self.now)).transpose();
                let code = code.map_err(|no| self.refusal(&no))?;
                let told = event.offers(code, self.now).into_iter().map(|offer| {
                    let price = |p: &boxoffice::Price| match p.left {
                        Some(left) => format!("{left}x{}", p.unit_minor),
                        None => p.unit_minor.to_string(),
                    };
                    let prices: Vec<_> = offer.prices.iter().map(price).collect();
                    let closed = if offer.check_sale(self.now).is_ok() { "" } else { ":closed" };
                    format!("{}={}:{}{closed}", offer.spec.id, offer.left, prices.join(","))
                });
                same("offers", &told.collect::<Vec<_>>().join(" "), &words.rest())
            }
            "order" => self.look_order(words),
            "attempt" => self.look_attempt(words),
            "tickets" => {
                let name = words.next()?;
                let order = self.order(&name)?;
                let there = order.tickets.iter().map(|t| match t.state {
                    TicketState::Valid => t.serial.to_string(),
                    TicketState::Revoked => format!("-{}", t.serial),
                });
                let there: Vec<_> = there.collect();
                let there = if there.is_empty() { "none".into() } else { there.join(" ") };
                same("tickets", &there, &words.rest())
            }
            "guests" => {
                let name = words.next()?;
                let told = |t: &boxoffice::Ticket| {
                    format!("{}:{}", t.revision, t.guest.as_deref().unwrap_or("nobody"))
                };
                let there: Vec<_> = self.order(&name)?.tickets.iter().map(told).collect();
                same("guests", &there.join(" "), &words.rest())
            }
            "answers" => {
                let order = words.next()?;
                let answers = self.order(&order)?.answers.iter();
                let told = |a: &Answer| format!("{}={}", told_at(&a.question, a.ticket), a.value);
                let there: Vec<_> = answers.map(told).collect();
                let there = if there.is_empty() { "none".into() } else { there.join(" ") };
                same("answers", &there, &words.rest())
            }
            "metadata" => {
                let order = words.next()?;
                let entries = self.order(&order)?.metadata.iter();
                let there: Vec<_> = entries.map(|(key, value)| format!("{key}={value}")).collect();
                let there = if there.is_empty() { "none".into() } else { there.join(" ") };
                same("metadata", &there, &words.rest())
            }
            "asked" => {
                let (order, name) = (words.next()?, words.next()?);
                let (question, ticket) = place_of(&name)?;
                let answer = self.order(&order)?.answer(&question, ticket);
                let there = answer.map_or("none", |answer| answer.text.as_str()).to_owned();
                same("text", &there, &words.rest())
            }
            "back" => {
                let (order, name) = (words.next()?, words.next()?);
                let id = self.refund_id(&order, &name);
                let named = |r: &&Refund| match &r.state {
                    RefundState::Succeeded(id) | RefundState::Failed(id) if r.by_hand => {
                        *id == name
                    }
                    _ => r.id == id,
                };
                let refund = self.order(&order)?.refunds.iter().find(named);
                let there = refund.map_or("none".into(), |r| match &r.state {
                    RefundState::Succeeded(_) if r.by_hand => {
                        format!("by_hand succeeded {}", r.amount_minor)
                    }
                    RefundState::Failed(_) if r.by_hand => {
                        format!("by_hand failed {}", r.amount_minor)
                    }
                    RefundState::Pending => format!("pending {}", r.amount_minor),
                    RefundState::Succeeded(id) => format!("succeeded {} {id}", r.amount_minor),
                    RefundState::Failed(why) => format!("failed {} {why}", r.amount_minor),
                });
                same("refund", there.trim(), &words.rest())
            }
            "buyer" => {
                let event = self.find_event(&words.next()?)?.id;
                let buyer = words.next()?;
                let key = (event, self.buyer_key(&buyer));
                let record = self.world.record(key.0, key.1);
                let places = record.map_or(0, |r| r.places);
                same("places", &places.to_string(), &words.next()?)
            }
            "type" => {
                let event = self.find_event(&words.next()?)?;
                let id = words.next()?;
                let t = event.ticket_types.iter().filter(|t| t.id == id);
                let t = t.max_by_key(|t| !t.retired).ok_or("no such type")?;
                let retired = if t.retired { " retired" } else { "" };
                if let Some(name) = words.after("named")? {
                    same("name", &t.name, &name)?;
                }
                same("type", &format!("{}{retired}", t.price_minor), &words.rest())
            }
            other => Err(format!("nobody does {other:?}, or `=> …` is missing")),
        }
    }

    fn look_pool(&mut self, words: &mut Words) -> Step {
        let event = self.find_event(&words.next()?)?;
        let name = words.next()?;
        let pool = event.pools.iter().find(|p| p.name == name).ok_or("there is no such pool")?;
        look_stock(pool, words)
    }

    fn look_counter(&mut self, words: &mut Words) -> Step {
        let event = self.find_event(&words.next()?)?;
        let (kind, name) = (words.next()?, words.next()?);
        let kind = match kind.as_str() {
            "type" => CounterKind::Type,
            "phase" => CounterKind::Phase,
            "code" => CounterKind::Code,
            other => return Err(format!("no counter is of a {other}")),
        };
        let name = match (kind, name.split_once(':')) {
            (CounterKind::Phase, Some((t, phase))) => Counter::of_phase(t, phase),
            _ => name,
        };
        let counter = event.counter(kind, &name);
        if words.take("none") {
            return same("counter", &counter.is_some().to_string(), "false");
        }
        let count = counter.and_then(|index| event.stock(index));
        look_stock(count.ok_or("there is no such counter")?, words)
    }

    fn look_order(&mut self, words: &mut Words) -> Step {
        let name = words.next()?;
        let late = self.refund_id(&name, "late");
        let names = self.names.clone();
        let order = self.order(&name)?;
        same("state", order.state.word(), &words.next()?)?;
        while !words.is_empty() {
            let what = words.next()?;
            let there = match what.as_str() {
                "until" => told(order.until_ms),
                "due" => order.due_ms.map_or("never".into(), told),
                "tries" => order.tries.to_string(),
                "total" => order.total().to_string(),
                "given-back" => order.refunded().to_string(),
                "name" => order.buyer.name.clone(),
                "tender" => order.tender.word().into(),
                "reference" => order.reference.clone(),
                "email" if order.buyer.email.is_empty() => "none".into(),
                "email" => order.buyer.email.clone(),
                "action" => {
                    let action = order.payment.as_ref().and_then(|p| p.action.clone());
                    action.unwrap_or_else(|| "none".into())
                }
                "dispute" => {
                    let dispute = order.payment.as_ref().and_then(|p| p.dispute.as_ref());
                    dispute.map_or("none".into(), |d| format!("{}:{}", d.status, d.amount_minor))
                }
                "trouble" => {
                    let there = order.trouble.clone().unwrap_or_else(|| "none".into());
                    return same("trouble", &there, &words.rest());
                }
                "owed" => match owed(order) {
                    Owed::Nothing => "nothing".into(),
                    Owed::Expiry => "expiry".into(),
                    Owed::Create(_) => "create".into(),
                    Owed::Confirm(_, attempt) => format!("confirm {}", attempt.number),
                    Owed::Read(_) => "read".into(),
                    Owed::Capture(_) => "capture".into(),
                    Owed::Cancel(_) => "cancel".into(),
                    Owed::Refund(_, refund) => {
                        let named = |(_, n): &(&String, &u32)| u128::from(**n) == refund.id.0;
                        let known = names.iter().find(named).map_or("?", |(name, _)| name);
                        let known = if refund.id == late { "late" } else { known };
                        format!("refund {known}")
                    }
                },
                other => return Err(format!("an order has no {other:?}")),
            };
            let expected = match what.as_str() {
                "total" | "given-back" => format!("{} {}", words.next()?, words.next()?),
                "owed" if there.contains(' ') => format!("{} {}", words.next()?, words.next()?),
                _ => words.next()?,
            };
            same(&what, &there, &expected)?;
        }
        Ok(())
    }

    fn look_attempt(&mut self, words: &mut Words) -> Step {
        let name = words.next()?;
        let number: u16 = words.number()?;
        let payment = self.order(&name)?.payment.as_ref();
        let attempt = payment.and_then(|p| p.attempts.iter().find(|a| a.number == number));
        let there = attempt.map_or("none".into(), |a| match &a.state {
            AttemptState::Pending => format!("pending {}", a.token),
            AttemptState::Action => format!("action {}", a.token),
            AttemptState::Declined(why) => format!("declined {why}"),
            AttemptState::Authorised => "authorised".into(),
            AttemptState::Abandoned => "abandoned".into(),
        });
        same("attempt", &there, &words.rest())
    }
}

/// `Q` for the order, `Q@N` for a ticket.
fn told_at(question: &str, ticket: Option<u16>) -> String {
    ticket.map_or(question.into(), |number| format!("{question}@{number}"))
}

/// The same back again.
fn place_of(word: &str) -> Result<(String, Option<u16>), String> {
    let Some((question, number)) = word.split_once('@') else { return Ok((word.into(), None)) };
    let number = number.parse().map_err(|_| format!("no ticket: {word}"))?;
    Ok((question.into(), Some(number)))
}

/// `Q=W` or `Q@N=W`.
fn answer_wish(word: &str) -> Result<AnswerWish, String> {
    let (place, value) = word.split_once('=').ok_or("an answer is QUESTION=TEXT")?;
    let (question, ticket) = place_of(place)?;
    Ok(AnswerWish { question, ticket, value: value.into() })
}

/// `K=W` and so on.
fn metadata(entries: &[String]) -> Result<Metadata, String> {
    let entry = |word: &String| {
        let (key, value) = word.split_once('=').ok_or("metadata is KEY=TEXT")?;
        Ok((key.to_owned(), value.to_owned()))
    };
    Metadata::new(entries.iter().map(entry).collect::<Result<Vec<_>, String>>()?)
}

/// `meta K=W` as often as it is said.
fn metadata_after(words: &mut Words) -> Result<Metadata, String> {
    let mut entries = Vec::new();
    while let Some(word) = words.after("meta")? {
        entries.push(word);
    }
    metadata(&entries)
}

/// `Q:KIND`, and then `required`, `ticket`, `of=T,T` or `text=W`; the kind `choice=A,B` has its choices.
fn question(word: &str) -> Result<QuestionSpec, &'static str> {
    let mut parts = word.split(':');
    let id = parts.next().unwrap_or_default();
    let kind = match parts.next().ok_or("a question is ID:KIND")? {
        "line" => QuestionKind::Line,
        "lines" => QuestionKind::Lines,
        "yes_no" => QuestionKind::YesNo,
        other => {
            let choices = other.strip_prefix("choice=").ok_or("no such kind of question")?;
            QuestionKind::Choice(choices.split_terminator(',').map(String::from).collect())
        }
    };
    let mut question = QuestionSpec {
        id: id.into(),
        text: format!("{id}?"),
        kind,
        required: false,
        per_ticket: false,
        ticket_types: Vec::new(),
    };
    for part in parts {
        match part.split_once('=') {
            Some(("of", types)) => {
                question.ticket_types = types.split(',').map(String::from).collect();
            }
            Some(("text", text)) => question.text = text.into(),
            _ if part == "required" => question.required = true,
            _ if part == "ticket" => question.per_ticket = true,
            _ => return Err("a question has no such part"),
        }
    }
    Ok(question)
}

fn same(what: &str, there: &str, expected: &str) -> Step {
    match there == expected {
        true => Ok(()),
        false => Err(format!("{what}: it is {there:?}, not {expected:?}")),
    }
}

/// The counts of a pool or a counter.
fn look_stock(pool: &Pool, words: &mut Words) -> Step {
    while !words.is_empty() {
        let what = words.next()?;
        let there = match what.as_str() {
            "held" => pool.held,
            "sold" => pool.sold,
            "left" => pool.left(),
            "of" => pool.capacity,
            other => return Err(format!("a pool has no {other:?}")),
        };
        same(&what, &there.to_string(), &words.next()?)?;
    }
    Ok(())
}

/// What is said of ticket types: `rule T:capacity=N:opens=T:closes=T:hidden` and
/// `phase T:NAME:PRICE:until=T:capacity=N`.
fn rules(words: &mut Words) -> Result<BTreeMap<String, TypeRules>, String> {
    let mut rules: BTreeMap<String, TypeRules> = BTreeMap::new();
    while let Some(word) = words.after("rule")? {
        let mut parts = word.split(':');
        let rules = rules.entry(parts.next().unwrap_or_default().into()).or_default();
        for part in parts {
            match part.split_once('=') {
                Some(("capacity", n)) => rules.capacity = Some(number(n)?),
                Some(("opens", at)) => rules.sale_opens_ms = Some(time(at)?),
                Some(("closes", at)) => rules.sale_closes_ms = Some(time(at)?),
                None if part == "hidden" => rules.hidden = true,
                _ => return Err(format!("a rule is not {part:?}")),
            }
        }
    }
    while let Some(word) = words.after("phase")? {
        let mut parts = word.split(':');
        let mut part = || parts.next().ok_or("a phase is TYPE:NAME:PRICE");
        let (id, name, price) = (part()?, part()?, part()?);
        let price_minor = price.parse().map_err(|_| "a price is a number")?;
        let (mut until_ms, mut capacity) = (None, None);
        for part in parts {
            match part.split_once('=') {
                Some(("capacity", n)) => capacity = Some(number(n)?),
                Some(("until", at)) => until_ms = Some(time(at)?),
                _ => return Err(format!("a phase is not {part:?}")),
            }
        }
        let phase = PhaseSpec { name: name.into(), price_minor, until_ms, capacity };
        rules.entry(id.into()).or_default().phases.push(phase);
    }
    Ok(rules)
}

/// A part of an event that is not said: its name, or `rules:T`.
fn part(word: &str) -> Result<EventPart, String> {
    Ok(match word {
        "about" => EventPart::Description,
        "hidden" => EventPart::Hidden,
        "keep" => EventPart::KeepBuyersDays,
        "contact" => EventPart::Contact,
        "pdf" => EventPart::AttachPdf,
        "asks" => EventPart::Questions,
        "codes" => EventPart::Codes,
        other => match other.strip_prefix("rules:") {
            Some(id) => EventPart::Rules(id.into()),
            None => return Err(format!("an event has no part {other}")),
        },
    })
}

/// `CODE:USES:percent=N` or `:off=N`, `:at=T+T`, `:opens=T+T`, `:from=T`, `:until=T`.
fn code(word: &str) -> Result<CodeSpec, String> {
    let mut parts = word.split(':');
    let mut part = || parts.next().ok_or("a code is CODE:USES");
    let (code, uses) = (CodeSpec::normal(part()?), number(part()?)?);
    let mut code = CodeSpec {
        code,
        uses,
        opens: vec![],
        discount: None,
        ticket_types: vec![],
        valid_from_ms: None,
        valid_until_ms: None,
    };
    let list = |ids: &str| ids.split('+').map(String::from).collect();
    for part in parts {
        match part.split_once('=') {
            Some(("percent", n)) => code.discount = Some(Discount::Percent(number(n)? as u8)),
            Some(("off", n)) => code.discount = Some(Discount::Minor(number(n)?.into())),
            Some(("at", ids)) => code.ticket_types = list(ids),
            Some(("opens", ids)) => code.opens = list(ids),
            Some(("from", at)) => code.valid_from_ms = Some(time(at)?),
            Some(("until", at)) => code.valid_until_ms = Some(time(at)?),
            _ => return Err(format!("a code is not {part:?}")),
        }
    }
    Ok(code)
}

fn number(word: &str) -> Result<u32, String> {
    word.parse().map_err(|_| format!("{word:?} is no number"))
}

/// `adult=2` and so on, to the end.
fn wishes(words: &mut Words) -> Result<Vec<LineWish>, String> {
    let mut lines = Vec::new();
    while !words.is_empty() {
        let word = words.next()?;
        let (ticket_type, quantity) = word.split_once('=').ok_or("a wish is TYPE=NUMBER")?;
        let quantity = quantity.parse().map_err(|_| "a quantity is a number")?;
        lines.push(LineWish { ticket_type: ticket_type.into(), quantity });
    }
    Ok(lines)
}

/// A length of time that may be said after a word.
fn duration_after(words: &mut Words, word: &str) -> Result<Option<i64>, String> {
    words.after(word)?.map(|w| time(&w)).transpose()
}

/// `250ms`, `2.5s`, `5m`, `1h`, `7d`.
fn time(word: &str) -> Result<TimeMs, String> {
    let at = word.find(|c: char| c.is_ascii_alphabetic()).ok_or("a time has a unit")?;
    let unit = match &word[at..] {
        "ms" => 1.0,
        "s" => 1_000.0,
        "m" => 60_000.0,
        "h" => 3_600_000.0,
        "d" => 86_400_000.0,
        other => return Err(format!("no unit: {other}")),
    };
    let number: f64 = word[..at].parse().map_err(|_| format!("no time: {word}"))?;
    Ok((number * unit).round() as TimeMs)
}

fn told(time: TimeMs) -> String {
    format!("{}s", time as f64 / 1_000.0)
}

/// A buyer and an order of theirs, as the words of a step name them.
struct Whose {
    order: OrderId,
    event: EventId,
    who: String,
    key: BuyerKey,
    untagged: Option<BuyerKey>,
    email: String,
}

/// The words of a line. Quotes keep blanks together.
struct Words(Vec<String>);

impl Words {
    fn read(line: &str) -> Result<Words, String> {
        let mut words = Vec::new();
        let mut rest = line.trim_start();
        while !rest.is_empty() {
            let mut word = String::new();
            let mut quoted = false;
            let mut chars = rest.char_indices();
            let mut end = rest.len();
            while let Some((i, c)) = chars.next() {
                match c {
                    '"' => quoted = !quoted,
                    '\\' if quoted => match chars.next().map(|c| c.1) {
                        Some('n') => word.push('\n'),
                        Some('0') => word.push('\0'),
                        other => return Err(format!("no escape: {other:?}")),
                    },
                    c if c.is_whitespace() && !quoted => {
                        end = i;
                        break;
                    }
                    c => word.push(c),
                }
            }
            // `"a"*300`, `q="a"*300`: so many times what stands in the quotes.
            if let Some(quote) = rest[..end].find('"')
                && let Some((text, times)) = word[quote..].rsplit_once('*')
                && let Ok(times) = times.parse()
            {
                word = rest[..quote].to_owned() + &text.repeat(times);
            }
            words.push(word);
            rest = rest[end..].trim_start();
        }
        Ok(Words(words))
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn next(&mut self) -> Result<String, String> {
        if self.is_empty() { Err("a word is missing".into()) } else { Ok(self.0.remove(0)) }
    }

    fn number<T: std::str::FromStr>(&mut self) -> Result<T, String> {
        let word = self.next()?;
        word.parse().map_err(|_| format!("no number: {word}"))
    }

    /// All the rest, as a text.
    fn rest(&mut self) -> String {
        std::mem::take(&mut self.0).join(" ")
    }

    /// Whether this word is there; takes it away.
    fn take(&mut self, word: &str) -> bool {
        match self.0.iter().position(|w| w == word) {
            Some(at) => {
                self.0.remove(at);
                true
            }
            None => false,
        }
    }

    /// The word that follows this one; takes both away.
    fn after(&mut self, word: &str) -> Result<Option<String>, String> {
        match self.0.iter().position(|w| w == word) {
            Some(at) if at + 1 < self.0.len() => {
                self.0.remove(at);
                Ok(Some(self.0.remove(at)))
            }
            Some(_) => Err(format!("{word} what?")),
            None => Ok(None),
        }
    }

    fn number_after<T: std::str::FromStr>(&mut self, word: &str) -> Result<Option<T>, String> {
        match self.after(word)? {
            Some(word) => word.parse().map(Some).map_err(|_| format!("no number: {word}")),
            None => Ok(None),
        }
    }

    /// The words from `from` to `to`, or to the end, each read by `read`. `a*3:…` is `a1:…`,
    /// `a2:…` and `a3:…`.
    fn list<T>(
        &mut self,
        from: &str,
        to: &str,
        read: impl Fn(&str) -> Result<T, &'static str>,
    ) -> Result<Vec<T>, String> {
        let at = self.0.iter().position(|w| w == from).ok_or(format!("{from} are missing"))?;
        let end = self.0.iter().position(|w| w == to).unwrap_or(self.0.len());
        let mut parts = Vec::new();
        for word in self.0.drain(at..end).skip(1) {
            let name_end = word.find([':', '=']).unwrap_or(word.len());
            match word[..name_end].split_once('*') {
                Some((name, times)) => {
                    let times: u32 = times.parse().map_err(|_| "how many?")?;
                    for i in 1..=times {
                        parts.push(read(&format!("{name}{i}{}", &word[name_end..]))?);
                    }
                }
                None => parts.push(read(&word)?),
            }
        }
        Ok(parts)
    }

    fn end(&self) -> Step {
        if self.is_empty() { Ok(()) } else { Err(format!("too much: {:?}", self.0)) }
    }
}
