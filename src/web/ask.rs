//! One request.
//!
//! In: what HTTP brought. Out: [`Ask`]: method, path, query, headers, cookies, and the body once
//! the site has allowed it. Nothing in it is trusted.

use std::net::SocketAddr;

use bytes::Bytes;
use warp::http::{HeaderMap, Method, header};

use super::form::{self, Pairs};

/// A file that a form brought.
#[derive(Debug, Clone)]
pub struct Upload {
    /// Of the field.
    pub name: String,
    /// As the browser says; not to be used as a path.
    pub file_name: String,
    /// What is in it.
    pub octets: Bytes,
}

/// A request, without its body.
#[derive(Debug, Clone)]
pub struct Ask {
    /// GET, HEAD, POST …
    pub method: Method,
    /// As it was sent, still percent-encoded.
    pub path: String,
    /// Decoded.
    pub query: Pairs,
    /// All of them.
    pub headers: HeaderMap,
    /// Who asks.
    pub client: SocketAddr,
}

impl Ask {
    /// A header's value, where it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// A cookie's value (RFC 6265 section 5.4).
    pub fn cookie(&self, name: &str) -> Option<&str> {
        let sent = self.headers.get_all(header::COOKIE).iter();
        let pairs = sent.filter_map(|line| line.to_str().ok()).flat_map(|line| line.split(';'));
        pairs.filter_map(|pair| pair.trim().split_once('=')).find_map(|(known, value)| {
            let is_it = known == name;
            is_it.then_some(value)
        })
    }

    /// Whether the request comes from a page of this very site, as far as the browser says
    /// (Fetch standard: Origin; Fetch Metadata: Sec-Fetch-Site). Who says nothing of the kind
    /// is no browser.
    pub fn is_same_origin(&self) -> bool {
        if let Some(site) = self.header("sec-fetch-site")
            && site != "same-origin"
            && site != "none"
        {
            return false;
        }
        match (self.header("origin"), self.header("host")) {
            (None, _) => true,
            (Some(origin), Some(host)) => {
                origin.strip_prefix("https://").is_some_and(|own| own.eq_ignore_ascii_case(host))
            }
            (Some(_), None) => false,
        }
    }

    /// Whether the body is a form.
    pub fn is_form(&self) -> bool {
        let kind = self.header("content-type").unwrap_or_default().to_ascii_lowercase();
        kind.starts_with("application/x-www-form-urlencoded")
            || kind.starts_with("multipart/form-data")
    }

    /// Whether the body is JSON.
    pub fn is_json(&self) -> bool {
        let kind = self.header("content-type").unwrap_or_default().to_ascii_lowercase();
        kind.split(';').next().is_some_and(|kind| kind.trim() == "application/json")
    }

    /// The fields and files of a form; `None` when the body is none, or is broken.
    pub async fn form(&self, body: Bytes) -> Option<(Pairs, Vec<Upload>)> {
        let kind = self.header("content-type").unwrap_or_default();
        let lowered = kind.to_ascii_lowercase();
        if lowered.starts_with("application/x-www-form-urlencoded") {
            return Some((Pairs::parse(&body), Vec::new()));
        }
        match lowered.starts_with("multipart/form-data") {
            true => form::multipart(body, kind).await,
            false => None,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn ask(method: &str, path: &str, headers: &[(&str, &str)]) -> Ask {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let name = header::HeaderName::from_bytes(name.as_bytes()).unwrap();
            map.append(name, value.parse().unwrap());
        }
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        Ask {
            method: method.parse().unwrap(),
            path: path.to_owned(),
            query: Pairs::parse(query.as_bytes()),
            headers: map,
            client: "192.0.2.1:4711".parse().unwrap(),
        }
    }

    #[test]
    fn cookies_are_found_among_others() {
        let ask = ask("GET", "/", &[("cookie", "a=1; b=2"), ("cookie", "c=3=4")]);
        assert_eq!((ask.cookie("b"), ask.cookie("c")), (Some("2"), Some("3=4")));
        assert_eq!(ask.cookie("d"), None);
    }

    #[test]
    fn requests_of_other_sites_are_known() {
        let host = ("host", "box.test:8443");
        for (headers, own) in [
            (vec![host], true),
            (vec![host, ("origin", "https://box.test:8443")], true),
            (vec![host, ("origin", "https://BOX.test:8443")], true),
            (vec![host, ("origin", "https://evil.test")], false),
            (vec![host, ("origin", "http://box.test:8443")], false),
            (vec![host, ("origin", "null")], false),
            (vec![host, ("origin", "https://box.test")], false),
            (vec![host, ("sec-fetch-site", "cross-site")], false),
            (vec![host, ("sec-fetch-site", "same-site")], false),
            (vec![host, ("sec-fetch-site", "same-origin")], true),
            (vec![("origin", "https://box.test:8443")], false),
        ] {
            assert_eq!(ask("POST", "/", &headers).is_same_origin(), own, "{headers:?}");
        }
    }
}
