//! Everything that the machine says by itself, in one table (RFC 5321 section 4.2,
//! RFC 3463 for the enhanced codes).

use crate::mail::{EnhancedCode, Reply};

/// One reply of one line.
#[derive(Debug, Clone, Copy)]
pub(super) struct Say(u16, EnhancedCode, &'static str);

impl Say {
    pub(super) fn reply(self) -> Reply {
        Reply::new(self.0, self.1, self.2)
    }
}

const fn say(code: u16, enhanced: (u8, u16, u16), text: &'static str) -> Say {
    Say(code, EnhancedCode(enhanced.0, enhanced.1, enhanced.2), text)
}

/// Positive replies in wire form: they are said for every mail.
pub(super) const OK: &[u8] = b"250 2.0.0 ok\r\n";
pub(super) const SENDER_OK: &[u8] = b"250 2.1.0 sender ok\r\n";
pub(super) const RECIPIENT_OK: &[u8] = b"250 2.1.5 recipient ok\r\n";
pub(super) const GO_AHEAD: &[u8] = b"354 end the text with <CRLF>.<CRLF>\r\n";
pub(super) const BYE: &[u8] = b"221 2.0.0 bye\r\n";
pub(super) const READY_FOR_TLS: &[u8] = b"220 2.0.0 ready for TLS\r\n";
pub(super) const AUTHENTICATED: &[u8] = b"235 2.7.0 authenticated\r\n";
/// RFC 5321 section 3.5.3: neither yes nor no, so that nobody can harvest addresses.
pub(super) const CANNOT_VERIFY: &[u8] =
    b"252 2.0.0 cannot verify, but will take mail and try to deliver it\r\n";
pub(super) const HELP: &[u8] =
    b"214 2.0.0 EHLO HELO MAIL RCPT DATA BDAT RSET NOOP VRFY HELP STARTTLS AUTH QUIT\r\n";
pub(super) const PLAIN_CHALLENGE: &[u8] = b"334 \r\n";
/// `Username:` and `Password:` in base 64.
pub(super) const LOGIN_NAME: &[u8] = b"334 VXNlcm5hbWU6\r\n";
pub(super) const LOGIN_PASSWORD: &[u8] = b"334 UGFzc3dvcmQ6\r\n";

pub(super) const BARE_COMMAND: Say =
    say(500, (5, 5, 2), "bare CR or LF in a command; lines end in CRLF");
pub(super) const BARE_TEXT: Say =
    say(550, (5, 6, 11), "bare CR or LF in the message; lines end in CRLF");
pub(super) const LINE_TOO_LONG: Say = say(500, (5, 5, 2), "command line too long");
pub(super) const HELLO_FIRST: Say = say(503, (5, 5, 1), "send HELO or EHLO first");
pub(super) const NESTED_MAIL: Say = say(503, (5, 5, 1), "a transaction is open already");
pub(super) const MAIL_FIRST: Say = say(503, (5, 5, 1), "send MAIL first");
pub(super) const NO_RECIPIENTS: Say = say(554, (5, 5, 1), "no valid recipients");
pub(super) const IN_CHUNKS: Say = say(503, (5, 5, 1), "the message is being sent by BDAT already");
pub(super) const CHUNK_AFTER_FAILURE: Say =
    say(503, (5, 5, 1), "an earlier chunk failed; send RSET");
pub(super) const NOT_SERVED: Say = say(503, (5, 5, 1), "no service here; send QUIT");
pub(super) const TOO_MANY_RECIPIENTS: Say = say(452, (4, 5, 3), "too many recipients");
pub(super) const TOO_LARGE: Say = say(552, (5, 3, 4), "message larger than the SIZE limit");
pub(super) const LINE_OF_TEXT_TOO_LONG: Say =
    say(554, (5, 6, 0), "a line of the message is too long");
pub(super) const TOO_MANY_HOPS: Say =
    say(554, (5, 4, 6), "too many Received fields: the message is in a loop");
pub(super) const RECIPIENT_NEEDS_SMTPUTF8: Say =
    say(553, (5, 6, 7), "the address needs SMTPUTF8 with MAIL");
pub(super) const NO_EXPN: Say = say(502, (5, 5, 1), "EXPN is not implemented");

pub(super) const TLS_NOT_OFFERED: Say = say(502, (5, 5, 1), "STARTTLS is not offered");
pub(super) const TLS_ALREADY: Say = say(503, (5, 5, 1), "TLS is active already");
pub(super) const OCTETS_AFTER_STARTTLS: Say =
    say(503, (5, 5, 1), "nothing may follow STARTTLS before TLS");

pub(super) const AUTH_NOT_OFFERED: Say = say(502, (5, 5, 1), "AUTH is not offered");
pub(super) const AUTH_FIRST: Say = say(530, (5, 7, 0), "authentication required");
pub(super) const AUTH_NEEDS_TLS: Say =
    say(538, (5, 7, 11), "encryption required for authentication; use STARTTLS");
pub(super) const AUTH_ALREADY: Say = say(503, (5, 5, 1), "already authenticated");
pub(super) const AUTH_IN_TRANSACTION: Say =
    say(503, (5, 5, 1), "AUTH is not permitted in a transaction");
pub(super) const AUTH_NEEDS_EHLO: Say = say(503, (5, 5, 1), "send EHLO first");
pub(super) const AUTH_CANCELLED: Say = say(501, (5, 7, 0), "authentication cancelled");
pub(super) const AUTH_MALFORMED: Say = say(501, (5, 5, 2), "malformed authentication response");
pub(super) const AUTH_FAILED: Say = say(535, (5, 7, 8), "authentication failed");
pub(super) const AUTH_UNAVAILABLE: Say =
    say(454, (4, 7, 0), "authentication is not available for the moment");

pub(super) const TOO_MANY_ERRORS: Say = say(421, (4, 7, 0), "too many errors");
pub(super) const TOO_MANY_IDLE_COMMANDS: Say =
    say(421, (4, 7, 0), "too many commands without a mail");
pub(super) const TOO_MANY_MAILS: Say =
    say(421, (4, 7, 0), "too many messages in one session; open another");
