//! A request that was let in: who asks, for what, with which words.

use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use serde::de::DeserializeOwned;

use super::notices::Notice;
use super::{AdminSite, Refusal, aside};
use crate::admin::Desk;
use crate::admin::people::{Caller, Right, Via};
use crate::delivery::outcome::ms_since_1970;
use crate::web::answer::{self, Answer};
use crate::web::{Ask, Pairs, Upload};

/// One request on its way through the site.
#[derive(Debug, Clone)]
pub struct Call {
    /// The site.
    pub site: Arc<AdminSite>,
    /// The request.
    pub ask: Ask,
    /// Who asks.
    pub caller: Caller,
    /// What stands in the braces of the route's path, in order, decoded.
    pub parts: Vec<String>,
    /// The fields of a form; empty when there was none.
    pub form: Pairs,
    /// Its files.
    pub files: Vec<Upload>,
    /// The body, when it is no form.
    pub body: Bytes,
}

impl Call {
    /// A part of the path.
    pub fn part(&self, at: usize) -> &str {
        self.parts.get(at).map_or("", String::as_str)
    }

    /// The desk, where what is done is done in the caller's name.
    pub fn desk(&self) -> Arc<Desk> {
        Arc::new(self.site.desk.on_behalf_of(&self.caller.signature()))
    }

    /// Whether the caller may.
    pub fn may(&self, right: Right) -> bool {
        self.caller.may(right)
    }

    /// The mark that own forms bring along.
    pub fn csrf(&self) -> &str {
        match &self.caller.via {
            Via::Session { csrf, .. } => csrf,
            _ => "",
        }
    }

    /// The body as JSON.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Refusal> {
        if !self.ask.is_json() {
            return Err(Refusal::bad("the body is to be application/json"));
        }
        serde_json::from_slice(&self.body).map_err(Refusal::bad)
    }

    /// A field that has to be there.
    pub fn field(&self, name: &str) -> Result<&str, Refusal> {
        self.form.filled(name).ok_or_else(|| Refusal::Bad(format!("{name} is missing")))
    }

    /// Milliseconds since 1970.
    pub fn now_ms(&self) -> u64 {
        ms_since_1970(SystemTime::now())
    }

    /// Says on the next page how it went.
    pub fn say(&self, went_well: Said, words: impl Into<String>) {
        if let Via::Session { session, .. } = &self.caller.via {
            let went_well = went_well == Said::Done;
            self.site.notices.put(session, Notice { went_well, words: words.into() });
        }
    }

    /// What is to be said on this page, once.
    pub(super) fn heard(&self) -> Vec<Notice> {
        match &self.caller.via {
            Via::Session { session, .. } => self.site.notices.take(session),
            _ => Vec::new(),
        }
    }

    /// To another page, which says that it was done.
    pub fn done(&self, path: &str, words: impl Into<String>) -> Answer {
        self.say(Said::Done, words);
        answer::see_other(path)
    }

    /// To another page, which says why it was not.
    pub fn failed(&self, path: &str, words: impl Into<String>) -> Answer {
        self.say(Said::Failed, words);
        answer::see_other(path)
    }

    /// Runs what reads the disk away from the runtime's threads, and after mail.
    pub async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Refusal> {
        let broken = |_| Err(Refusal::Broken("the request broke off".into()));
        aside::run(work).await.unwrap_or_else(broken)
    }
}

/// How something went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said {
    /// As it was meant.
    Done,
    /// It was not done.
    Failed,
}
