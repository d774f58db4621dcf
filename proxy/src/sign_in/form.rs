//! A form that a person was sending when they had to sign in again: kept for minutes, sealed with a key that only their browser
//! has, and given out once.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::address::ReturnTo;
use super::refusal::SignInRefusal;
use super::shelf::Shelf;
use crate::clock::Timestamp;
use crate::config::Host;
use crate::inventory::{DeviceId, UserId};
use crate::secret::{self, Digest, Sealer, Secret};

/// A form to keep. Wiped when it is let go.
#[derive(Debug)]
pub struct NewForm {
    /// `Content-Type`, as it came.
    pub content_type: String,
    /// The body, byte for byte.
    pub body: Secret<Vec<u8>>,
}

/// A kept form, opened.
#[derive(Debug)]
pub struct OpenForm {
    /// Path and query that it was sent to.
    pub(super) target: String,
    /// As in [`NewForm`].
    pub content_type: String,
    body: Zeroizing<Vec<u8>>,
}

/// Names a kept form: random, and of no use without the browser's own key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FormId(pub(super) String);

/// One field of a form, without its value: which of them is a password is not to be seen from outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// The name of the file, if it is one.
    pub file: Option<String>,
    /// Bytes of its value.
    pub bytes: usize,
}

/// Who may have a form back.
#[derive(Clone, Copy, Debug)]
pub(super) struct Whose<'a> {
    pub(super) device: &'a DeviceId,
    pub(super) user: &'a UserId,
    pub(super) host: &'a Host,
    pub(super) key: &'a Secret<[u8; 32]>,
}

/// The forms that are kept. What is in memory of them does not open without the attempt cookies of the browsers that sent them.
#[derive(Debug)]
pub(super) struct Forms(Shelf<Kept>);

#[derive(Debug)]
struct Kept {
    user: UserId,
    host: Host,
    sealed: Vec<u8>,
}

/// What stands before the body, sealed with it.
#[derive(Serialize, Deserialize)]
struct Label {
    target: String,
    content_type: String,
}

impl FormId {
    /// Reads the body of the form that sends a kept one again.
    pub fn from_body(body: &[u8]) -> Option<Self> {
        let id = body.strip_prefix(FIELD.as_bytes())?.strip_prefix(b"=")?;
        let sound = id.len() == ID_LENGTH && id.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
        Some(Self(std::str::from_utf8(id).ok().filter(|_| sound)?.to_owned()))
    }

    /// The name of its field on the page.
    pub const FIELD: &'static str = FIELD;

    /// Bytes of the form that sends a kept one again.
    pub const BODY_LENGTH: u64 = (FIELD.len() + 1 + ID_LENGTH) as u64;

    /// As text, for the page.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn digest(&self) -> Digest {
        Digest::of(self.0.as_bytes())
    }
}

impl Forms {
    pub(super) fn new() -> Self {
        Self(Shelf::bounded(LIFETIME, MAX_PER_DEVICE, MAX_IN_ALL))
    }

    /// Keeps `form`, which was sent to `target`.
    pub(super) fn keep(
        &self,
        form: &NewForm,
        target: &ReturnTo,
        whose: Whose<'_>,
        now: Timestamp,
    ) -> Result<FormId, SignInRefusal> {
        let id = FormId(secret::token()?);
        let label = Label { target: target.path_and_query().to_owned(), content_type: form.content_type.clone() };
        let label = Zeroizing::new(serde_json::to_vec(&label).map_err(|_no_memory| SignInRefusal::FormGone)?);
        let length = u32::try_from(label.len()).map_err(|_huge| SignInRefusal::FormGone)?;
        let mut plain = Zeroizing::new(Vec::with_capacity(4 + label.len() + form.body.expose().len()));
        plain.extend_from_slice(&length.to_be_bytes());
        plain.extend_from_slice(&label);
        plain.extend_from_slice(form.body.expose());
        let sealer = Sealer::with_key(whose.key).map_err(|_cannot| SignInRefusal::FormGone)?;
        let sealed = sealer.seal(&purpose(&id, whose), &plain).map_err(|_cannot| SignInRefusal::FormGone)?;
        let kept = Kept { user: whose.user.clone(), host: whose.host.clone(), sealed };
        self.0.put(id.digest(), whose.device, kept, now);
        Ok(id)
    }

    /// Opens a form for whom it is kept. It stays.
    pub(super) fn open(&self, id: &FormId, whose: Whose<'_>, now: Timestamp) -> Result<OpenForm, SignInRefusal> {
        let sealed = self.0.peek(&id.digest(), whose.device, now, |kept| {
            (kept.user == *whose.user && kept.host == *whose.host).then(|| kept.sealed.clone())
        });
        let sealed = sealed.map_err(|_absent_or_not_theirs| SignInRefusal::FormGone)?;
        let sealer = Sealer::with_key(whose.key).map_err(|_cannot| SignInRefusal::FormGone)?;
        let plain = sealer.open(&purpose(id, whose), &sealed).map_err(|_other_browser| SignInRefusal::FormGone)?;
        OpenForm::read(plain.expose()).ok_or(SignInRefusal::FormGone)
    }

