//! ESMTP parameters of `MAIL` and `RCPT` (RFC 5321 section 4.1.2, RFC 1870, RFC 3461,
//! RFC 4954 section 5, RFC 6152, RFC 6531).
//!
//! A parameter that was not offered is `555`; one that was, with a value that breaks its
//! grammar or given twice, is `501`.

use super::{CommandError, MailCommand, xtext};
use crate::mail::{BodyType, DsnReturn, Notify, OriginalRecipient, ReversePath};

/// RFC 3461 section 4.4.
const ENVID_OCTETS: usize = 100;
/// RFC 3461 section 4.2.
const ORCPT_OCTETS: usize = 500;

const TWICE: CommandError = CommandError::Arguments("a parameter is given twice");
const GRAMMAR: CommandError = CommandError::Arguments("malformed parameter");

/// What `MAIL` says beside its path; the path is for the caller to fill in.
pub(super) fn of_mail(rest: &str) -> Result<MailCommand, CommandError> {
    let mut mail = MailCommand {
        reverse_path: ReversePath::Null,
        size_octets: None,
        body: BodyType::SevenBit,
        smtputf8: false,
        dsn_return: None,
        envelope_id: None,
    };
    let mut seen = Seen::default();
    for word in words(rest) {
        let (keyword, value) = split(word)?;
        match keyword.to_ascii_uppercase().as_str() {
            "SIZE" => mail.size_octets = Some(size(seen.once("SIZE", value)?)?),
            "BODY" => mail.body = body(seen.once("BODY", value)?)?,
            "SMTPUTF8" => mail.smtputf8 = seen.flag("SMTPUTF8", value)?,
            "RET" => mail.dsn_return = Some(dsn_return(seen.once("RET", value)?)?),
            "ENVID" => mail.envelope_id = Some(envelope_id(seen.once("ENVID", value)?)?),
            // RFC 4954 section 5: taken from nobody on trust, so it is checked and dropped.
            "AUTH" => drop(xtext::decode(seen.once("AUTH", value)?).map_err(|_| GRAMMAR)?),
            _ => return Err(CommandError::Parameter),
        }
    }
    Ok(mail)
}

type RcptParameters = (Option<Notify>, Option<OriginalRecipient>);

/// What `RCPT` says beside its path.
pub(super) fn of_rcpt(rest: &str) -> Result<RcptParameters, CommandError> {
    let (mut asked, mut original) = (None, None);
    let mut seen = Seen::default();
    for word in words(rest) {
        let (keyword, value) = split(word)?;
        match keyword.to_ascii_uppercase().as_str() {
            "NOTIFY" => asked = Some(notify(seen.once("NOTIFY", value)?)?),
            "ORCPT" => original = Some(original_recipient(seen.once("ORCPT", value)?)?),
            _ => return Err(CommandError::Parameter),
        }
    }
    Ok((asked, original))
}

fn words(rest: &str) -> impl Iterator<Item = &str> {
    rest.split(' ').filter(|word| !word.is_empty())
}

/// `keyword [= value]`: a keyword is letters, digits and inner hyphens; a value is graphic
/// without `=` (RFC 6531 section 3.3 adds what lies above ASCII).
fn split(word: &str) -> Result<(&str, Option<&str>), CommandError> {
    let (keyword, value) = match word.split_once('=') {
        Some((keyword, value)) => (keyword, Some(value)),
        None => (word, None),
    };
    let is_keyword = keyword.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'-')
        && !keyword.is_empty()
        && !keyword.starts_with('-');
    let is_value = value.is_none_or(|value| !value.is_empty() && !value.contains('='));
    match is_keyword && is_value {
        true => Ok((keyword, value)),
        false => Err(GRAMMAR),
    }
}

