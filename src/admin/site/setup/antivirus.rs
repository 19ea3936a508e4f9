//! The virus scanner: where it listens, whether it answers, which signatures it has, and
//! whether it knows the harmless test file of all scanners.

use bytes::Bytes;
use maud::{Markup, html};
use schemars::JsonSchema;
use serde::Serialize;
use warp::http::StatusCode;

use super::steps::{page, said, set};
use crate::admin::site::frame;
use crate::admin::site::{Call, Refusal};
use crate::analysis::antivirus::Antivirus;
use crate::web::answer::Answer;

const HERE: &str = "/setup/antivirus";
/// In two halves, so that no scanner takes this program for the test file.
const EICAR: [&str; 2] =
    ["X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR-STANDARD-", "ANTIVIRUS-TEST-FILE!$H+H*"];
/// Where clamd listens on most systems.
const USUAL: &str = "unix:/run/clamav/clamd.ctl";

/// The test file of the European Institute for Computer Antivirus Research.
pub(super) fn eicar() -> String {
    EICAR.concat()
}

pub(super) async fn show(call: Call) -> Result<Answer, Refusal> {
    Ok(form(&call, StatusCode::OK, None, &html! {}))
}

fn form(call: &Call, status: StatusCode, failed: Option<&str>, result: &Markup) -> Answer {
    let config = call.site.steering.config();
    let known = config.antivirus.as_ref();
    let present = known
        .map(|known| known.clamd.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"));
    let typed = call.form.first("clamd").map(str::to_owned);
    let content = html! {
        (said(failed))
        (result)
        @if known.is_none() {
            p { "No virus scanner is configured: no mail is scanned for viruses, and each one says so." }
        } @else {
            form.card method="post" action="/setup/antivirus/test" {
                (frame::mark(call))
                p { "The scanner is asked for its version, and is given the harmless test file "
                    "that every scanner knows." }
                button type="submit" { "Try it now" }
            }
        }
        form.card method="post" action=(HERE) {
            (frame::mark(call))
            div.field {
                label for="clamd" {
                    "Where clamd listens "
                    span.soft { "(unix:/path or tcp:host:port; one a line. Empty: no scanner)" }
                }
                textarea #clamd name="clamd" rows="2" spellcheck="false" placeholder=(USUAL) {
                    "\n" (typed.or(present).unwrap_or_default())
                }
            }
            button type="submit" { "Save and put in force" }
        }
    };
    page(call, status, HERE, &content)
}

pub(super) async fn save(call: Call) -> Result<Answer, Refusal> {
    let clamd = call.form.first("clamd").unwrap_or_default().trim().to_owned();
    match set(&call, &[("antivirus", "clamd", &clamd)], "set-up: virus scanner").await? {
        Ok(_) if clamd.is_empty() => Ok(call.done(HERE, "No clamd is asked any more.")),
        Ok(_) => Ok(call.done(HERE, "It is in force. Try it now.")),
        Err(why) => Ok(form(&call, StatusCode::UNPROCESSABLE_ENTITY, Some(&why), &html! {})),
    }
}

/// What the scanners say.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::admin::site) struct Tested {
    /// Addresses of those that answer.
    answering: Vec<String>,
    /// Those that do not: address and why.
    silent: Vec<String>,
    /// Of engine and signatures; empty when none answers.
    version: String,
    /// What became of the test file.
    test_file: TestFile,
    /// The name under which it is known, or why it was not scanned.
    words: String,
}

/// What became of the harmless test file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum TestFile {
    /// As it is to be.
    Refused,
    /// It was taken for clean: there are no signatures.
    Taken,
    /// Nobody could be asked.
    NotScanned,
}

/// Asks the scanners of the configuration now; [`Refusal::Conflict`] when there is none.
pub(in crate::admin::site) async fn tested(call: &Call) -> Result<Tested, Refusal> {
    let config = call.site.steering.config();
    let none = || Refusal::Conflict("No virus scanner is configured yet.".into());
    let settings = config.antivirus.clone().ok_or_else(none)?;
    let engines = call.blocking(move || Ok(Antivirus::new(&settings))).await?;
    let (version, silent) = engines.ask_versions().await;
    let scanned = engines.scan_again(&Bytes::from(eicar())).await;
    let addresses = engines.clamds().all().iter().map(|clamd| clamd.address().to_string());
    let is_silent = |address: &String| silent.iter().any(|line| line.starts_with(address.as_str()));
    let answering = addresses.filter(|address| !is_silent(address)).collect();
    let (test_file, words) = match scanned {
        Ok(Some(name)) => (TestFile::Refused, name.to_string()),
        Ok(None) => (TestFile::Taken, String::new()),
        Err(error) => (TestFile::NotScanned, error.to_string()),
    };
    Ok(Tested { answering, silent, version: version.to_string(), test_file, words })
}

pub(super) async fn test(call: Call) -> Result<Answer, Refusal> {
    let tested = match tested(&call).await {
        Err(Refusal::Conflict(why)) => return Ok(call.failed(HERE, why)),
        tested => tested?,
    };
    let result = html! {
        section.card {
            h2 { "What the scanner says" }
            ul {
                @for address in &tested.answering {
                    li { span.badge.good { "answers" } " " (address) }
                }
                @for line in &tested.silent { li { span.badge.bad { "silent" } " " (line) } }
                @if !tested.version.is_empty() { li { "Version and signatures: " (tested.version) } }
                @match tested.test_file {
                    TestFile::Refused => { li { span.badge.good { "refused" } " The test file is known as " (tested.words) } }
                    TestFile::Taken => { li { span.badge.bad { "not refused" } " The test file was taken for clean: the scanner has no signatures" } }
                    TestFile::NotScanned => { li { span.badge.bad { "not scanned" } " " (tested.words) } }
                }
            }
        }
    };
    Ok(form(&call, StatusCode::OK, None, &result))
}
