//! Encrypted PDFs (ISO 32000-1 section 7.6): most of them have an empty user password, so that
//! anybody can read them, and so must a firewall.
//!
//! In: the encryption dictionary of a file. Out: [`Key`]; the arithmetic is lopdf's, which is
//! given single strings and streams, never the file. It is fenced against panics.

use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;
use lopdf::encryption::decrypt_object;
use lopdf::{Document, EncryptionState, Object, Stream, StringFormat};

use super::file::File;
use super::lexer::{Dictionary, Value};

/// What opens a file.
pub(super) enum Key {
    /// It is not encrypted.
    None,
    /// A password is needed, or the method is unknown.
    Unknown,
    /// The empty password.
    Empty(Box<EncryptionState>),
}

impl Key {
    pub(super) fn is_open(&self) -> bool {
        matches!(self, Key::Empty(_))
    }

    /// The key of a file, by the last trailer that has an encryption dictionary.
    pub(super) fn of(file: &File<'_>) -> Key {
        let with_key = file.trailers.iter().rev().find(|trailer| trailer.has(b"Encrypt"));
        let Some(trailer) = with_key else { return Key::None };
        let Some(encrypt) = file.entry(trailer, b"Encrypt") else { return Key::None };
        let mut document = Document::new();
        let own = document.add_object(Object::Dictionary(to_dictionary(file, encrypt, 0)));
        document.trailer.set("Encrypt", Object::Reference(own));
        let id = file.trailers.iter().rev().find_map(|trailer| trailer.value(b"ID"));
        let id = id.map_or(Object::Array(Vec::new()), |id| to_object(file, id, 0));
        let id = match id {
            Object::Array(parts) if !parts.is_empty() => Object::Array(parts),
            _ => Object::Array(vec![Object::String(Vec::new(), StringFormat::Literal)]),
        };
        document.trailer.set("ID", id);
        let decoded = catch_unwind(AssertUnwindSafe(|| EncryptionState::decode(&document, "")));
        match decoded {
            Ok(Ok(state)) => Key::Empty(Box::new(state)),
            _ => Key::Unknown,
        }
    }

    fn decrypt(&self, id: (u32, u32), object: &mut Object) -> bool {
        let Key::Empty(state) = self else { return false };
        let id = (id.0, u16::try_from(id.1).unwrap_or(0));
        let done = catch_unwind(AssertUnwindSafe(|| decrypt_object(state, id, object)));
        matches!(done, Ok(Ok(())))
    }

    /// Decrypts all strings of an object in place; what cannot be decrypted stays.
    pub(super) fn decrypt_value(&self, id: (u32, u32), value: &mut Value) {
        match value {
            Value::Text(text) => {
                let mut object = Object::String(text.to_vec(), StringFormat::Literal);
                if self.decrypt(id, &mut object)
                    && let Object::String(plain, _) = object
                {
                    *text = plain.into();
                }
            }
            Value::Array(values) => {
                values.iter_mut().for_each(|value| self.decrypt_value(id, value))
            }
            Value::Dictionary(dictionary) => {
                dictionary.0.iter_mut().for_each(|(_, value)| self.decrypt_value(id, value));
            }
            _ => {}
        }
    }

    /// Decrypts a stream; what cannot be decrypted stays.
    pub(super) fn decrypt_stream(&self, id: (u32, u32), own: &Dictionary, raw: Bytes) -> Bytes {
        // Section 7.5.8.2: cross-reference streams are never encrypted.
        if own.name(b"Type") == Some(b"XRef") {
            return raw;
        }
        let mut dictionary = lopdf::Dictionary::new();
        for key in [b"Type".as_slice(), b"Subtype", b"Filter", b"DecodeParms"] {
            if let Some(value) = own.value(key) {
                dictionary.set(key, plain_object(value, 0));
            }
        }
        let mut object = Object::Stream(Stream::new(dictionary, raw.to_vec()));
        match (self.decrypt(id, &mut object), object) {
            (true, Object::Stream(stream)) => stream.content.into(),
            _ => raw,
        }
    }
}

/// Dictionaries in each other; crypt filters lie in the third.
const DEPTH: u8 = 6;

fn to_dictionary(file: &File<'_>, own: &Dictionary, depth: u8) -> lopdf::Dictionary {
    let mut dictionary = lopdf::Dictionary::new();
    for (key, value) in own.0.iter().take(64) {
        dictionary.set(&**key, to_object(file, value, depth + 1));
    }
    dictionary
}

fn to_object(file: &File<'_>, value: &Value, depth: u8) -> Object {
    match file.resolve(value) {
        Value::Dictionary(own) if depth < DEPTH => {
            Object::Dictionary(to_dictionary(file, own, depth))
        }
        Value::Array(values) if depth < DEPTH => Object::Array(
            values.iter().take(64).map(|value| to_object(file, value, depth + 1)).collect(),
        ),
        value => plain_object(value, depth),
    }
}

fn plain_object(value: &Value, depth: u8) -> Object {
    match value {
        Value::Number(number) if number.fract() == 0.0 => Object::Integer(*number as i64),
        Value::Number(number) => Object::Real(*number as f32),
        Value::Text(text) => Object::String(text.to_vec(), StringFormat::Literal),
        Value::Name(name) => Object::Name(name.to_vec()),
        Value::Word(word) if **word == *b"true" => Object::Boolean(true),
        Value::Word(word) if **word == *b"false" => Object::Boolean(false),
        Value::Array(values) if depth < DEPTH => Object::Array(
            values.iter().take(64).map(|value| plain_object(value, depth + 1)).collect(),
        ),
        Value::Dictionary(own) if depth < DEPTH => {
            let mut dictionary = lopdf::Dictionary::new();
            for (key, value) in own.0.iter().take(64) {
                dictionary.set(&**key, plain_object(value, depth + 1));
            }
            Object::Dictionary(dictionary)
        }
        _ => Object::Null,
    }
}
