//! Tokens of services that are told by their form: prefix, alphabet, length, checksum.
//!
//! Standards: as each service documents its tokens; RFC 7519 (JWT). GitHub's and npm's tokens
//! end in the CRC-32 of what stands before it, in base 62, Grafana's in one in hexadecimal.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::Valid;
use super::credentials::entropy_bits;

/// The run of such characters at the end of a text, where it begins something.
fn run_at_end(text: &str, is_member: impl Fn(char) -> bool) -> Option<(usize, &str)> {
    let text = text.trim_end_matches(|letter: char| {
        letter.is_whitespace() || "\"'`;,.)]}<>&|*:".contains(letter)
    });
    let at = text.trim_end_matches(is_member).len();
    let run = text.get(at..).filter(|run| !run.is_empty())?;
    let before = text.get(..at)?.chars().next_back();
    before.is_none_or(|letter| !letter.is_alphanumeric()).then_some((at, run))
}

fn is_word(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || letter == '_'
}

fn is_url_safe(letter: char) -> bool {
    is_word(letter) || letter == '-'
}

fn is_dotted(letter: char) -> bool {
    is_url_safe(letter) || matches!(letter, '.' | '~')
}

/// Whether text looks drawn by lot rather than typed to fill a place.
fn is_random(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    entropy_bits(text) >= 2.8 && !lower.contains("xxxx") && !lower.contains("your")
}

/// A kind of token.
struct Kind {
    prefix: &'static str,
    /// Characters behind the prefix.
    length: std::ops::RangeInclusive<usize>,
    is_member: fn(char) -> bool,
}

const fn kind(
    prefix: &'static str,
    least: usize,
    most: usize,
    is_member: fn(char) -> bool,
) -> Kind {
    Kind { prefix, length: least..=most, is_member }
}

fn of_kinds(text: &str, kinds: &[Kind]) -> Option<Valid> {
    let (run_at, run) = run_at_end(text, is_dotted)?;
    kinds.iter().find_map(|kind| {
        // `key=` and the like stand before it; a longer run may begin with a sentence's dot.
        let at = run.find(kind.prefix)?;
        let (before, token) = run.split_at_checked(at)?;
        let body = token.strip_prefix(kind.prefix)?;
        let is_begin = before.is_empty() || before.ends_with(['.', '-', '~']);
        let holds = is_begin
            && kind.length.contains(&body.len())
            && body.chars().all(kind.is_member)
            && is_random(body);
        holds.then(|| Valid { start: run_at + at, normal: token.to_owned() })
    })
}

/// CRC-32 of `body` in base 62, six digits (GitHub, April 2021).
fn is_checked_62(body: &str, check: &str) -> bool {
    const DIGITS: &str = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut crc = flate2::Crc::new();
    crc.update(body.as_bytes());
    let value = check.chars().try_fold(0u64, |value, letter| {
        let digit = DIGITS.find(letter)?;
        Some(value * 62 + digit as u64)
    });
    check.len() == 6 && value == Some(u64::from(crc.sum()))
}

const GITHUB: [&str; 5] = ["ghp_", "gho_", "ghu_", "ghs_", "ghr_"];

/// One of GitHub whose checksum holds; fine-grained ones by their form.
pub(super) fn github_token(text: &str) -> Option<Valid> {
    let (start, run) = run_at_end(text, is_word)?;
    let body = GITHUB.iter().find_map(|prefix| run.strip_prefix(prefix));
    let holds = match body {
        Some(body) => {
            let (random, check) = body.split_at_checked(body.len().checked_sub(6)?)?;
            body.len() >= 36 && is_checked_62(random, check)
        }
        None => run
            .strip_prefix("github_pat_")
            .and_then(|body| body.split_once('_'))
            .is_some_and(|(first, last)| (first.len(), last.len()) == (22, 59) && is_random(last)),
    };
    holds.then(|| Valid { start, normal: run.to_owned() })
}

/// The form alone: mistyped, or of a server that computes no checksum.
pub(super) fn github_token_form(text: &str) -> Option<Valid> {
    let (start, run) = run_at_end(text, is_word)?;
    let body = GITHUB.iter().find_map(|prefix| run.strip_prefix(prefix));
    let is_plain = body.is_some_and(|body| (36..=76).contains(&body.len()) && is_random(body));
    let is_fine = run.strip_prefix("github_pat_").is_some_and(|body| body.len() == 82);
    (is_plain || is_fine && is_random(run)).then(|| Valid { start, normal: run.to_owned() })
}

