//! How a section is read: every key that is not known and every value of the wrong kind is reported, and reading goes on.
//!
//! Derived readers stop at the first error and do not know their own keys. These go on, and their [`Shape`] is what the
//! environment, the tests and the manual are held against.

use super::document::{Node, Value};
use super::problem::{At, Problem};
use super::suggest;

/// Something that can be written in the file.
pub(in crate::config) trait Setting: Sized {
    /// What may be written.
    const SHAPE: Shape;

    /// Reads it, or says what is wrong.
    fn read(node: &Node, at: At, problems: &mut Vec<Problem>) -> Option<Self>;

    /// Where it is written.
    fn at(&self) -> &At;
}

/// Several settings under one heading.
pub(in crate::config) trait Section: Setting {
    /// The section where it is not written: every key has its default.
    fn absent(path: &str) -> Self;

    /// Where one of its keys is written; where it would be, if it is not.
    fn key(&self, name: &str) -> At;
}

/// What may be written for a setting.
#[derive(Clone, Copy, Debug)]
pub(in crate::config) enum Shape {
    Text,
    Number,
    Flag,
    List(&'static Self),
    Table(&'static [(&'static str, Self)]),
}

/// A value as it was written, with its place.
#[derive(Clone, Debug)]
pub(in crate::config) struct Given<T> {
    pub(in crate::config) value: T,
    pub(in crate::config) at: At,
}

pub(in crate::config) type Text = Given<String>;
pub(in crate::config) type Number = Given<u64>;
pub(in crate::config) type Flag = Given<bool>;

/// Values in brackets, or sections in double brackets.
#[derive(Clone, Debug)]
pub(in crate::config) struct List<T> {
    pub(in crate::config) items: Vec<T>,
    pub(in crate::config) at: At,
}

/// One text, or several in brackets.
#[derive(Clone, Debug)]
pub(in crate::config) struct OneOrMore(pub(in crate::config) List<Text>);

