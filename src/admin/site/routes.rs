//! The one table of all that the site answers.

use std::future::Future;
use std::pin::Pin;

use warp::http::Method;

use super::{
    Call, Refusal, account, api, approval, audit, dashboard, frame, login, mailboxes, policy,
    quarantine, queue, senders, settings, setup, staff, tracking,
};
use crate::admin::people::Right;
use crate::web::Answer;

/// An answer on its way.
pub type Doing = Pin<Box<dyn Future<Output = Result<Answer, Refusal>> + Send>>;

/// What somebody needs to be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Nothing: the log-in itself.
    Nothing,
    /// The secret in the path, which is good for one purpose; whoever holds it stays nobody.
    Token,
    /// To be somebody.
    LogIn,
    /// To have logged in: a key does not do.
    Session,
    /// This right.
    Right(Right),
}

/// One path and method.
#[derive(Debug, Clone, Copy)]
pub struct Route {
    /// GET answers HEAD, too.
    pub method: &'static str,
    /// Segments; one in braces stands for anything.
    pub path: &'static str,
    /// Who is answered.
    pub need: Need,
    /// The body may have so many octets.
    pub body_octets: usize,
    /// Answers.
    pub act: fn(Call) -> Doing,
    /// What it does, for the API's document; routes below `/api/` have it.
    pub described: Option<&'static api::Operation>,
}

impl Route {
    /// Whether programs are answered with a key; pages are for people who have logged in.
    pub fn takes_keys(&self) -> bool {
        let is_of_programs = self.path.starts_with("/api/") || self.path == "/metrics";
        is_of_programs && self.need != Need::Session
    }
}

/// A form's body.
pub const FORM_OCTETS: usize = 256 << 10;
/// An upload: a message, a certificate, a text of rules.
pub const UPLOAD_OCTETS: usize = 64 << 20;

/// `route!(GET "/queue/{id}", Right(SeeMail), show)`; `route!(POST …, UPLOAD_OCTETS)`.
macro_rules! route {
    ($method:ident $path:literal, $need:ident $(($right:ident))?, $act:path) => {
        $crate::admin::site::routes::route!(
            $method $path, $need $(($right))?, $act, $crate::admin::site::routes::FORM_OCTETS
        )
    };
    ($method:ident $path:literal, $need:ident $(($right:ident))?, $act:path, $octets:expr) => {
        $crate::admin::site::Route {
            method: stringify!($method),
            path: $path,
            need: $crate::admin::site::Need::$need $(($crate::admin::people::Right::$right))?,
            body_octets: $octets,
            act: |call| Box::pin($act(call)),
            described: None,
        }
    };
}
pub(crate) use route;

/// Every route, by the page that it belongs to.
pub const ROUTES: &[&[Route]] = &[
    frame::ROUTES,
    login::ROUTES,
    approval::ROUTES,
    dashboard::ROUTES,
    tracking::ROUTES,
    quarantine::ROUTES,
    queue::ROUTES,
    setup::ROUTES,
    settings::ROUTES,
    mailboxes::ROUTES,
    senders::ROUTES,
    staff::ROUTES,
    account::ROUTES,
    audit::ROUTES,
    policy::ROUTES,
    api::metrics::ROUTES,
    api::document::ROUTES,
    api::overview::ROUTES,
    api::tracking::ROUTES,
    api::queue::ROUTES,
    api::quarantine::ROUTES,
    api::approvals::ROUTES,
    api::senders::ROUTES,
    api::rules::ROUTES,
    api::drafts::ROUTES,
    api::mailboxes::ROUTES,
    api::configuration::ROUTES,
    api::certificate::ROUTES,
    api::checks::ROUTES,
    api::people::ROUTES,
    api::keys::ROUTES,
    api::credentials::ROUTES,
    api::acts::ROUTES,
];

/// What a path and method lead to.
#[derive(Debug)]
pub(super) enum Found {
    /// This, with what stands in the braces.
    Route(&'static Route, Vec<String>),
    /// The path is known, the method is not.
    OtherMethod,
    /// Nothing.
    Nothing,
}

/// Looks a request up. The first route whose path fits counts; fixed ones stand before those
/// with braces.
pub(super) fn find(method: &Method, path: &str) -> Found {
    let wanted = if method == Method::HEAD { "GET" } else { method.as_str() };
    let mut found = Found::Nothing;
    for route in ROUTES.iter().copied().flatten() {
        let Some(parts) = parts(route.path, path) else { continue };
        if route.method == wanted {
            return Found::Route(route, parts);
        }
        found = Found::OtherMethod;
    }
    found
}

/// What stands in the braces, when the path fits.
fn parts(pattern: &str, path: &str) -> Option<Vec<String>> {
    let (mut pattern, mut path) = (pattern.split('/'), path.split('/'));
    let mut parts = Vec::new();
    loop {
        match (pattern.next(), path.next()) {
            (None, None) => return Some(parts),
            (Some(known), Some(sent)) if known.starts_with('{') => {
                parts.push(decoded(sent).filter(|part| !part.is_empty())?);
            }
            (Some(known), Some(sent)) if known == sent => {}
            _ => return None,
        }
    }
}

/// Percent-decoded UTF-8 (RFC 3986 section 2.1); a plus sign is one.
fn decoded(segment: &str) -> Option<String> {
    let mut octets = Vec::with_capacity(segment.len());
    let mut rest = segment.bytes();
    while let Some(octet) = rest.next() {
        if octet != b'%' {
            octets.push(octet);
            continue;
        }
        let digit = |octet: u8| char::from(octet).to_digit(16);
        let (high, low) = (digit(rest.next()?)?, digit(rest.next()?)?);
        octets.push(u8::try_from(high * 16 + low).ok()?);
    }
    let text = String::from_utf8(octets).ok()?;
    (!text.chars().any(char::is_control)).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_fit_their_patterns_only() {
        assert_eq!(parts("/a/{id}/b", "/a/x%2Fy/b"), Some(vec!["x/y".into()]));
        assert_eq!(parts("/a/{id}", "/a/a+b%40c"), Some(vec!["a+b@c".into()]));
        for wrong in ["/a", "/a/", "/a/x/y", "/a/%", "/a/%zz", "/a/%00", "/a/%ff", "a/x", "//a/x"] {
            assert_eq!(parts("/a/{id}", wrong), None, "{wrong}");
        }
    }

    #[test]
    fn no_two_routes_are_the_same() {
        let mut seen = std::collections::HashSet::new();
        for route in ROUTES.iter().copied().flatten() {
            assert!(seen.insert((route.method, route.path)), "{} {}", route.method, route.path);
            assert!(route.path.starts_with('/'));
        }
    }
}