/// npm's, September 2021: made as GitHub's.
pub(super) fn npm_token(text: &str) -> Option<Valid> {
    let (start, run) = run_at_end(text, is_word)?;
    let body = run.strip_prefix("npm_").filter(|body| body.len() == 36)?;
    let (random, check) = body.split_at_checked(30)?;
    is_checked_62(random, check).then(|| Valid { start, normal: run.to_owned() })
}

/// GitLab's personal, deploy, runner, trigger and other tokens.
pub(super) fn gitlab_token(text: &str) -> Option<Valid> {
    const LONGEST: usize = 70;
    let kinds = [
        kind("glpat-", 20, LONGEST, is_dotted),
        kind("gldt-", 20, LONGEST, is_dotted),
        kind("glrt-", 20, LONGEST, is_dotted),
        kind("glrtr-", 20, LONGEST, is_dotted),
        kind("glcbt-", 20, LONGEST, is_dotted),
        kind("glptt-", 40, 40, is_dotted),
        kind("glft-", 20, LONGEST, is_dotted),
        kind("glimt-", 20, LONGEST, is_dotted),
        kind("glagent-", 50, LONGEST, is_dotted),
        kind("glsoat-", 20, LONGEST, is_dotted),
        kind("gloas-", 64, 64, is_dotted),
        kind("glffct-", 20, LONGEST, is_dotted),
        kind("GR1348941", 20, 20, is_url_safe),
    ];
    of_kinds(text, &kinds)
}

/// Slack's tokens of bots, users, apps and refreshes, and incoming webhooks.
pub(super) fn slack_token(text: &str) -> Option<Valid> {
    if let Some(start) = text.rfind("hooks.slack.com/") {
        let address = text.get(start..)?.trim_end();
        let mut steps = address.split('/').skip(1);
        let is_hook = matches!(steps.next(), Some("services" | "workflows"));
        let last = steps.last()?;
        let holds = is_hook && last.len() >= 18 && last.chars().all(is_word) && is_random(last);
        return holds.then(|| Valid { start, normal: address.to_owned() });
    }
    let (start, run) = run_at_end(text, is_dotted)?;
    let (prefix, rest) = run.split_once('-')?;
    let is_known = matches!(
        prefix,
        "xoxb"
            | "xoxp"
            | "xoxa"
            | "xoxr"
            | "xoxs"
            | "xoxo"
            | "xoxe"
            | "xapp"
            | "xoxe.xoxp"
            | "xoxc"
            | "xoxd"
    );
    let is_numbered = rest.starts_with(|letter: char| letter.is_ascii_digit());
    let longest = rest.split('-').map(str::len).max().unwrap_or_default();
    let holds = is_known && is_numbered && rest.len() >= 20 && longest >= 16 && is_random(rest);
    holds.then(|| Valid { start, normal: run.to_owned() })
}

/// Stripe's secret and restricted keys and secrets of webhooks; publishable keys are public.
pub(super) fn stripe_key(text: &str) -> Option<Valid> {
    let is_body = |letter: char| letter.is_ascii_alphanumeric();
    let kinds = [
        kind("sk_live_", 24, 84, is_body),
        kind("rk_live_", 24, 84, is_body),
        kind("sk_test_", 24, 84, is_body),
        kind("rk_test_", 24, 84, is_body),
        kind("whsec_", 32, 64, is_body),
    ];
    of_kinds(text, &kinds)
}

/// Google's API keys, OAuth client secrets and access tokens.
pub(super) fn google_secret(text: &str) -> Option<Valid> {
    let kinds = [
        kind("AIza", 35, 35, is_url_safe),
        kind("GOCSPX-", 28, 28, is_url_safe),
        kind("ya29.", 30, 90, is_url_safe),
    ];
    of_kinds(text, &kinds)
}

/// Azure's keys of storage and buses, client secrets, DevOps tokens.
pub(super) fn azure_secret(text: &str) -> Option<Valid> {
    if let Some(valid) = azure_account_key(text) {
        return Some(valid);
    }
    let (start, run) = run_at_end(text, is_dotted)?;
    // Three characters, a digit, `Q~`, and the rest of 40.
    let is_client = matches!(run.len(), 37..=40)
        && run.get(3..4).is_some_and(|digit| digit.bytes().all(|octet| octet.is_ascii_digit()))
        && run.get(4..6) == Some("Q~");
    let is_devops = run.len() == 84 && run.get(76..80) == Some("AZDO");
    ((is_client || is_devops) && is_random(run)).then(|| Valid { start, normal: run.to_owned() })
}

