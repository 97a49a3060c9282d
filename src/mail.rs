//! `nts mail`: whether mails to buyers leave the house.

use clap::Subcommand;
use nts_server::clock::Clock;
use nts_server::config::Config;
use nts_server::mail::smtp::{PATIENCE, probe, records};
use nts_server::text::plain;

/// What is done with the mail relay.
#[derive(Subcommand)]
pub enum MailCommand {
    /// Send a test mail by NTS_SMTP and print what the relay said at each step, and which DNS records the
    /// sender's domain needs. It needs no running server. Exit code 1: the mail was not accepted
    Test {
        /// Whom the mail is sent to
        #[arg(id = "to", value_name = "ADDRESS")]
        to: String,
        #[command(flatten)]
        config: Box<Config>,
    },
}

/// Runs the command.
pub fn run(command: MailCommand) -> Result<(), String> {
    let MailCommand::Test { to, config } = command;
    let settings = config.mail()?.ok_or(
        "NTS_SMTP is not set, so mails wait and none was sent. Set it to the address of your mail relay, such \
         as NTS_SMTP=smtps://user:password@mail.example.org:465, and NTS_MAIL_FROM to the sender. docs/mail.md \
         says more.",
    )?;
    say!("From {} to {}, by {}.", settings.from(), plain(&to), settings.describe());
    let mut id = [0; 16];
    getrandom::fill(&mut id).map_err(|e| format!("no randomness: {e}"))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|e| format!("cannot start: {e}"))?;
    let id = u128::from_be_bytes(id);
    let sent = runtime.block_on(probe(&settings, PATIENCE, &Clock::System, id, &to, &|step| {
        say!("{}", plain(&step.to_string()));
    }));
    say!("");
    match sent {
        Ok(()) => say!(
            "The relay has accepted the mail. Look whether it arrives, and where: the folder for spam as well."
        ),
        Err(_) => say!("The relay has not accepted the mail."),
    }
    say!("\n{}", records(&settings));
    sent.map_err(|why| format!("the mail was not accepted: {why}"))
}
