//! Mails to the postmaster about the virus scanners.
//!
//! In: what happened. Out: a mail of the box's own in the spool, with a null reverse-path, so
//! that nothing answers it (RFC 3834). Its body is encoded: names of files and subjects are as
//! strangers wrote them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::action::Settings;
use crate::journal::{Event, Journal};
use crate::mail::{BodyType, Content, Envelope, Recipient, ReversePath, Summary};
use crate::spool::{CommitError, OwnMail, Spool};
use crate::store::delivered::FoundLater;

/// Findings that one notice names.
const NAMED: usize = 100;
/// RFC 2045 section 6.8: 76 characters a line.
const LINE_CHARS: usize = 76;

/// What is written.
#[derive(Debug)]
pub(super) struct Notice {
    subject: String,
    text: String,
}

/// The signatures are old.
pub(super) fn stale(age_h: u64, limit_h: u64) -> Notice {
    Notice {
        subject: "Virus signatures are stale".into(),
        text: format!(
            "The newest virus signatures that any clamd of this box has are {age_h} hours old; \
             the limit (stale_hours) is {limit_h}.\n\nMail is scanned with what there is. See \
             whether freshclam runs and reaches its mirror.\n"
        ),
    }
}

/// They are not any more.
pub(super) fn fresh(age_h: u64) -> Notice {
    Notice {
        subject: "Virus signatures are fresh again".into(),
        text: format!("The newest virus signatures are {age_h} hours old.\n"),
    }
}

/// What was delivered and would be caught now.
pub(super) fn found_later(found: &[FoundLater]) -> Notice {
    let mut text = String::from(
        "These files were delivered before they were known to be malware. Ask the recipients \
         not to open them, and see whether they did.\n",
    );
    for one in found.iter().take(NAMED) {
        let plain = |text: &str| text.chars().filter(|it| !it.is_control()).collect::<String>();
        let path = if one.path.is_empty() { "the whole message" } else { one.path.as_str() };
        text.push_str(&format!(
            "\nMail {}, {:?} from <{}>\n  to {}\n  {}: {}\n",
            one.mail_id,
            plain(&one.subject),
            plain(&one.reverse_path),
            plain(&one.forward_paths.join(", ")),
            plain(path),
            plain(&one.what),
        ));
    }
    let more = found.len().saturating_sub(NAMED);
    if more > 0 {
        text.push_str(&format!("\nAnd {more} more: postern antivirus report\n"));
    }
    Notice { subject: "Malware was delivered before it was known".into(), text }
}

impl Notice {
    /// Puts it into the spool; durable when this returns.
    pub(super) async fn send(
        &self,
        settings: &Settings,
        spool: &Spool,
        journal: &Journal,
    ) -> Result<(), CommitError> {
        let text = self.written(settings, Timestamp::now());
        let envelope = Envelope {
            reverse_path: ReversePath::Null,
            recipients: vec![Recipient::plain(settings.postmaster.clone())],
            body: BodyType::default(),
            smtputf8: settings.postmaster.needs_smtputf8(),
            dsn_return: None,
            envelope_id: None,
        };
        let summary = Summary { subject: self.subject.clone(), ..Summary::default() };
        let octets = text.len() as u64;
        let event = Event::originated(&envelope, None, &self.subject, octets);
        let own = OwnMail::new(envelope, Content::from_bytes(text.into_bytes()), summary, None);
        let id = spool.commit_own(own).await?.id;
        journal.record(id, event);
        Ok(())
    }

    fn written(&self, settings: &Settings, now: Timestamp) -> String {
        let Settings { hostname, postmaster } = settings;
        // RFC 5322 section 3.3, in universal time.
        let date = now.to_zoned(TimeZone::UTC).strftime("%a, %d %b %Y %H:%M:%S %z");
        let unique = crate::mail::MailId::mint();
        let head = format!(
            "Date: {date}\r\nFrom: Postern <{postmaster}>\r\nTo: <{postmaster}>\r\n\
             Subject: {}\r\nMessage-ID: <{unique}@{hostname}>\r\nAuto-Submitted: auto-generated\r\n\
             MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\
             Content-Transfer-Encoding: base64\r\n\r\n",
            self.subject
        );
        let body = STANDARD.encode(self.text.replace('\n', "\r\n"));
        let mut written = head;
        let mut rest = body.as_str();
        while !rest.is_empty() {
            let (line, after) = rest.split_at_checked(LINE_CHARS).unwrap_or((rest, ""));
            written.push_str(line);
            written.push_str("\r\n");
            rest = after;
        }
        written
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notice_is_a_whole_message_whatever_strangers_called_their_files() {
        let one = FoundLater {
            mail_id: crate::mail::MailId::mint(),
            found_ms: 0,
            reverse_path: "a@x.test".into(),
            forward_paths: vec!["b@example.test".into()],
            subject: "Rechnung\r\nBcc: x".into(),
            path: "rechnung.zip/\u{fc}.exe".into(),
            digest: [0; 32],
            what: "signature Eicar".into(),
            version: "1".into(),
        };
        let settings = Settings {
            hostname: crate::mail::Domain::parse("mx.example.test").unwrap(),
            postmaster: "postmaster@example.test".parse().unwrap(),
        };
        let notice = found_later(&vec![one; NAMED + 5]);
        let text = notice.written(&settings, Timestamp::UNIX_EPOCH);
        assert!(text.is_ascii() && text.lines().all(|line| line.len() <= 78));
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert_eq!(head.lines().count(), 9, "{head}");
        assert!(head.starts_with("Date: Thu, 01 Jan 1970 00:00:00 "), "{head}");
        let body = STANDARD.decode(body.replace("\r\n", "")).unwrap();
        let body = String::from_utf8(body).unwrap();
        assert!(body.contains("rechnung.zip/\u{fc}.exe: signature Eicar"), "{body}");
        assert!(body.contains("And 5 more"), "{body}");
    }
}