/// Which parameters were given already.
#[derive(Default)]
struct Seen {
    names: [&'static str; 6],
    count: usize,
}

impl Seen {
    fn mark(&mut self, name: &'static str) -> Result<(), CommandError> {
        let free = match self.names.contains(&name) {
            true => None,
            false => self.names.get_mut(self.count),
        };
        *free.ok_or(TWICE)? = name;
        self.count += 1;
        Ok(())
    }

    /// The value of a parameter that must have one.
    fn once<'v>(
        &mut self,
        name: &'static str,
        value: Option<&'v str>,
    ) -> Result<&'v str, CommandError> {
        self.mark(name)?;
        value.ok_or(GRAMMAR)
    }

    /// A parameter that must not have a value.
    fn flag(&mut self, name: &'static str, value: Option<&str>) -> Result<bool, CommandError> {
        self.mark(name)?;
        match value {
            None => Ok(true),
            Some(_) => Err(GRAMMAR),
        }
    }
}

/// RFC 1870 section 3: up to twenty digits. What no integer holds is larger than any limit.
fn size(value: &str) -> Result<u64, CommandError> {
    match value.len() <= 20 && value.bytes().all(|octet| octet.is_ascii_digit()) {
        true => Ok(value.parse().unwrap_or(u64::MAX)),
        false => Err(GRAMMAR),
    }
}

fn body(value: &str) -> Result<BodyType, CommandError> {
    match value.to_ascii_uppercase().as_str() {
        "7BIT" => Ok(BodyType::SevenBit),
        "8BITMIME" => Ok(BodyType::EightBitMime),
        // RFC 3030 section 3: not offered.
        "BINARYMIME" => Err(CommandError::Parameter),
        _ => Err(GRAMMAR),
    }
}

fn dsn_return(value: &str) -> Result<DsnReturn, CommandError> {
    match value.to_ascii_uppercase().as_str() {
        "FULL" => Ok(DsnReturn::Full),
        "HDRS" => Ok(DsnReturn::Headers),
        _ => Err(GRAMMAR),
    }
}

fn envelope_id(value: &str) -> Result<String, CommandError> {
    match value.len() <= ENVID_OCTETS {
        true => xtext::decode(value).map_err(|_| GRAMMAR),
        false => Err(CommandError::Arguments("ENVID is longer than 100 octets")),
    }
}

/// RFC 3461 section 4.1: `NEVER` alone, or a list of the others.
fn notify(value: &str) -> Result<Notify, CommandError> {
    if value.eq_ignore_ascii_case("NEVER") {
        return Ok(Notify::default());
    }
    let mut notify = Notify::default();
    for word in value.split(',') {
        let flag = match word.to_ascii_uppercase().as_str() {
            "SUCCESS" => &mut notify.success,
            "FAILURE" => &mut notify.failure,
            "DELAY" => &mut notify.delay,
            _ => return Err(GRAMMAR),
        };
        *flag = true;
    }
    Ok(notify)
}

/// RFC 3461 section 4.2; RFC 6533 section 3 adds the type `utf-8`, whose text may hold
/// letters above ASCII as they are.
fn original_recipient(value: &str) -> Result<OriginalRecipient, CommandError> {
    if value.len() > ORCPT_OCTETS {
        return Err(CommandError::Arguments("ORCPT is longer than 500 octets"));
    }
    let (address_type, text) = value.split_once(';').ok_or(GRAMMAR)?;
    let is_type = !address_type.is_empty()
        && address_type.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'-');
    if !is_type || text.is_empty() {
        return Err(GRAMMAR);
    }
    let is_unicode = address_type.eq_ignore_ascii_case("utf-8") && !text.is_ascii();
    let address = match is_unicode {
        true if text.chars().any(|letter| letter.is_control() || letter == '+') => {
            return Err(GRAMMAR);
        }
        true => text.to_owned(),
        false => xtext::decode(text).map_err(|_| GRAMMAR)?,
    };
    Ok(OriginalRecipient { address_type: address_type.to_ascii_lowercase(), address })
}