/// Declares sections: a struct with an `Option` for each key, and its reader.
macro_rules! sections {
    ($($(#[$doc:meta])* $name:ident { $($(#[$key_doc:meta])* $key:ident: $kind:ty,)+ })+) => {$(
        $(#[$doc])*
        #[derive(Debug)]
        pub(in crate::config) struct $name {
            pub(in crate::config) at: $crate::config::problem::At,
            $($(#[$key_doc])* pub(in crate::config) $key: Option<$kind>,)+
        }

        impl $crate::config::setting::Section for $name {
            fn absent(path: &str) -> Self {
                Self { at: $crate::config::problem::At::absent(path), $($key: None,)+ }
            }

            fn key(&self, name: &str) -> $crate::config::problem::At {
                use $crate::config::setting::Setting as _;

                let written = match name {
                    $(stringify!($key) => self.$key.as_ref().map(|setting| setting.at().clone()),)+
                    _ => None,
                };
                written.unwrap_or_else(|| self.at.key(name, self.at.place.clone()))
            }
        }

        impl $crate::config::setting::Setting for $name {
            const SHAPE: $crate::config::setting::Shape = $crate::config::setting::Shape::Table(
                &[$((stringify!($key), <$kind as $crate::config::setting::Setting>::SHAPE),)+],
            );

            fn read(
                node: &$crate::config::document::Node,
                at: $crate::config::problem::At,
                problems: &mut Vec<$crate::config::problem::Problem>,
            ) -> Option<Self> {
                const KEYS: &[&str] = &[$(stringify!($key),)+];
                let entries = $crate::config::setting::open(node, &at, KEYS, problems)?;
                Some(Self { $($key: $crate::config::setting::take(entries, stringify!($key), &at, problems),)+ at })
            }

            fn at(&self) -> &$crate::config::problem::At {
                &self.at
            }
        }
    )+};
}
pub(in crate::config) use sections;

/// The entries of a section, after reporting those that it does not know.
pub(in crate::config) fn open<'a>(
    node: &'a Node,
    at: &At,
    known: &[&str],
    problems: &mut Vec<Problem>,
) -> Option<&'a [(String, Node)]> {
    let Value::Table(entries) = &node.value else {
        problems.push(wrong(node, at, "a section"));
        return None;
    };
    for (name, entry) in entries.iter().filter(|(name, _)| !known.contains(&name.as_str())) {
        let problem = Problem::new(&at.key(name, entry.place.clone()), "there is no such key");
        problems.push(match suggest::nearest(name, known) {
            Some(nearest) => problem.instead(format!("did you mean `{nearest}`?")),
            None => match elsewhere(name) {
                Some(section) => problem.instead(format!("`{name}` is a key of {section}")),
                None => problem.instead(format!("the keys here are {}", known.join(", "))),
            },
        });
    }
    Some(entries)
}

/// The heading under which a key would be known.
fn elsewhere(key: &str) -> Option<String> {
    fn find(shape: Shape, key: &str, path: &str, brackets: (&str, &str)) -> Option<String> {
        let keys = match shape {
            Shape::Table(keys) => keys,
            Shape::List(Shape::Table(keys)) => keys,
            _ => return None,
        };
        if keys.iter().any(|(known, _)| *known == key) {
            let (open, close) = brackets;
            return Some(if path.is_empty() { "the beginning of the file".to_owned() } else { format!("{open}{path}{close}") });
        }
        keys.iter().find_map(|(name, shape)| {
            let inner = if path.is_empty() { (*name).to_owned() } else { format!("{path}.{name}") };
            let brackets = if matches!(shape, Shape::List(_)) { ("[[", "]]") } else { ("[", "]") };
            find(*shape, key, &inner, brackets)
        })
    }
    find(super::raw::Root::SHAPE, key, "", ("", ""))
}

/// Reads one key of a section.
pub(in crate::config) fn take<T: Setting>(
    entries: &[(String, Node)],
    name: &str,
    at: &At,
    problems: &mut Vec<Problem>,
) -> Option<T> {
    let (_, node) = entries.iter().find(|(key, _)| key == name)?;
    T::read(node, at.key(name, node.place.clone()), problems)
}

impl Setting for Text {
    const SHAPE: Shape = Shape::Text;

    fn read(node: &Node, at: At, problems: &mut Vec<Problem>) -> Option<Self> {
        if let Value::Text(text) = &node.value {
            return Some(Self { value: text.clone(), at });
        }
        problems.push(match (&node.value, at.path.rsplit('.').next().and_then(example)) {
            (Value::Number(Some(number)), Some(example)) => {
                let what = format!("this is {number} without a unit");
                Problem::new(&at, what).instead(format!("write it in quotes with one, for example \"{example}\""))
            }
            _ => wrong(node, &at, "text in quotes"),
        });
        None
    }

    fn at(&self) -> &At {
        &self.at
    }
}

/// How a quantity is written: a test holds that every key of one has an example here.
fn example(key: &str) -> Option<&'static str> {
    match key {
        "rate_limit" => Some("600/m"),
        "head" | "target" => Some("64KiB"),
        "body" | "max_body" | "rotate_size" | "keep_size" => Some("64MiB"),
        "body_rate" => Some("1kB"),
        "certificate_lifetime" | "renewal_grace" | "renewal_overlap" | "keep_for" | "max_token_lifetime" => Some("90d"),
        "keys_max_age" | "session_lifetime" | "max_fact_age" | "max_age" | "body_timeout" => Some("12h"),
        "refresh" | "keys_refresh" | "rotate_after" => Some("15m"),
        "checkpoint_every" | "connect" | "first_byte" | "idle" | "interval" | "sync_interval" | "timeout" => Some("10s"),
        key if key.ends_with("_timeout") => Some("10s"),
        _ => None,
    }
}

impl Setting for Number {
    const SHAPE: Shape = Shape::Number;

    fn read(node: &Node, at: At, problems: &mut Vec<Problem>) -> Option<Self> {
        match &node.value {
            Value::Number(number) => {
                let value = number.and_then(|number| u64::try_from(number).ok());
                if value.is_none() {
                    let problem = Problem::new(&at, "this number is negative or too large");
                    problems.push(problem.instead("write a whole number that is not negative, for example 100"));
                }
                value.map(|value| Self { value, at })
            }
            Value::Text(text) if text.parse::<u64>().is_ok() => {
                problems.push(wrong(node, &at, "a whole number").instead(format!("write it without quotes: {text}")));
                None
            }
            _ => {
                problems.push(wrong(node, &at, "a whole number without quotes, for example 100"));
                None
            }
        }
    }

    fn at(&self) -> &At {
        &self.at
    }
}

impl Setting for Flag {
    const SHAPE: Shape = Shape::Flag;

    fn read(node: &Node, at: At, problems: &mut Vec<Problem>) -> Option<Self> {
        if let Value::Flag(value) = node.value {
            return Some(Self { value, at });
        }
        problems.push(wrong(node, &at, "true or false without quotes"));
        None
    }

    fn at(&self) -> &At {
        &self.at
    }
}

impl<T: Setting> Setting for List<T> {
    const SHAPE: Shape = Shape::List(&T::SHAPE);

    fn read(node: &Node, at: At, problems: &mut Vec<Problem>) -> Option<Self> {
        let Value::List(nodes) = &node.value else {
            let last = at.path.rsplit('.').next().unwrap_or_default();
            let needed = match T::SHAPE {
                Shape::Table(_) => format!("sections headed `[[{last}]]`"),
                _ => "a list in brackets".to_owned(),
            };
            problems.push(wrong(node, &at, &needed));
            return None;
        };
        let read = |(index, item): (usize, &Node)| T::read(item, at.item(index, item.place.clone()), problems);
        let items = nodes.iter().enumerate().filter_map(read).collect();
        Some(Self { items, at })
    }

    fn at(&self) -> &At {
        &self.at
    }
}

impl Setting for OneOrMore {
    const SHAPE: Shape = Shape::List(&Shape::Text);

    fn read(node: &Node, at: At, problems: &mut Vec<Problem>) -> Option<Self> {
        if let Value::Text(_) = &node.value {
            let items = Text::read(node, at.clone(), problems).into_iter().collect();
            return Some(Self(List { items, at }));
        }
        List::read(node, at, problems).map(Self)
    }

    fn at(&self) -> &At {
        &self.0.at
    }
}

fn wrong(node: &Node, at: &At, needed: &str) -> Problem {
    Problem::new(at, format!("this is {}", node.kind())).instead(format!("it has to be {needed}"))
}