    /// Lets a form go; whether it was there. Of two that ask, one hears yes.
    pub(super) fn remove(&self, id: &FormId, device: &DeviceId, user: &UserId, now: Timestamp) -> bool {
        self.0.take(&id.digest(), device, now, |kept| kept.user == *user).is_ok()
    }
}

impl OpenForm {
    fn read(plain: &[u8]) -> Option<Self> {
        let (length, rest) = plain.split_first_chunk::<4>()?;
        let (label, body) = rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
        let label: Label = serde_json::from_slice(label).ok()?;
        Some(Self { target: label.target, content_type: label.content_type, body: Zeroizing::new(body.to_vec()) })
    }

    /// Bytes of the body.
    pub fn length(&self) -> u64 {
        self.body.len() as u64
    }

    /// The body, to send. It is wiped when the last of it is let go.
    pub fn into_body(self) -> Bytes {
        Bytes::from_owner(self.body)
    }

    /// Its fields, as far as they can be told: the first of them, in order.
    pub(super) fn fields(&self) -> Vec<Field> {
        let kind = self.content_type.to_ascii_lowercase();
        let mut fields = if kind.starts_with("multipart/") {
            parts(&self.content_type, &self.body)
        } else {
            let pairs = self.body.split(|&byte| byte == b'&').filter(|pair| !pair.is_empty());
            pairs.take(MAX_FIELDS).map(pair).collect()
        };
        for field in &mut fields {
            shorten(&mut field.name);
            if let Some(file) = &mut field.file {
                shorten(file);
            }
        }
        fields
    }
}

/// One pair of a URL-encoded form. Its value may be of any charset, and is only counted.
fn pair(pair: &[u8]) -> Field {
    let mut halves = pair.splitn(2, |&byte| byte == b'=');
    let name = url::form_urlencoded::parse(halves.next().unwrap_or_default()).next();
    let value = halves.next().unwrap_or_default();
    let escaped = value.iter().filter(|&&byte| byte == b'%').count();
    let bytes = value.len().saturating_sub(2 * escaped);
    Field { name: name.map(|(name, _)| name.into_owned()).unwrap_or_default(), file: None, bytes }
}

/// The parts of `multipart/form-data` (RFC 7578), for people to look at; what goes out is the body as it came.
fn parts(content_type: &str, body: &[u8]) -> Vec<Field> {
    let Some(boundary) = parameter(content_type, "boundary") else { return Vec::new() };
    let boundary = format!("--{boundary}");
    let mut fields = Vec::new();
    let mut rest = body;
    while let Some(at) = find(rest, boundary.as_bytes()) {
        let Some(part) = rest.get(at + boundary.len()..) else { break };
        rest = part;
        let end = find(part, boundary.as_bytes()).unwrap_or(part.len());
        let part = part.get(..end).unwrap_or_default();
        let Some(split) = find(part, b"\r\n\r\n") else { continue };
        let (head, value) = part.split_at(split);
        let head = String::from_utf8_lossy(head);
        let disposition = head.lines().find(|line| line.to_ascii_lowercase().starts_with("content-disposition:"));
        let Some(name) = disposition.and_then(|line| parameter(line, "name")) else { continue };
        let file = disposition.and_then(|line| parameter(line, "filename"));
        // The blank line before it and the line's end after it are not its own.
        fields.push(Field { name, file, bytes: value.len().saturating_sub(6) });
        if fields.len() == MAX_FIELDS {
            break;
        }
    }
    fields
}

/// `name=value` or `name="value"` among parameters that `;` separates.
fn parameter(header: &str, name: &str) -> Option<String> {
    let mut parameters = header.split(';').skip(1).filter_map(|parameter| parameter.trim().split_once('='));
    let (_, value) = parameters.find(|(found, _)| found.eq_ignore_ascii_case(name))?;
    Some(value.trim().trim_matches('"').to_owned())
}

fn find(whole: &[u8], part: &[u8]) -> Option<usize> {
    whole.windows(part.len()).position(|window| window == part)
}

fn shorten(text: &mut String) {
    if text.chars().count() > MAX_NAME {
        *text = text.chars().take(MAX_NAME).chain(['…']).collect();
    }
}

/// What a form is sealed for: nobody else, nowhere else.
fn purpose(id: &FormId, whose: Whose<'_>) -> String {
    format!("kept form\n{}\n{}\n{}\n{}", id.0, whose.device, whose.user, whose.host)
}

/// Bytes of a form that can be kept.
pub const MAX_FORM: usize = 64 * 1024;

/// Time for a sign-in and a look at what will be sent.
const LIFETIME: std::time::Duration = std::time::Duration::from_secs(15 * 60);

