//! One order for many mails: those that are named, or all that fit a filter.
//!
//! In: names or a filter, and what is done to one mail. Out: how it went with each, by itself,
//! as the acts on the pages do it. Bounded: so many names, so many that fit; when more fit the
//! answer says so. Who wants to know first what a filter means asks for a trial.

use std::future::Future;

use schemars::JsonSchema;
use serde::Serialize;

use crate::admin::site::Refusal;
use crate::admin::site::bulk::{self, Fitting};
use crate::web::Pairs;

/// Letters of one criterion of a filter.
const CRITERION_LETTERS: usize = 1_000;

/// How it went with many mails.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct ManyActed {
    /// In the order in which they were named, or of the list.
    mails: Vec<OneActed>,
    /// With how many it was done.
    done: u64,
    /// With how many it was not.
    failed: u64,
    /// More fit the filter than are done in one go: ask again for these.
    is_more: bool,
}

/// How it went with one mail.
#[derive(Debug, Serialize, JsonSchema)]
struct OneActed {
    /// Its name, as it was given.
    mail_id: String,
    /// As the same act on this mail alone would have been answered; 200 when it was done, or
    /// would be tried.
    status: u16,
    /// Why it was not done.
    error: Option<String>,
    /// What the classifier made of it, when it was to be learned.
    lesson: Option<String>,
}

/// Which mails are meant.
#[derive(Debug)]
pub(super) struct Which {
    /// These.
    pub(super) ids: Option<Vec<String>>,
    /// All that fit, by the fields of the page's filter.
    pub(super) filter: Option<Pairs>,
    /// Nothing is done: those that are meant are answered.
    pub(super) is_trial: bool,
}

/// A filter, of what was given of it.
pub(super) fn filter(criteria: &[(&str, Option<&str>)]) -> Result<Pairs, Refusal> {
    let mut pairs = Pairs::default();
    for (name, text) in criteria {
        let Some(text) = text else { continue };
        if text.chars().count() > CRITERION_LETTERS {
            return Err(Refusal::Bad(format!(
                "filter.{name}: {CRITERION_LETTERS} characters at most"
            )));
        }
        pairs = pairs.with(name, text);
    }
    Ok(pairs)
}

/// Acts on each mail that is meant. `fitting` finds those that fit a filter, `on_one` acts.
pub(super) async fn act<F, O>(
    which: Which,
    fitting: impl FnOnce(Pairs) -> F,
    on_one: impl Fn(String) -> O,
) -> Result<ManyActed, Refusal>
where
    F: Future<Output = Result<Fitting, Refusal>>,
    O: Future<Output = Result<Option<String>, Refusal>>,
{
    let (ids, is_more) = match (which.ids, which.filter) {
        (Some(ids), None) => (named(ids)?, false),
        (None, Some(filter)) => fitting(filter).await?,
        _ => return Err(Refusal::bad("ids, filter: one of the two is to be given")),
    };
    let went = match which.is_trial {
        true => ids.into_iter().map(|id| (id, Ok(None))).collect(),
        false => bulk::each(ids, on_one).await,
    };
    Ok(told(went, is_more))
}

fn named(ids: Vec<String>) -> Result<Vec<String>, Refusal> {
    match ids.len() {
        0 => Err(Refusal::bad("ids: name one at least")),
        1..=bulk::TICKED => Ok(ids),
        _ => Err(Refusal::Bad(format!("ids: at most {} in one go", bulk::TICKED))),
    }
}

fn told(went: Vec<(String, Result<Option<String>, Refusal>)>, is_more: bool) -> ManyActed {
    let mut all = ManyActed { mails: Vec::new(), done: 0, failed: 0, is_more };
    for (mail_id, went) in went {
        let (status, error, lesson) = match went {
            Ok(lesson) => (200, None, lesson),
            Err(why) => (why.status().as_u16(), Some(why.to_string()), None),
        };
        *if error.is_none() { &mut all.done } else { &mut all.failed } += 1;
        all.mails.push(OneActed { mail_id, status, error, lesson });
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn which(ids: Option<&[&str]>, filter: Option<Pairs>) -> Which {
        let ids = ids.map(|ids| ids.iter().map(ToString::to_string).collect());
        Which { ids, filter, is_trial: false }
    }

    async fn asked(which: Which) -> Result<ManyActed, Refusal> {
        let fitting = |filter: Pairs| async move {
            Ok((filter.all("sender").map(str::to_owned).collect(), true))
        };
        let on_one = |id: String| async move {
            match id.as_str() {
                "GONE" => Err(Refusal::NotFound),
                "BUSY" => Err(Refusal::Conflict("it is being delivered just now".into())),
                _ => Ok(Some("learned".to_owned())),
            }
        };
        act(which, fitting, on_one).await
    }

    #[tokio::test]
    async fn each_mail_is_answered_by_itself() {
        let all = asked(which(Some(&["A", "GONE", "BUSY"]), None)).await.unwrap();
        let statuses: Vec<u16> = all.mails.iter().map(|one| one.status).collect();
        assert_eq!((statuses, all.done, all.failed), (vec![200, 404, 409], 1, 2));
        assert!(!all.is_more && all.mails[0].lesson.as_deref() == Some("learned"));
        let filter = filter(&[("sender", Some("B")), ("why", None)]).unwrap();
        let all = asked(which(None, Some(filter.clone()))).await.unwrap();
        assert!(all.is_more && all.mails[0].mail_id == "B" && all.done == 1, "{all:?}");
        let trial = Which { is_trial: true, ..which(Some(&["GONE"]), None) };
        assert_eq!(asked(trial).await.unwrap().failed, 0, "nothing was tried");
    }

    #[tokio::test]
    async fn what_is_meant_is_said_once_and_bounded() {
        let many = vec!["A"; bulk::TICKED + 1];
        let some = filter(&[]).unwrap();
        for wrong in [
            which(None, None),
            which(Some(&[]), None),
            which(Some(&["A"]), Some(some.clone())),
            which(Some(&many), None),
        ] {
            assert!(matches!(asked(wrong).await, Err(Refusal::Bad(_))));
        }
        assert!(filter(&[("sender", Some(&"x".repeat(1_001)))]).is_err());
        assert!(asked(which(None, Some(some))).await.is_ok(), "an empty filter means all");
    }
}
