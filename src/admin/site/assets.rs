//! The site's own style, script and mark. There are no others: nothing is fetched from
//! elsewhere, and every page works without the script.

use crate::web::Answer;
use crate::web::Ask;
use crate::web::assets::{self, Asset};

/// The style.
pub const STYLE: Asset = Asset {
    name: "site.css",
    kind: "text/css; charset=utf-8",
    content: include_str!("assets/site.css"),
};
/// What makes some things faster or livelier.
pub const SCRIPT: Asset = Asset {
    name: "site.js",
    kind: "text/javascript; charset=utf-8",
    content: include_str!("assets/site.js"),
};
/// For the browser's tab.
pub const ICON: Asset =
    Asset { name: "icon.svg", kind: "image/svg+xml", content: include_str!("assets/icon.svg") };

/// An asset, if that is what is asked for.
pub(super) fn find(ask: &Ask) -> Option<Answer> {
    assets::find(&[STYLE, SCRIPT, ICON], ask)
}
