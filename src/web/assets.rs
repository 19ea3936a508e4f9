//! Style, script and pictures of a site: compiled in, named by what is in them.
//!
//! In: a path `/assets/NAME`. Out: the file, which a browser may keep for a year, because its
//! address ends with the digest of its content.

use warp::http::{HeaderValue, StatusCode, header};

use super::answer::{self, Answer};
use super::ask::Ask;
use crate::store::token;

/// A file of the site.
#[derive(Debug, Clone, Copy)]
pub struct Asset {
    /// `site.css`.
    pub name: &'static str,
    /// Media type.
    pub kind: &'static str,
    /// What is in it.
    pub content: &'static str,
}

impl Asset {
    /// Where it lies; changes with what is in it.
    pub fn path(&self) -> String {
        let digest = token::digest_of(self.content);
        let mark = digest.get(..12).unwrap_or_default();
        format!("/assets/{}?{mark}", self.name)
    }
}

/// The file at a path, if it is one of these.
pub fn find(assets: &[Asset], ask: &Ask) -> Option<Answer> {
    let name = ask.path.strip_prefix("/assets/")?;
    let asset = assets.iter().find(|asset| asset.name == name)?;
    let mut answer = answer::of(StatusCode::OK, asset.kind, asset.content);
    let keep = HeaderValue::from_static("public, max-age=31536000, immutable");
    answer.headers_mut().insert(header::CACHE_CONTROL, keep);
    Some(answer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::ask::tests::ask;

    #[test]
    fn only_own_files_are_found() {
        let assets = [Asset { name: "a.css", kind: "text/css", content: "a{}" }];
        assert!(assets[0].path().starts_with("/assets/a.css?"));
        assert!(find(&assets, &ask("GET", "/assets/a.css?x", &[])).is_some());
        assert!(find(&assets, &ask("GET", "/assets/../a.css", &[])).is_none());
        assert!(find(&assets, &ask("GET", "/a.css", &[])).is_none());
    }
}
