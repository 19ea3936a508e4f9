//! What a server offers in its reply to EHLO or LHLO (RFC 5321 section 4.1.1.1).
//!
//! In: the reply. Out: [`Capabilities`]. Keywords that this client does not use are ignored,
//! a keyword with nonsense for parameters counts as not offered where that is the safe side.

use crate::mail::Reply;

/// Extensions that the client makes use of.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Capabilities {
    /// The name by which the server greeted.
    pub peer_name: String,
    /// RFC 2920.
    pub pipelining: bool,
    /// RFC 1870; the largest message, 0 for no stated limit.
    pub size: Option<u64>,
    /// RFC 6152.
    pub eight_bit_mime: bool,
    /// RFC 6531.
    pub smtputf8: bool,
    /// RFC 3461.
    pub dsn: bool,
    /// RFC 3207.
    pub starttls: bool,
    /// RFC 9422: recipients in one transaction.
    pub recipients_max: Option<usize>,
    /// RFC 9422: mails over one connection.
    pub mails_max: Option<u32>,
}

impl Capabilities {
    /// Reads the lines of a positive reply.
    pub(super) fn parse(reply: &Reply) -> Capabilities {
        let mut lines = reply.text.iter();
        let greeting = lines.next().map(String::as_str).unwrap_or_default();
        let peer_name = greeting.split(' ').next().unwrap_or_default().to_ascii_lowercase();
        let mut offered = Capabilities { peer_name, ..Capabilities::default() };
        for line in lines {
            let mut words = line.split_ascii_whitespace();
            let keyword = words.next().unwrap_or_default().to_ascii_uppercase();
            match keyword.as_str() {
                "PIPELINING" => offered.pipelining = true,
                "8BITMIME" => offered.eight_bit_mime = true,
                "SMTPUTF8" => offered.smtputf8 = true,
                "DSN" => offered.dsn = true,
                "STARTTLS" => offered.starttls = true,
                "SIZE" => {
                    offered.size = Some(words.next().and_then(|n| n.parse().ok()).unwrap_or(0));
                }
                "LIMITS" => words.for_each(|word| offered.limit(word)),
                _ => {}
            }
        }
        offered
    }

    fn limit(&mut self, word: &str) {
        let Some((name, value)) = word.split_once('=') else { return };
        match name.to_ascii_uppercase().as_str() {
            "RCPTMAX" => self.recipients_max = value.parse().ok().filter(|max| *max > 0),
            "MAILMAX" => self.mails_max = value.parse().ok().filter(|max| *max > 0),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keywords_are_read_in_any_case_and_nonsense_is_passed_over() {
        let lines = [
            "MX.Example.ORG at your service",
            "pipelining",
            "SIZE 1000",
            "8bitmime",
            "LIMITS RCPTMAX=5 MAILMAX=0 X",
            "",
            "DSN",
            "XYZZY plugh",
        ];
        let offered = Capabilities::parse(&Reply::plain(250, lines));
        let expected = Capabilities {
            peer_name: "mx.example.org".into(),
            pipelining: true,
            size: Some(1000),
            eight_bit_mime: true,
            dsn: true,
            recipients_max: Some(5),
            ..Capabilities::default()
        };
        assert_eq!(offered, expected);
        let bare = Capabilities::parse(&Reply::plain(250, ["x", "SIZE", "SMTPUTF8", "STARTTLS"]));
        assert_eq!((bare.size, bare.smtputf8, bare.starttls), (Some(0), true, true));
    }
}
