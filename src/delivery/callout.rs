//! Asks a next hop whether it takes a recipient: MAIL with a null reverse-path, RCPT, and no
//! data (RFC 5321 section 3.3).
//!
//! In: an address of a protected domain. Out: what its next hops say, the first of them that
//! says anything. Only what a server says of the very recipient is a no; that it refuses null
//! reverse-paths, this client, or anything for now (greylisting) says nothing.

use std::sync::Arc;

use super::connection::{Terms, open};
use super::route::Routes;
use crate::config::Config;
use crate::directory::{Called, Calling, NextHops};
use crate::mail::{Address, BodyType, EnhancedCode, Envelope, Recipient, Reply, ReversePath};
use crate::net::resolver::Resolve;
use crate::smtp::client::Speaker;

/// Servers tried for one question.
const TARGETS: usize = 4;

/// Asks the next hops of a configuration.
pub struct Callout {
    routes: Routes,
    terms: Arc<Terms>,
    resolver: Arc<dyn Resolve>,
}

impl std::fmt::Debug for Callout {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Callout").field("terms", &self.terms).finish_non_exhaustive()
    }
}

impl Callout {
    /// As configured; connects to nothing yet.
    pub fn new(config: &Config, resolver: Arc<dyn Resolve>) -> Callout {
        let hostname = config.system.hostname.as_str();
        let terms = Arc::new(Terms::new(hostname, &config.delivery));
        Callout { routes: Routes::new(config), terms, resolver }
    }

    async fn called(&self, forward_path: &Address) -> Called {
        let destination = self.routes.destination(forward_path);
        let targets = match self.routes.targets(&destination, &*self.resolver).await {
            Ok(targets) => targets,
            Err(no_route) => return Called::Unclear(no_route.to_string()),
        };
        let envelope = Arc::new(Envelope {
            reverse_path: ReversePath::Null,
            recipients: vec![Recipient::plain(forward_path.clone())],
            body: BodyType::SevenBit,
            smtputf8: forward_path.needs_smtputf8(),
            dsn_return: None,
            envelope_id: None,
        });
        let mut why = "no next hop can be asked".to_owned();
        for target in targets.iter().take(TARGETS) {
            let mut connection = match open(target, &self.terms).await {
                Ok(connection) => connection,
                Err(reply) => {
                    why = reply.to_string();
                    continue;
                }
            };
            let answers = connection.ask(Arc::clone(&envelope)).await;
            tokio::spawn(connection.close());
            let Some(answer) = answers.into_iter().next() else { continue };
            match meaning(&answer.reply, answer.speaker) {
                Called::Unclear(said) => why = format!("{target}: {said}"),
                clear => return clear,
            }
        }
        Called::Unclear(why)
    }
}

impl NextHops for Callout {
    fn take<'a>(&'a self, forward_path: &'a Address) -> Calling<'a> {
        Box::pin(self.called(forward_path))
    }
}

/// What a reply to RCPT says of the mailbox (RFC 5321 section 4.2.3, RFC 3463).
fn meaning(reply: &Reply, speaker: Speaker) -> Called {
    let unclear = || Called::Unclear(reply.to_string());
    if speaker == Speaker::Box {
        return unclear();
    }
    match (reply.code, reply.enhanced) {
        (200..=299, _) => Called::Known,
        // A full mailbox, or one that takes no mail as large: it exists.
        (500..=599, Some(EnhancedCode(5, 2, 2 | 3))) => Called::Known,
        // Bad address; disabled mailbox; moved without a new address.
        (500..=599, Some(EnhancedCode(5, 1, 0 | 1 | 2 | 3 | 6 | 10))) => Called::Unknown,
        (500..=599, Some(EnhancedCode(5, 2, 1))) => Called::Unknown,
        // Security, routing, protocol: about this box, not about the mailbox.
        (500..=599, Some(EnhancedCode(5, 1 | 3..=7, _))) => unclear(),
        (552, _) => Called::Known,
        (550 | 551 | 553, _) => Called::Unknown,
        _ => unclear(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_mean_what_they_say_of_the_mailbox() {
        let table = [
            (250, Some((2, 1, 5)), "known"),
            (251, None, "known"),
            (252, Some((2, 5, 0)), "known"),
            (450, Some((4, 7, 1)), "unclear"),
            (451, None, "unclear"),
            (452, Some((4, 2, 2)), "unclear"),
            (421, None, "unclear"),
            (550, None, "unknown"),
            (550, Some((5, 1, 1)), "unknown"),
            (550, Some((5, 1, 10)), "unknown"),
            (550, Some((5, 4, 1)), "unclear"),
            (550, Some((5, 7, 1)), "unclear"),
            (554, Some((5, 7, 1)), "unclear"),
            (550, Some((5, 2, 1)), "unknown"),
            (552, Some((5, 2, 2)), "known"),
            (552, None, "known"),
            (553, None, "unknown"),
            (554, None, "unclear"),
            (503, None, "unclear"),
            (530, None, "unclear"),
            // Of a sender's address, not of the recipient's.
            (550, Some((5, 1, 8)), "unclear"),
        ];
        for (code, enhanced, expected) in table {
            let reply = match enhanced {
                Some((class, subject, detail)) => {
                    Reply::new(code, EnhancedCode(class, subject, detail), "x")
                }
                None => Reply::plain(code, ["x"]),
            };
            let said = |called| match called {
                Called::Known => "known",
                Called::Unknown => "unknown",
                Called::Unclear(_) => "unclear",
            };
            assert_eq!(said(meaning(&reply, Speaker::Peer)), expected, "{reply}");
            assert_eq!(said(meaning(&reply, Speaker::Box)), "unclear");
        }
    }
}
