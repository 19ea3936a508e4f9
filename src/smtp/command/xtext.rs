//! xtext, RFC 3461 section 4: printable ASCII in which `+`, `=` and what is not graphic are
//! written as `+` and two upper-case hexadecimal digits.

/// The text is not xtext, or what it hides is not printable ASCII.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not xtext, or not printable when decoded")]
pub struct XtextError;

/// Decodes. RFC 3461 sections 4.2 and 4.4: what was encoded must be printable ASCII, which
/// also keeps CR and LF out of the delivery reports that repeat it.
pub fn decode(text: &str) -> Result<String, XtextError> {
    let mut plain = String::with_capacity(text.len());
    let mut octets = text.bytes();
    while let Some(octet) = octets.next() {
        let decoded = match octet {
            b'+' => {
                let high = octets.next().and_then(digit).ok_or(XtextError)?;
                let low = octets.next().and_then(digit).ok_or(XtextError)?;
                high << 4 | low
            }
            b'=' => return Err(XtextError),
            _ if octet.is_ascii_graphic() => octet,
            _ => return Err(XtextError),
        };
        match decoded == b' ' || decoded.is_ascii_graphic() {
            true => plain.push(char::from(decoded)),
            false => return Err(XtextError),
        }
    }
    Ok(plain)
}

/// Encodes printable ASCII; octets of anything else are written in hexadecimal.
pub fn encode(plain: &str) -> String {
    let mut text = String::with_capacity(plain.len());
    for octet in plain.bytes() {
        match octet.is_ascii_graphic() && octet != b'+' && octet != b'=' {
            true => text.push(char::from(octet)),
            false => text.push_str(&format!("+{octet:02X}")),
        }
    }
    text
}

fn digit(octet: u8) -> Option<u8> {
    match octet {
        b'0'..=b'9' => Some(octet - b'0'),
        b'A'..=b'F' => Some(octet - b'A' + 10),
        _ => None,
    }
}
