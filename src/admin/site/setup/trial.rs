//! A test message through the whole box: in at its own listener like any mail from outside,
//! looked into, judged, delivered to its next hop; and its story.
//!
//! In: a recipient at a protected domain. Out: what the listener said, and what the journal
//! knows of the mail a few seconds later. With the harmless test file of virus scanners inside
//! it must be refused or kept back.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use maud::{Markup, html};
use warp::http::StatusCode;

use super::antivirus::eicar;
use super::domains::conversation;
use super::steps::{page, said};
use super::talk::{Speech, Talk};
use crate::admin::site::{Call, Refusal, frame, noted, seen};
use crate::config::{Config, ListenTls};
use crate::journal::{State, Story, TrackQuery};
use crate::mail::{Address, Role};
use crate::store::token;
use crate::web::answer::Answer;

const HERE: &str = "/setup/message";
/// How long a page waits for the end of the story.
const PATIENCE: Duration = Duration::from_secs(12);
const PAUSE: Duration = Duration::from_millis(300);
/// What a story ends with.
const ENDS: &[State] = &[
    State::Delivered,
    State::Failed,
    State::Quarantined,
    State::Refused,
    State::TurnedAway,
    State::Discarded,
    State::Deferred,
    State::Held,
];

pub(super) async fn show(call: Call) -> Result<Answer, Refusal> {
    let message_id = call.ask.query.filled("id").map(str::to_owned);
    let result = match message_id {
        Some(message_id) => story_part(&message_id, story(&call, &message_id).await?.as_ref()),
        None => html! {},
    };
    Ok(form(&call, StatusCode::OK, None, &result))
}

fn form(call: &Call, status: StatusCode, failed: Option<&str>, result: &Markup) -> Answer {
    let config = call.site.steering.config();
    let first = config.domain.first().map(|domain| format!("postmaster@{}", domain.name));
    let typed = call.form.first("recipient").map(str::to_owned);
    let content = html! {
        (said(failed))
        (result)
        @if config.domain.is_empty() {
            p { "Protect a domain first: " a href="/setup/domains" { "Domains" } "." }
        }
        form.card method="post" action=(HERE) {
            (frame::mark(call))
            div.field {
                label for="recipient" { "Recipient " span.soft { "(at a protected domain; the mail is really delivered)" } }
                input #recipient name="recipient" value=(typed.or(first).unwrap_or_default()) required
                    spellcheck="false" autocomplete="off";
            }
            label.check {
                input type="checkbox" name="eicar" value="yes" checked[call.form.ticked("eicar")];
                "with the harmless test file of virus scanners: it must not arrive"
            }
            button type="submit" { "Send the test message" }
        }
    };
    page(call, status, HERE, &content)
}

/// Where mail from outside can be given to the box from the box itself.
fn inbound(config: &Config) -> Option<SocketAddr> {
    let fits = |listen: &&crate::config::Listen| {
        listen.role == Role::Inbound
            && listen.tls != ListenTls::Implicit
            && listen.proxy_networks.is_empty()
    };
    let mut address = config.listen.iter().find(fits)?.address;
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    Some(address)
}

pub(super) async fn send(call: Call) -> Result<Answer, Refusal> {
    let typed = call.form.first("recipient").unwrap_or_default().trim().to_owned();
    let load = match call.form.ticked("eicar") {
        true => Load::TestFile,
        false => Load::Words,
    };
    let sent = match sent(&call, &typed, load).await {
        Err(Refusal::Bad(why) | Refusal::Conflict(why)) => {
            return Ok(form(&call, StatusCode::UNPROCESSABLE_ENTITY, Some(&why), &html! {}));
        }
        sent => sent?,
    };
    let result = html! {
        (conversation("The listener", &sent.talk))
        (story_part(&sent.message_id, sent.story.as_ref()))
    };
    Ok(form(&call, StatusCode::OK, None, &result))
}

/// A test message that was given to the box.
#[derive(Debug)]
pub(in crate::admin::site) struct Sent {
    /// Without angle brackets.
    pub(in crate::admin::site) message_id: String,
    /// With the box's own listener.
    pub(in crate::admin::site) talk: Talk,
    /// As far as it had come when patience ended.
    pub(in crate::admin::site) story: Option<Story>,
}

/// Sends a test message through the whole box, and waits for the end of its story, not long.
pub(in crate::admin::site) async fn sent(
    call: &Call,
    recipient: &str,
    load: Load,
) -> Result<Sent, Refusal> {
    let config = call.site.steering.config();
    let wrong = |why: String| Err(Refusal::Bad(why));
    let recipient = match recipient.parse::<Address>() {
        Ok(recipient) => recipient,
        Err(error) => return wrong(format!("recipient: {recipient:?} is no address: {error}")),
    };
    let is_own = recipient.domain().is_some_and(|domain| config.protected(domain).is_some());
    if !is_own {
        let why = "is at no protected domain: the box would not take it.";
        return wrong(format!("recipient: {recipient} {why}"));
    }
    let none = "There is no inbound listener that takes mail in clear or with STARTTLS.";
    let listener = inbound(&config).ok_or_else(|| Refusal::Conflict(none.into()))?;
    let mark = token::code(3).map_err(|error| Refusal::Broken(error.to_string()))?;
    let message_id = format!("setup-{}@{}", mark.to_lowercase(), config.system.hostname);
    let text = message(&config, &recipient, &message_id, load);
    let talk = give(listener, &config, &recipient, &text).await;
    noted::act(call, "setup.message", recipient.to_string()).after(talk.sum.clone()).record();
    let story = waited_for(call, &message_id).await?;
    Ok(Sent { message_id, talk, story })
}

