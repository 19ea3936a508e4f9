//! The Message-ID (RFC 5322 section 3.6.4): whether there is one, its form, and whether it
//! names a host that could have made it.

use super::{Context, Sighting};
use crate::net::registrable::is_same_organisation;

pub(super) fn look(context: &Context<'_>, seen: &mut Vec<Sighting>) {
    let Some(text) = context.text("message-id").filter(|text| !text.trim().is_empty()) else {
        // The box's own servers may leave it to the box.
        if !context.is_own() {
            seen.push(Sighting::new("MESSAGE_ID_ABSENT", ""));
        }
        return;
    };
    let text = text.trim();
    let shown: String = text.chars().take(80).collect();
    let Some((_, host)) = halves(text) else {
        seen.push(Sighting::new("MESSAGE_ID_MALFORMED", shown));
        return;
    };
    // Home computers name themselves as they like, in honest mail more than in other.
    if is_local(host) {
        return;
    }
    let host = host.to_ascii_lowercase();
    let of_author = context.author_domain().is_none_or(|own| is_same_organisation(own, &host));
    let of_trace = || {
        let names = context.hops.iter().flat_map(|hop| [&hop.by, &hop.helo, &hop.name]);
        names.flatten().any(|name| is_same_organisation(name, &host))
    };
    if !of_author && !of_trace() && !context.is_list && !context.is_own() {
        seen.push(Sighting::new("MESSAGE_ID_FOREIGN", shown));
    }
}

/// What stands before and behind the `@` of a well-formed one.
pub(super) fn halves(text: &str) -> Option<(&str, &str)> {
    let inner = text.strip_prefix('<')?.strip_suffix('>')?;
    let (left, host) = inner.rsplit_once('@')?;
    let is_odd = |letter: char| letter.is_whitespace() || matches!(letter, '<' | '>' | '@');
    let fits =
        !left.is_empty() && !host.is_empty() && !left.contains(is_odd) && !host.contains(is_odd);
    fits.then_some((left, host))
}

/// Names that no other host can tell apart.
fn is_local(host: &str) -> bool {
    let host = host.to_ascii_lowercase();
    let top = host.rsplit('.').next().unwrap_or_default();
    matches!(
        top,
        "localhost" | "localdomain" | "local" | "lan" | "internal" | "invalid" | "example"
    ) || host.starts_with("[127.")
}
