//! `nts erase`: erases a buyer's name and e-mail address on a running server.

use crate::server_url::{OrganiserServer, refused};
use clap::Args;
use nts_api::{Erasure, ErasureBody};
use nts_server::client;
use nts_server::text::plain;

/// Who is erased, and where.
#[derive(Args)]
pub struct EraseArgs {
    /// The buyer's e-mail address, however it is written
    #[arg(id = "buyer", value_name = "ADDRESS", required_unless_present = "order")]
    address: Option<String>,
    /// Erase the buyer of this one order instead, for a reservation that has only a name
    #[arg(long, value_name = "ID", conflicts_with = "buyer")]
    order: Option<String>,
    /// Change nothing, and tell how many orders would be erased
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    server: OrganiserServer,
}

/// Runs the command.
pub fn run(args: EraseArgs) -> Result<(), String> {
    let EraseArgs { address, order, dry_run, server } = args;
    let url = server.base()?;
    let body = ErasureBody { email: address, order, dry_run };
    let json = serde_json::to_vec(&body).map_err(|e| e.to_string())?;
    let target = format!("{url}/api/v1/erasures");
    let (status, answer) = client::ask("POST", &target, server.key(), json)?;
    if status != 200 {
        return Err(refused(status, &answer));
    }
    let done: Erasure<'_> = serde_json::from_slice(&answer)
        .map_err(|e| format!("{target} answered 200 with what is no answer of nts: {e}"))?;
    say!("{}", told(&done));
    for left in &done.orders_left {
        say!("  left: {} ({}): {}", plain(&left.id), left.state, plain(&left.reason));
    }
    let more = done.left.saturating_sub(done.orders_left.len() as u64);
    if more > 0 {
        say!("  left: {more} more");
    }
    Ok(())
}

/// What was done, in a sentence or two.
fn told(done: &Erasure<'_>) -> String {
    let orders = |n: u64| if n == 1 { "1 order".to_owned() } else { format!("{n} orders") };
    let erased = orders(done.erased);
    match (done.dry_run, done.erased, done.left) {
        (_, 0, 0) => "No order has this buyer, or all of them are erased already.".into(),
        (true, _, 0) => format!("{erased} would be erased. Nothing was changed."),
        (true, _, left) => format!(
            "{erased} would be erased, and {} would be left for now. Nothing was changed.",
            orders(left)
        ),
        (false, _, 0) => format!("The name and the address are erased from {erased}."),
        (false, _, left) => format!(
            "The name and the address are erased from {erased}. {} left for now: erase again when the \
             reasons below are gone.",
            if left == 1 { "1 order is".into() } else { format!("{left} orders are") }
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_done_is_told_in_a_sentence() {
        let done = |dry_run, erased, left| {
            let found = erased + left;
            told(&Erasure { dry_run, erased, found, left, orders_left: vec![] })
        };
        assert!(done(false, 0, 0).starts_with("No order has this buyer"));
        assert_eq!(done(false, 1, 0), "The name and the address are erased from 1 order.");
        assert!(done(false, 0, 1).contains("from 0 orders. 1 order is left for now"));
        assert!(done(false, 7, 2).contains("from 7 orders. 2 orders are left for now"));
        assert_eq!(done(true, 7, 0), "7 orders would be erased. Nothing was changed.");
        assert!(done(true, 7, 1).contains("1 order would be left for now. Nothing was changed."));
    }
}