/// What a message carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::admin::site) enum Load {
    /// A few sentences.
    Words,
    /// The test file of virus scanners, too.
    TestFile,
}

/// RFC 5322; lines end with CR LF, and none begins with a dot.
fn message(config: &Config, recipient: &Address, message_id: &str, load: Load) -> String {
    let hostname = &config.system.hostname;
    let date = jiff::Zoned::now().strftime("%a, %d %b %Y %H:%M:%S %z").to_string();
    let head = format!(
        "Date: {date}\r\nFrom: Set-up of Postern <setup-test@{hostname}>\r\nTo: <{recipient}>\r\n\
         Subject: Test message from {hostname}\r\nMessage-ID: <{message_id}>\r\nMIME-Version: 1.0\r\n"
    );
    let words = "This message was sent from the set-up of the mail firewall, through the whole \
                 box.\r\nWhoever reads it where it was meant to go knows that the way is open.\r\n";
    match load {
        Load::Words => format!("{head}Content-Type: text/plain; charset=utf-8\r\n\r\n{words}"),
        Load::TestFile => format!(
            "{head}Content-Type: multipart/mixed; boundary=\"b\"\r\n\r\n--b\r\nContent-Type: \
             text/plain\r\n\r\n{words}--b\r\nContent-Type: application/octet-stream\r\n\
             Content-Disposition: attachment; filename=\"eicar.com\"\r\n\
             Content-Transfer-Encoding: base64\r\n\r\n{}\r\n--b--\r\n",
            STANDARD.encode(eicar())
        ),
    }
}

async fn give(listener: SocketAddr, config: &Config, recipient: &Address, text: &str) -> Talk {
    let mut speech = match Speech::connect(listener).await {
        Ok(speech) => speech,
        Err(why) => return Talk { sum: why, ..Talk::default() },
    };
    let given = give_over(&mut speech, config, recipient, text).await;
    let (is_good, sum) = match given {
        Ok(sum) => (true, sum),
        Err(why) => (false, why),
    };
    Talk { is_good, sum, ..speech.talk }
}

async fn give_over(
    speech: &mut Speech,
    config: &Config,
    recipient: &Address,
    text: &str,
) -> Result<String, String> {
    let hostname = &config.system.hostname;
    speech.reply().await?;
    speech.say(&format!("EHLO {hostname}")).await?;
    let utf8 = if recipient.needs_smtputf8() { " SMTPUTF8" } else { "" };
    for line in [
        format!("MAIL FROM:<setup-test@{hostname}>{utf8}"),
        format!("RCPT TO:<{recipient}>"),
        "DATA".to_owned(),
    ] {
        let replied = speech.say(&line).await?;
        if replied.code >= 400 {
            return Err(format!("the box refuses it: {}", replied.words()));
        }
    }
    speech.send(text.as_bytes()).await?;
    let replied = speech.say(".").await?;
    match replied.code {
        250..=259 => Ok("the box has taken the message".into()),
        _ => Err(format!("the box refuses it: {}", replied.words())),
    }
}

async fn story(call: &Call, message_id: &str) -> Result<Option<Story>, Refusal> {
    let (journal, caller) = (call.site.desk.journal.clone(), call.caller.clone());
    let shown = move |story| seen::story(&caller, story);
    let query =
        TrackQuery { message_id: Some(message_id.to_owned()), limit: 1, ..TrackQuery::default() };
    let found = call
        .blocking(move || {
            let found = journal.search_as(&query, &shown);
            found.map_err(|error| Refusal::Broken(error.to_string()))
        })
        .await?;
    Ok(found.stories.into_iter().next())
}

/// Until it has come to an end, or patience has.
async fn waited_for(call: &Call, message_id: &str) -> Result<Option<Story>, Refusal> {
    let until = tokio::time::Instant::now() + PATIENCE;
    loop {
        let story = story(call, message_id).await?;
        let has_ended = story.as_ref().is_some_and(|story| {
            let mut states = story.events.iter().filter_map(|(_, event)| State::of(event));
            states.any(|state| ENDS.contains(&state))
        });
        if has_ended || tokio::time::Instant::now() >= until {
            return Ok(story);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

fn story_part(message_id: &str, story: Option<&Story>) -> Markup {
    let again = crate::web::Pairs::default().with("id", message_id).to_query();
    html! {
        section.card {
            h2 { "Its story" }
            @match story {
                Some(story) => {
                    pre tabindex="0" { (story.in_plain_words()) }
                    p { a href=(format!("/tracking/{}", story.mail_id)) { "All that is known of it" } }
                }
                None => { p.soft { "The journal knows nothing of it yet." } }
            }
            p { a href=(format!("{HERE}?{again}")) { "Look again" } }
        }
    }
}