/// Base 64 of 32 or 64 octets behind `AccountKey=`, `SharedAccessKey=` and the like.
fn azure_account_key(text: &str) -> Option<Valid> {
    let text =
        text.trim_end_matches(|letter: char| letter.is_whitespace() || "\"';,<>".contains(letter));
    let pads = text.len() - text.trim_end_matches('=').len();
    let body = text.get(..text.len() - pads)?;
    let is_own = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '+' | '/');
    let at = body.trim_end_matches(is_own).len();
    let length = text.len() - at;
    let label = text.get(..at)?.strip_suffix('=')?;
    let is_label = label.get(label.len().checked_sub(3)?..)?.eq_ignore_ascii_case("key");
    let is_whole = matches!((length, pads), (88, 2) | (44, 1));
    let key = text.get(at..)?;
    (is_label && is_whole && entropy_bits(key) >= 4.0)
        .then(|| Valid { start: at, normal: key.to_owned() })
}

/// Tokens of other services with prefixes of their own.
pub(super) fn cloud_token(text: &str) -> Option<Valid> {
    let letters = |letter: char| letter.is_ascii_alphanumeric();
    let hexadecimal = |letter: char| letter.is_ascii_hexdigit();
    let kinds = [
        kind("pypi-AgE", 50, 90, is_url_safe),
        kind("SG.", 60, 70, is_dotted),
        kind("shpat_", 32, 32, hexadecimal),
        kind("shpss_", 32, 32, hexadecimal),
        kind("shpca_", 32, 32, hexadecimal),
        kind("dop_v1_", 64, 64, hexadecimal),
        kind("doo_v1_", 64, 64, hexadecimal),
        kind("hf_", 34, 40, letters),
        kind("sk-ant-", 40, 90, is_url_safe),
        kind("sk-proj-", 40, 90, is_url_safe),
        kind("sk-svcacct-", 40, 90, is_url_safe),
        kind("dckr_pat_", 27, 36, is_url_safe),
        kind("hvs.", 24, 90, is_url_safe),
        kind("hvb.", 24, 90, is_url_safe),
        kind("ATATT3", 60, 90, is_url_safe),
        kind("sq0csp-", 43, 43, is_url_safe),
        kind("sq0atp-", 22, 22, is_url_safe),
        kind("PMAK-", 50, 64, is_url_safe),
        kind("lin_api_", 40, 40, letters),
        kind("AGE-SECRET-KEY-1", 58, 58, letters),
        kind("rubygems_", 48, 48, hexadecimal),
        kind("pul-", 40, 40, hexadecimal),
        kind("NRAK-", 27, 27, letters),
    ];
    grafana(text).or_else(|| of_kinds(text, &kinds))
}

/// Grafana's service accounts: 32 characters, `_`, CRC-32 of them in hexadecimal.
fn grafana(text: &str) -> Option<Valid> {
    let (start, run) = run_at_end(text, is_word)?;
    let (random, check) = run.strip_prefix("glsa_")?.split_once('_')?;
    let is_form = random.len() == 32 && check.len() == 8;
    let is_hexadecimal = check.bytes().all(|octet| octet.is_ascii_hexdigit());
    (is_form && is_hexadecimal && is_random(random))
        .then(|| Valid { start, normal: run.to_owned() })
}

/// RFC 7519: a header in base 64 that decodes to an object which names an algorithm, and at
/// least the beginning of the claims.
pub(super) fn jwt(text: &str) -> Option<Valid> {
    let (start, run) = run_at_end(text, |letter| is_url_safe(letter) || letter == '.')?;
    let (start, run) = match run.find("eyJ") {
        Some(at) if !cut_off(start, text) => (start + at, run.get(at..)?),
        _ => (start, run),
    };
    let (header, rest) = run.split_once('.')?;
    if rest.len() < 3 {
        return None;
    }
    let holds = if header.starts_with("eyJ") {
        let decoded = URL_SAFE_NO_PAD.decode(header).ok()?;
        let object: serde_json::Value = serde_json::from_slice(&decoded).ok()?;
        object.get("alg").is_some_and(serde_json::Value::is_string)
    } else {
        cut_off(start, text) && is_end_of_header(header)
    };
    holds.then(|| Valid { start, normal: run.to_owned() })
}

/// Whether the run may have begun before what was given of the text.
fn cut_off(start: usize, text: &str) -> bool {
    start == 0 && text.len() + 4 >= super::REACH_OCTETS && !text.starts_with("eyJ")
}

/// Whether base 64, from some character on, decodes to the end of an object with fields.
fn is_end_of_header(tail: &str) -> bool {
    (0..4).any(|skipped| {
        let rest = tail.get(skipped..).unwrap_or_default();
        URL_SAFE_NO_PAD.decode(rest).is_ok_and(|octets| {
            let is_text = octets.iter().skip(2).all(|octet| matches!(octet, b' '..=b'~'));
            is_text && octets.ends_with(b"}") && memchr::memmem::find(&octets, b"\":").is_some()
        })
    })
}
