//! Digests, and how they are kept: of what a spec renders to, and of what is live. There are several for each object, and all of
//! them are in memory at once, so a digest takes its 32 bytes and not the 64 characters that it is written with.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256};

/// Bytes of a SHA-256.
const LENGTH: usize = 32;

/// A SHA-256, written in lower-case hex; or whatever text a history has in its place. Equal where the texts are.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HexDigest(Form);

/// Every text has one form only.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Form {
    Bytes([u8; LENGTH]),
    /// No SHA-256 in lower-case hex.
    Text(Box<str>),
}

impl HexDigest {
    /// The digest of these bytes.
    pub fn of_bytes(bytes: [u8; LENGTH]) -> Self {
        Self(Form::Bytes(bytes))
    }

    /// The one that no text has: of what was not asked for, or is not known yet.
    pub fn nothing() -> Self {
        Self::from("")
    }
}

impl From<&str> for HexDigest {
    fn from(text: &str) -> Self {
        Self(match bytes(text) {
            Some(bytes) => Form::Bytes(bytes),
            None => Form::Text(text.into()),
        })
    }
}

impl From<String> for HexDigest {
    fn from(text: String) -> Self {
        Self::from(text.as_str())
    }
}

/// What a text in lower-case hex says; `None` for any other.
fn bytes(text: &str) -> Option<[u8; LENGTH]> {
    let value = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else {
        return None;
    };
    let mut bytes = [0; LENGTH];
    if pairs.len() != LENGTH {
        return None;
    }
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = value(*high)? << 4 | value(*low)?;
    }
    Some(bytes)
}

/// SHA-256 over texts, kept apart, in lower-case hex.
pub fn digest<'a>(texts: impl IntoIterator<Item = &'a str>) -> String {
    hex_digest(texts).to_string()
}

/// The same, to be kept.
pub(crate) fn hex_digest<'a>(texts: impl IntoIterator<Item = &'a str>) -> HexDigest {
    let mut hasher = Sha256::new();
    for text in texts {
        digest_more(&mut hasher, text);
    }
    HexDigest::of_bytes(hasher.finalize().into())
}

/// Take one more text into such a digest.
pub(crate) fn digest_more(hasher: &mut Sha256, text: &str) {
    hasher.update(text.len().to_le_bytes());
    hasher.update(text);
}

/// Bytes in lower-case hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from(if value < 10 { b'0' } else { b'a' - 10 } + value);
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        text.push(digit(byte >> 4));
        text.push(digit(byte & 15));
    }
    text
}

impl fmt::Display for HexDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Form::Bytes(bytes) => f.write_str(&hex(bytes)),
            Form::Text(text) => f.write_str(text),
        }
    }
}

impl fmt::Debug for HexDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.to_string())
    }
}

impl PartialEq<str> for HexDigest {
    fn eq(&self, text: &str) -> bool {
        match &self.0 {
            Form::Bytes(bytes) => hex(bytes) == *text,
            Form::Text(own) => **own == *text,
        }
    }
}

impl PartialEq<&str> for HexDigest {
    fn eq(&self, text: &&str) -> bool {
        *self == **text
    }
}

impl Serialize for HexDigest {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for HexDigest {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from).map(Self::from)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_the_text_that_it_is_written_with() {
        let sound = "00ff".repeat(16);
        for text in [
            sound.as_str(),
            "",
            "d3",
            &"0".repeat(63),
            &"0".repeat(65),
            &"F".repeat(64),
            &"é".repeat(32),
        ] {
            let digest = HexDigest::from(text);
            assert_eq!(digest.to_string(), text);
            assert_eq!(digest, *text);
            let json = serde_json::to_string(&digest).unwrap();
            assert_eq!(json, format!("\"{text}\""));
            assert_eq!(serde_json::from_str::<HexDigest>(&json).unwrap(), digest);
            assert_eq!(matches!(digest.0, Form::Bytes(_)), text == sound);
        }
        assert_ne!(HexDigest::from(sound.as_str()), HexDigest::nothing());
        assert_eq!(HexDigest::of_bytes([0xab; 32]), *"ab".repeat(32));
    }
}
