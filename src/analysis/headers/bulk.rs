//! Marks of lists and bulk mail (RFC 2369, RFC 2919, RFC 8058), and of mail in a hurry.

use super::{Context, Sighting};

pub(super) fn look(context: &Context<'_>, seen: &mut Vec<Sighting>) {
    let posts = context.has("list-post") || context.has("list-archive") || context.has("list-help");
    let leaves = context.has("list-unsubscribe");
    match () {
        () if context.has("list-id") && posts => {
            seen.push(Sighting::new("LIST_MAIL", context.text("list-id").unwrap_or_default()))
        }
        () if leaves && context.has("list-unsubscribe-post") => {
            seen.push(Sighting::new("BULK_ONE_CLICK", ""))
        }
        () if leaves => seen.push(Sighting::new("BULK_UNSUBSCRIBE", "")),
        () => {}
    }
    let urgent = |name: &str, marks: &[&str]| {
        context.text(name).is_some_and(|text| {
            let text = text.trim().to_ascii_lowercase();
            marks.iter().any(|mark| text.starts_with(mark))
        })
    };
    if urgent("x-priority", &["1", "2"])
        || urgent("importance", &["high"])
        || urgent("x-msmail-priority", &["high"])
        || urgent("priority", &["urgent"])
    {
        seen.push(Sighting::new("PRIORITY_HIGH", ""));
    }
}
