//! One rule as a form, by the vocabulary of the rule book.
//!
//! In: the rule in force of that name, or an empty one; what somebody made of it. Out: the text
//! of rules with this rule changed and all else as it was, comments included, as a draft that is
//! shown with what it changes; nothing is put in force here. What was typed into a form that is
//! refused is shown again.

mod fields;
mod shown;
pub(in crate::admin::site) mod told;

use warp::http::StatusCode;

use super::{Sheet, editor, tabs, text_in_force, without_file};
use crate::admin::site::frame::{self, Section};
use crate::admin::site::rulebook::{self, Remark};
use crate::admin::site::{Call, Refusal};
use crate::web::Answer;
use fields::Fields;
use maud::html;

pub(super) async fn show(call: Call) -> Result<Answer, Refusal> {
    let Some(text) = text_in_force(&call).await? else {
        let content = html! { (tabs("form")) (without_file(&call)) };
        return Ok(frame::page(&call, Section::Policy, "New rule", &content));
    };
    let sheet = Sheet { text: text.text, reason: String::new(), base: text.mark };
    let fields = match call.ask.query.filled("name") {
        Some(name) => Fields::read(&sheet.text, name).map_err(Refusal::Bad)?,
        None => Some(Fields::fresh()),
    };
    let fields = fields.ok_or(Refusal::NotFound)?;
    Ok(page(&call, StatusCode::OK, &sheet, &fields, None))
}

pub(super) async fn apply(call: Call) -> Result<Answer, Refusal> {
    let sheet = Sheet::of(&call);
    let fields = Fields::of_form(&call.form);
    let made = match call.form.first("act") {
        Some("remove") => fields::without(&sheet.text, &fields.original),
        _ => fields.written(&sheet.text),
    };
    let (work, there) = (call.clone(), made.clone());
    let read = call.blocking(move || {
        Ok(there.and_then(|text| match rulebook::book(&work, &text) {
            Ok(_) => Ok(text),
            Err(error) => Err(Remark::all_words(error)),
        }))
    });
    match read.await? {
        Ok(text) => editor(&call, StatusCode::OK, &Sheet { text, ..sheet }, None).await,
        Err(why) => Ok(page(&call, StatusCode::BAD_REQUEST, &sheet, &fields, Some(&why))),
    }
}

fn page(
    call: &Call,
    status: StatusCode,
    sheet: &Sheet,
    fields: &Fields,
    wrong: Option<&str>,
) -> Answer {
    let title = match fields.original.is_empty() {
        true => "New rule".to_owned(),
        false => format!("Rule {}", fields.original),
    };
    let content = html! {
        (tabs(if fields.original.is_empty() { "form" } else { "rules" }))
        @if let Some(wrong) = wrong {
            div.notice.bad role="alert" #wrong { "This rule cannot be written: " (wrong) }
        }
        (shown::form(call, sheet, fields))
    };
    frame::shown(call, status, Section::Policy, &title, &content)
}
