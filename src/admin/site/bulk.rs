//! Acts on many mails at once: those that are ticked, or all that fit a filter.
//!
//! In: a form with `id`s, or with `all` and the `filter` of the list that it stands in; or the
//! same as an order of the API. Out: the mails that are meant, and how it went with each. For
//! all that fit, somebody is shown how many these are and asks again; that works without script.
//! Bounded: so many in one go; what is left over is said.

use std::future::Future;

use maud::html;

use super::frame::{self, Section};
use super::tally::Tally;
use super::{Call, Refusal, pieces};
use crate::web::{Answer, Pairs};

/// Mails that are ticked, in one go.
pub(super) const TICKED: usize = 500;
/// Mails that fit a filter, in one go.
pub(super) const FITTING: usize = 2_000;

/// Whom an act is meant for.
#[derive(Debug, PartialEq, Eq)]
enum Meant {
    /// These.
    These(Vec<String>),
    /// All that fit this filter.
    All(Pairs),
}

/// An act that a form asks for.
pub(super) struct Wanted<'a> {
    /// The section of the site.
    pub(super) section: Section,
    /// Where the form is sent to.
    pub(super) path: &'a str,
    /// Where the caller goes afterwards.
    pub(super) next: &'a str,
    /// What the mails are then: "released".
    pub(super) done: &'a str,
}

/// Mails of a list, and whether more fit than are done in one go.
pub(super) type Fitting = (Vec<String>, bool);

/// Acts on each mail that the form means, by itself; the next page says how many were done and
/// why not. `fitting` finds those that fit a filter, `on_one` acts on one.
pub(super) async fn act<F, O, T>(
    call: &Call,
    wanted: Wanted<'_>,
    fitting: impl FnOnce(Pairs) -> F,
    on_one: impl Fn(String) -> O,
) -> Result<Answer, Refusal>
where
    F: Future<Output = Result<Fitting, Refusal>>,
    O: Future<Output = Result<T, Refusal>>,
{
    let (ids, is_more) = match meant(&call.form)? {
        Meant::These(ids) if ids.is_empty() => {
            return Ok(call.failed(wanted.next, "No mail was ticked: tick some first."));
        }
        Meant::These(ids) => (ids, false),
        Meant::All(filter) => {
            let (ids, is_more) = fitting(filter).await?;
            if !call.form.ticked("sure") {
                return Ok(asked_again(call, &wanted, (ids.len(), is_more)));
            }
            (ids, is_more)
        }
    };
    let went = each(ids, on_one).await;
    // One alone that is not there is answered as what it is.
    if let [(_, Err(Refusal::NotFound))] = went.as_slice() {
        return Err(Refusal::NotFound);
    }
    let mut tally = Tally::default();
    for (id, went) in &went {
        tally.add(id, went);
    }
    let mut words = tally.words(wanted.done);
    if is_more {
        words += ". More fit the filter: do it again for these.";
    }
    Ok(match tally.is_whole() {
        true => call.done(wanted.next, words),
        false => call.failed(wanted.next, words),
    })
}

/// Acts on one after the other, and says of each how it went.
pub(super) async fn each<O, T>(
    ids: Vec<String>,
    on_one: impl Fn(String) -> O,
) -> Vec<(String, Result<T, Refusal>)>
where
    O: Future<Output = Result<T, Refusal>>,
{
    let mut all = Vec::with_capacity(ids.len());
    for id in ids {
        let went = on_one(id.clone()).await;
        all.push((id, went));
    }
    all
}

/// Reads a form.
fn meant(form: &Pairs) -> Result<Meant, Refusal> {
    if form.ticked("all") {
        let filter = form.first("filter").unwrap_or_default();
        return Ok(Meant::All(Pairs::parse(filter.as_bytes()).with("after", "")));
    }
    let ids: Vec<String> = form.all("id").take(TICKED + 1).map(str::to_owned).collect();
    match ids.len() {
        0..=TICKED => Ok(Meant::These(ids)),
        _ => Err(Refusal::Bad(format!("at most {TICKED} mails in one go"))),
    }
}

/// Asks once more, with how many mails are meant.
fn asked_again(call: &Call, wanted: &Wanted<'_>, (count, is_more): (usize, bool)) -> Answer {
    let section = wanted.section;
    let kept = call.form.iter().filter(|(name, _)| !matches!(*name, "csrf" | "id" | "sure"));
    let back = frame::own_path(&call.form);
    if count == 0 {
        let none = html! {
            div.card {
                p.lead { "No mail fits the filter any more." }
                a.button.plain href=(back) { "Go back" }
            }
        };
        return frame::page(call, section, "All that fit?", &none);
    }
    let content = html! {
        div.card {
            p.lead {
                (pieces::count(count as u64)) " mails fit the filter. They will be " b { (wanted.done) } "."
            }
            @if is_more { p { "There are more that fit: these are done first, then you can go on." } }
            form method="post" action=(wanted.path) {
                (frame::mark(call))
                @for (name, value) in kept { input type="hidden" name=(name) value=(value); }
                input type="hidden" name="sure" value="1";
                div.row {
                    button type="submit" { "Yes, all " (pieces::count(count as u64)) }
                    a.button.plain href=(back) { "No, go back" }
                }
            }
        }
    };
    frame::page(call, section, "All that fit?", &content)
}

/// The choice under a list of which more pages may fit.
pub(super) fn choice(call: &Call) -> maud::Markup {
    html! {
        input type="hidden" name="filter" value=(call.ask.query.to_query());
        label.check {
            input type="checkbox" name="all" value="1";
            "All that fit the filter, on further pages too (how many is shown first)"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_means_the_ticked_or_all() {
        let form = Pairs::parse(b"id=A&id=B&filter=state%3Dhold%26after%3DX");
        assert_eq!(meant(&form).unwrap(), Meant::These(vec!["A".into(), "B".into()]));
        let Meant::All(filter) = meant(&form.with("all", "1")).unwrap() else { panic!() };
        assert_eq!((filter.first("state"), filter.filled("after")), (Some("hold"), None));
        let many: String = (0..=TICKED).map(|at| format!("id={at}&")).collect();
        assert!(meant(&Pairs::parse(many.as_bytes())).is_err());
    }
}
