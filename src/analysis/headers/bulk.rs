//! Marks of lists and bulk mail (RFC 2369, RFC 2919, RFC 8058), and of mail in a hurry.

use super::{Context, Sighting};

pub(super) fn look(context: &Context<'_>, seen: &mut Vec<Sighting>) {
    let precedence = context.text("precedence").unwrap_or_default().to_ascii_lowercase();
    let is_bulk = ["bulk", "list", "junk"].contains(&precedence.trim());
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
        () if is_bulk && !context.is_list => {
            seen.push(Sighting::new("BULK_WITHOUT_WAY_OUT", precedence))
        }
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
    if context.has("content-type") && !context.has("mime-version") {
        seen.push(Sighting::new("MIME_VERSION_ABSENT", ""));
    }
    look_at_names(context, seen);
}

/// Names of fields in capitals or small letters only, where every program capitalises.
fn look_at_names(context: &Context<'_>, seen: &mut Vec<Sighting>) {
    let known = ["from", "to", "subject", "date"];
    for name in known {
        let Some(field) = context.head.all(name).next() else { continue };
        let written = context.head.name(field);
        let first_is_small = written.first().is_some_and(u8::is_ascii_lowercase);
        let all_capitals = written.iter().all(u8::is_ascii_uppercase);
        if first_is_small || all_capitals {
            let written = String::from_utf8_lossy(written).into_owned();
            seen.push(Sighting::new("HEADER_NAME_CASE", written));
            return;
        }
    }
}
