//! What is sent back, and the headers that every answer has.
//!
//! In: pages, redirects, files, problems. Out: [`Answer`], an HTTP response. [`guarded`] adds
//! the security headers; it is called in one place for all answers, so none goes without.

use bytes::Bytes;
use serde::Serialize;
use warp::http::{HeaderValue, StatusCode, header};

/// A response of warp.
pub type Answer = warp::reply::Response;

/// Own files only; no inline script or style, no frames, forms go home.
const POLICY: &str = "default-src 'self'; base-uri 'none'; form-action 'self'; \
                      frame-ancestors 'none'; object-src 'none'";
/// Two years.
const STRICT_TRANSPORT: &str = "max-age=63072000";

/// On every answer, unless it has set its own.
const HEADERS: &[(&str, &str)] = &[
    ("content-security-policy", POLICY),
    ("strict-transport-security", STRICT_TRANSPORT),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    // `no-referrer` would make browsers send `Origin: null` with own forms.
    ("referrer-policy", "same-origin"),
    ("cache-control", "no-store"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("permissions-policy", "camera=(), geolocation=(), microphone=()"),
];

/// A page.
pub fn html(status: StatusCode, page: String) -> Answer {
    of(status, "text/html; charset=utf-8", page)
}

/// Anything with a media type.
pub fn of(status: StatusCode, kind: &'static str, content: impl Into<Bytes>) -> Answer {
    let mut answer = warp::Reply::into_response(Vec::from(content.into()));
    *answer.status_mut() = status;
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    answer
}

/// JSON.
pub fn json(status: StatusCode, row: &impl Serialize) -> Answer {
    // Rows are plain data; writing them to memory cannot fail.
    of(status, "application/json", serde_json::to_vec(row).unwrap_or_default())
}

/// To another page of the site, to be fetched with GET (RFC 9110 section 15.4.4).
pub fn see_other(path: &str) -> Answer {
    let mut answer = of(StatusCode::SEE_OTHER, "text/plain; charset=utf-8", "");
    // A path that is no header value is one of nobody's making; the first page is safe.
    let home = HeaderValue::from_static("/");
    let location = HeaderValue::from_str(path).unwrap_or(home);
    answer.headers_mut().insert(header::LOCATION, location);
    answer
}

/// A file to be saved under this name. What is no safe name's letter becomes `_`.
pub fn attachment(kind: &'static str, file_name: &str, content: impl Into<Bytes>) -> Answer {
    let mut answer = of(StatusCode::OK, kind, content);
    let is_safe = |letter: &char| letter.is_ascii_alphanumeric() || ".-_".contains(*letter);
    let name: String =
        file_name.chars().map(|letter| if is_safe(&letter) { letter } else { '_' }).collect();
    let value = HeaderValue::from_str(&format!("attachment; filename=\"{name}\""));
    let plain = HeaderValue::from_static("attachment");
    answer.headers_mut().insert(header::CONTENT_DISPOSITION, value.unwrap_or(plain));
    answer
}

/// With a cookie that this site alone gets back (RFC 6265bis: `__Host-`).
pub fn with_cookie(mut answer: Answer, name: &str, value: &str, max_age_s: Option<u64>) -> Answer {
    let lasts = max_age_s.map(|lasts| format!("; Max-Age={lasts}")).unwrap_or_default();
    let cookie = format!("{name}={value}; Path=/; Secure; HttpOnly; SameSite=Strict{lasts}");
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        answer.headers_mut().append(header::SET_COOKIE, cookie);
    }
    answer
}

/// With the headers of every answer.
pub fn guarded(mut answer: Answer) -> Answer {
    let headers = answer.headers_mut();
    for (name, value) in HEADERS {
        if !headers.contains_key(*name) {
            headers.insert(*name, HeaderValue::from_static(value));
        }
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_answer_is_guarded_and_may_be_stricter() {
        let answer = guarded(see_other("/queue"));
        for (name, value) in HEADERS {
            assert_eq!(answer.headers().get(*name).unwrap(), value);
        }
        let mut own = html(StatusCode::OK, String::new());
        own.headers_mut()
            .insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("sandbox"));
        assert_eq!(guarded(own).headers()[header::CONTENT_SECURITY_POLICY], "sandbox");
    }

    #[test]
    fn file_names_and_locations_cannot_add_headers() {
        let answer = attachment("text/csv", "a\"\r\nX: y.csv", "");
        let said = answer.headers()[header::CONTENT_DISPOSITION].to_str().unwrap();
        assert_eq!(said, "attachment; filename=\"a___X__y.csv\"");
        assert_eq!(see_other("/a\r\nX: y").headers()[header::LOCATION], "/");
    }
}
