//! Names and values: of a query, of a form.
//!
//! In: octets of a URL or body (application/x-www-form-urlencoded, as the URL standard has it;
//! multipart/form-data, RFC 7578). Out: [`Pairs`], bounded in number.

use bytes::Bytes;

use super::ask::Upload;

/// Pairs of one query or form; the rest is left out.
const MOST_PAIRS: usize = 10_000;

/// Names and values in their order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pairs(Vec<(String, String)>);

impl Pairs {
    /// Out of a query or body.
    pub fn parse(octets: &[u8]) -> Pairs {
        let pairs = form_urlencoded::parse(octets).take(MOST_PAIRS);
        Pairs(pairs.map(|(name, value)| (name.into_owned(), value.into_owned())).collect())
    }

    /// The first value of a name.
    pub fn first(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The first value of a name that is not blank, without blanks around it.
    pub fn filled(&self, name: &str) -> Option<&str> {
        self.first(name).map(str::trim).filter(|value| !value.is_empty())
    }

    /// Every value of a name.
    pub fn all<'p>(&'p self, name: &str) -> impl Iterator<Item = &'p str> {
        self.0.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Whether a box was ticked.
    pub fn ticked(&self, name: &str) -> bool {
        self.first(name).is_some_and(|value| !value.is_empty())
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// One pair in place of all of its name.
    pub fn with(mut self, name: &str, value: &str) -> Pairs {
        self.0.retain(|(known, _)| known != name);
        self.0.push((name.to_owned(), value.to_owned()));
        self
    }

    /// As a query, without the question mark.
    pub fn to_query(&self) -> String {
        let mut text = form_urlencoded::Serializer::new(String::new());
        text.extend_pairs(&self.0);
        text.finish()
    }
}

impl FromIterator<(String, String)> for Pairs {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(pairs: I) -> Pairs {
        Pairs(pairs.into_iter().collect())
    }
}

/// The parts of a multipart/form-data body: fields, and files.
pub(super) async fn multipart(body: Bytes, content_type: &str) -> Option<(Pairs, Vec<Upload>)> {
    let boundary = multer::parse_boundary(content_type).ok()?;
    let whole = futures_util::stream::once(async { Ok::<_, std::convert::Infallible>(body) });
    let mut parts = multer::Multipart::new(whole, boundary);
    let (mut pairs, mut files) = (Vec::new(), Vec::new());
    while let Some(part) = parts.next_field().await.ok()? {
        if pairs.len() + files.len() >= MOST_PAIRS {
            break;
        }
        let name = part.name().unwrap_or_default().to_owned();
        match part.file_name().map(str::to_owned) {
            Some(file_name) => {
                files.push(Upload { name, file_name, octets: part.bytes().await.ok()? });
            }
            None => {
                let octets = part.bytes().await.ok()?;
                pairs.push((name, String::from_utf8_lossy(&octets).into_owned()));
            }
        }
    }
    Some((Pairs(pairs), files))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_read_and_written() {
        let pairs = Pairs::parse(b"a=1&b=%C3%A4+x&a=2&c");
        assert_eq!(pairs.all("a").collect::<Vec<_>>(), ["1", "2"]);
        assert_eq!(pairs.first("b"), Some("ä x"));
        assert!(!pairs.ticked("c") && pairs.filled("c").is_none());
        assert_eq!(pairs.with("a", "3").to_query(), "b=%C3%A4+x&c=&a=3");
    }

    #[tokio::test]
    async fn a_form_with_a_file_is_read() {
        let body = "--x\r\nContent-Disposition: form-data; name=\"csrf\"\r\n\r\nT\r\n--x\r\n\
                    Content-Disposition: form-data; name=\"file\"; filename=\"a.pem\"\r\n\r\nPEM\
                    \r\n--x--\r\n";
        let kind = "multipart/form-data; boundary=x";
        let (pairs, files) = multipart(Bytes::from(body), kind).await.unwrap();
        assert_eq!(pairs.first("csrf"), Some("T"));
        assert_eq!((files[0].file_name.as_str(), files[0].octets.as_ref()), ("a.pem", &b"PEM"[..]));
        assert!(multipart(Bytes::from("--x\r\n"), kind).await.is_none(), "it is cut off");
        assert!(multipart(Bytes::new(), "text/plain").await.is_none());
    }
}
