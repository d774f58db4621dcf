//! Buttons, and where they may lead.

use std::fmt;

/// Something to press.
#[derive(Clone, Debug)]
pub struct Action<'a> {
    /// What it says.
    pub(super) label: &'a str,
    pub(super) target: Target<'a>,
    pub(super) kind: ActionKind,
    pub(super) token: Option<&'a str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ActionKind {
    Link,
    Post,
}

/// An address for a link or form: a path on the same host, or an http or https address. Anything else is written as `/`.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a>(&'a str);

impl<'a> Action<'a> {
    /// A link.
    pub fn link(label: &'a str, target: &'a str) -> Self {
        Self { label, target: Target::new(target), kind: ActionKind::Link, token: None }
    }

    /// A form that posts nothing but `token`, against requests that other sites forge.
    pub fn post(label: &'a str, target: &'a str, token: Option<&'a str>) -> Self {
        Self { label, target: Target::new(target), kind: ActionKind::Post, token }
    }
}

impl<'a> Target<'a> {
    /// Takes the address if a browser will read it as what it says: `//host`, `/\host`, `javascript:` and what has control
    /// characters or spaces lead elsewhere, and become `/`.
    pub fn new(address: &'a str) -> Self {
        let plain = address.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
        let local = address.starts_with('/') && !address.starts_with("//");
        let absolute = address.starts_with("https://") || address.starts_with("http://");
        Self(if plain && (local || absolute) { address } else { "/" })
    }
}

impl fmt::Display for Target<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}