const MAX_PER_DEVICE: usize = 4;

/// 16 MiB of bodies at most.
const MAX_IN_ALL: usize = 256;

const FIELD: &str = "sekisho-kept-form";
const ID_LENGTH: usize = 43;
const MAX_FIELDS: usize = 40;
const MAX_NAME: usize = 60;

#[cfg(test)]
mod tests {
    use super::*;

    fn form(content_type: &str, body: &[u8]) -> OpenForm {
        OpenForm { target: "/x".to_owned(), content_type: content_type.to_owned(), body: Zeroizing::new(body.to_vec()) }
    }

    fn shown(form: &OpenForm) -> Vec<(String, Option<String>, usize)> {
        form.fields().into_iter().map(|field| (field.name, field.file, field.bytes)).collect()
    }

    #[test]
    fn fields_are_named_and_values_are_not() {
        let open = form("application/x-www-form-urlencoded", b"title=A%20%E4&pw=s3cret&empty=&&b%5B%5D");
        let expected = [("title", None, 3), ("pw", None, 6), ("empty", None, 0), ("b[]", None, 0)];
        assert_eq!(shown(&open), expected.map(|(name, file, bytes)| (name.to_owned(), file, bytes)));
        assert!(!format!("{:?}", open.fields()).contains("s3cret"));
    }

    #[test]
    fn parts_are_named_with_their_files() {
        let body = b"--X\r\nContent-Disposition: form-data; name=\"note\"\r\n\r\nhi there\r\n--X\r\n\
            Content-Disposition: form-data; name=\"plan\"; filename=\"p.pdf\"\r\nContent-Type: application/pdf\r\n\r\n\0\x01\r\n\r\n\r\n--X--\r\n";
        let open = form("multipart/form-data; boundary=X", body);
        assert_eq!(shown(&open), [("note".to_owned(), None, 8), ("plan".to_owned(), Some("p.pdf".to_owned()), 6)]);
        for odd in ["multipart/form-data", "multipart/form-data; boundary=", "multipart/form-data; boundary=Y"] {
            drop(form(odd, body).fields());
        }
        assert!(form("multipart/form-data; boundary=Y", body).fields().is_empty());
    }

    #[test]
    fn the_form_that_sends_it_again_has_one_length_and_one_form() {
        let id = FormId(secret::token().unwrap());
        let body = format!("{}={}", FormId::FIELD, id.as_str());
        assert_eq!(body.len() as u64, FormId::BODY_LENGTH);
        assert_eq!(FormId::from_body(body.as_bytes()), Some(id));
        for other in [body.replace("kept", "Kept"), body.replace('=', "&"), format!("{}=%", FormId::FIELD), body + "x"] {
            assert_eq!(FormId::from_body(other.as_bytes()), None, "{other}");
        }
    }

    fn host(name: &str) -> Host {
        name.parse().unwrap()
    }

    #[test]
    fn it_opens_for_one_browser_of_one_person_on_one_device_at_one_host() {
        let forms = Forms::new();
        let (ana, bob) = (crate::inventory::samples::user("ana"), crate::inventory::samples::user("bob"));
        let (lap, other): (DeviceId, DeviceId) = ("lap-1".parse().unwrap(), "lap-2".parse().unwrap());
        let (wiki, files) = (host("wiki.example"), host("files.example"));
        let (key, foreign) = (Secret::new([1; 32]), Secret::new([2; 32]));
        let mine = Whose { device: &lap, user: &ana, host: &wiki, key: &key };
        let new = NewForm { content_type: "text/plain".to_owned(), body: Secret::new(b"\0byte for byte\xff".to_vec()) };
        let target = ReturnTo::for_test(&wiki, "/post?a=1");
        let now = Timestamp(1000);
        let id = forms.keep(&new, &target, mine, now).unwrap();
        assert!(!format!("{forms:?}").contains("byte for byte"), "what rests in memory is sealed");
        for whose in [
            Whose { device: &other, ..mine },
            Whose { user: &bob, ..mine },
            Whose { host: &files, ..mine },
            Whose { key: &foreign, ..mine },
        ] {
            assert!(matches!(forms.open(&id, whose, now), Err(SignInRefusal::FormGone)), "{whose:?}");
        }
        assert!(forms.open(&id, mine, now.plus(LIFETIME)).is_err(), "its time ends");
        let open = forms.open(&id, mine, now).unwrap();
        assert_eq!((open.target.as_str(), open.content_type.as_str(), open.length()), ("/post?a=1", "text/plain", 15));
        assert_eq!(&open.into_body()[..], b"\0byte for byte\xff");
        assert!(!forms.remove(&id, &other, &ana, now) && !forms.remove(&id, &lap, &bob, now));
        assert!(forms.remove(&id, &lap, &ana, now));
        assert!(!forms.remove(&id, &lap, &ana, now), "once");
        assert!(forms.open(&id, mine, now).is_err());
    }
}
