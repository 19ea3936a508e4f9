//! Media types of what runs when it is opened → the extension that mail programs give to such
//! a file when it has no name, and whether they show it as text instead.
//!
//! In: a declared media type in lower case. Out: an extension without its dot, or nothing: of
//! documents and archives their octets tell enough. Types as systems register them.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::Nature;
use crate::mail::Family;

/// Types beside those of the table of natures, and what is opened as such.
#[rustfmt::skip]
const OTHERS: [(&str, &str); 42] = [
    ("application/javascript", "js"), ("application/x-javascript", "js"), ("text/x-javascript", "js"),
    ("application/ecmascript", "js"), ("application/x-ecmascript", "js"), ("text/ecmascript", "js"),
    ("text/jscript", "js"), ("application/x-jscript", "js"), ("text/javascript1.5", "js"),
    ("text/vbs", "vbs"), ("text/x-vbs", "vbs"), ("text/x-vbscript", "vbs"), ("application/x-vbs", "vbs"),
    ("application/vbscript", "vbs"), ("application/x-vbscript", "vbs"), ("text/scriptlet", "sct"),
    ("application/x-hta", "hta"), ("text/hta", "hta"),
    ("application/x-powershell", "ps1"), ("application/powershell", "ps1"), ("text/powershell", "ps1"),
    ("application/x-bat", "bat"), ("application/bat", "bat"), ("application/x-batch", "bat"),
    ("text/x-msdos-batch", "bat"), ("application/x-msdos-batch", "bat"), ("application/x-cmd", "cmd"),
    ("application/x-sh", "sh"), ("application/x-shellscript", "sh"), ("text/x-sh", "sh"),
    ("application/x-csh", "csh"), ("application/x-bash", "sh"),
    ("application/x-python", "py"), ("text/x-script.python", "py"), ("application/x-perl", "pl"),
    ("application/x-httpd-php", "php"), ("application/x-php", "php"), ("application/x-ruby", "rb"),
    ("application/internet-shortcut", "url"), ("application/x-url", "url"),
    ("application/x-ms-regedit", "reg"), ("application/x-registry", "reg"),
];

/// What does something when it is opened.
fn is_active(nature: Nature) -> bool {
    use Family::{Executable, Script, Shortcut};
    matches!(nature.family(), Executable | Script | Shortcut)
}

/// Types → extensions. Asked for each part, so not looked for row by row.
static EXTENSIONS: LazyLock<HashMap<&str, &str>> = LazyLock::new(|| {
    let own = Nature::all().filter(|nature| is_active(*nature));
    let own = own.filter_map(|nature| Some((nature.media_type(), *nature.extensions().first()?)));
    let mut extensions = HashMap::new();
    for (kind, extension) in own.chain(OTHERS) {
        extensions.entry(kind).or_insert(extension);
    }
    extensions
});

/// The extension of a file of this type that would run; empty for all others.
pub fn extension_of(declared: &str) -> &'static str {
    EXTENSIONS.get(declared).copied().unwrap_or_default()
}

/// Whether mail programs show a part of this type as text where it stands, unless it is named
/// or an attachment. People who write programs send source in this way; what a desktop runs
/// by itself is saved and opened.
pub fn is_shown_inline(declared: &str) -> bool {
    const SOURCES: [&str; 8] = ["py", "pl", "php", "rb", "lua", "sh", "csh", "applescript"];
    let extension = extension_of(declared);
    let is_text = declared.starts_with("text/")
        || declared.starts_with("message/")
        || declared == "application/xhtml+xml";
    is_text && (extension.is_empty() || SOURCES.contains(&extension))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_without_a_name_are_called_by_their_type() {
        let table = [
            ("application/hta", "hta", false),
            ("text/javascript", "js", false),
            ("application/x-javascript", "js", false),
            ("text/vbscript", "vbs", false),
            ("application/x-powershell", "ps1", false),
            ("application/x-sh", "sh", false),
            ("text/x-python", "py", true),
            ("text/x-patch", "", true),
            ("text/calendar", "", true),
            ("text/plain", "", true),
            ("text/html", "", true),
            ("message/delivery-status", "", true),
            ("application/octet-stream", "", false),
            ("application/zip", "", false),
            ("application/pgp-encrypted", "", false),
            ("", "", false),
        ];
        for (declared, extension, is_shown) in table {
            assert_eq!(extension_of(declared), extension, "{declared}");
            assert_eq!(is_shown_inline(declared), is_shown, "{declared}");
        }
    }

    #[test]
    fn every_type_leads_to_what_runs() {
        for (declared, extension) in OTHERS {
            assert!(Nature::of_extension(extension).any(is_active), "{declared}");
        }
    }
}
